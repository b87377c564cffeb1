"""Rounds -> the picture of the three kappas over labels bought, drawn as SVG.

Two drawings of one chart, of which the page shows the one that fits: letters in an SVG shrink
with it, so that a chart made for a desk cannot be read on a telephone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from selection.record import Record
from selection.report.html import Safe, count, interval, join, kappa, tag
from selection.types import Estimate


@dataclass(frozen=True)
class Series:
    """One line of the chart. key: of the record. dodge: pixels to the side, so that intervals of
    one round stand beside each other."""

    name: str
    short: str
    key: str
    dodge: int

    def of(self, record: Record) -> Estimate:
        """The series' estimate in one round."""
        found: Estimate = getattr(record, self.key)
        return found


SERIES = (
    Series("Production", "Production", "production_kappa", -6),
    Series("Boundary", "Boundary", "boundary_kappa", 0),
    Series("Experts", "Experts", "expert_kappa", 6),
)
START = Series("Starting model", "Start", "start_kappa", 0)


@dataclass(frozen=True)
class Frame:
    """Where values stand, in pixels. most: labels bought at the right end. low: kappa below."""

    width: int
    height: int
    left: int
    right: int
    most: int
    low: float
    top: int = 14
    bottom: int = 46

    def x(self, labels: float) -> float:
        return self.left + (self.width - self.left - self.right) * labels / self.most

    def y(self, value: float) -> float:
        tall = self.height - self.top - self.bottom
        return self.top + tall * (1.0 - value) / (1.0 - self.low)

    @property
    def end(self) -> int:
        """x of the right end."""
        return self.width - self.right

    @property
    def floor(self) -> int:
        """y of the lower end."""
        return self.height - self.bottom


@dataclass(frozen=True)
class Point:
    """A defined estimate of one series in one round, and where it stands."""

    round: int
    x: float
    y: float
    estimate: Estimate


def curves(rounds: Sequence[Record]) -> Safe:
    """The chart with what it leaves out. rounds: at least one record."""
    return join(
        [
            _chart(rounds, 940, 380, "wide"),
            _chart(rounds, 343, 300, "narrow"),
            _left_out(rounds),
        ]
    )


def _chart(rounds: Sequence[Record], width: int, height: int, size: str) -> Safe:
    wide = size == "wide"
    frame = Frame(
        width=width,
        height=height,
        left=38 if wide else 30,
        right=186 if wide else 110,
        most=max(max(r.labels_bought for r in rounds), 1),
        low=_lowest(rounds),
    )
    lines = [_line(series, rounds, frame) for series in SERIES]
    return tag(
        "svg",
        _grid(frame),
        _ticks(rounds, frame, wide),
        _start(rounds, frame),
        *lines,
        _names(rounds, frame, wide),
        class_=f"chart {size}",
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=_spoken(rounds),
    )


def _lowest(rounds: Sequence[Record]) -> float:
    """Lower end of the axis: 0, or the tenth below the lowest thing shown."""
    shown = [0.0]
    for record in rounds:
        for series in (*SERIES, START):
            one = series.of(record)
            shown += [v for v in (one.value, one.low) if v is not None]
    return max(floor(round(min(shown) * 10, 6)) / 10, -1.0)


def _points(series: Series, rounds: Sequence[Record], frame: Frame) -> list[Point | None]:
    """One entry a round; None where the estimate is undefined."""
    points: list[Point | None] = []
    for record in rounds:
        one = series.of(record)
        x = frame.x(record.labels_bought) + series.dodge
        points.append(
            None if one.value is None else Point(record.round, x, frame.y(one.value), one)
        )
    return points


def _grid(frame: Frame) -> Safe:
    values = [tenth / 10 for tenth in range(round(frame.low * 10), 11) if tenth % 2 == 0]
    parts = []
    for v in values:
        y, css = frame.y(v), "zero" if v == 0 else "grid"
        parts.append(tag("line", x1=frame.left, x2=frame.end, y1=y, y2=y, class_=css))
        parts.append(tag("text", f"{v:.1f}", x=frame.left - 7, y=y + 4, class_="tick end"))
    return join(parts)


def _ticks(rounds: Sequence[Record], frame: Frame, wide: bool) -> Safe:
    """Labels bought under each round; a tick that has no room stays unnamed."""
    parts, free = [], frame.left
    for record in reversed(rounds):  # the newest round is named before the older ones
        x = frame.x(record.labels_bought)
        parts.append(tag("line", x1=x, x2=x, y1=frame.floor, y2=frame.floor + 5, class_="zero"))
        if parts and free != frame.left and free - x < (58 if wide else 34):
            continue
        free = round(x)
        name = f"round {record.round}" if wide else f"r{record.round}"
        parts.append(
            tag("text", f"{record.labels_bought:,}", x=x, y=frame.floor + 19, class_="tick mid")
        )
        parts.append(tag("text", name, x=x, y=frame.floor + 34, class_="tick mid faint"))
    if frame.x(min(r.labels_bought for r in rounds)) - frame.left > (58 if wide else 30):
        parts.append(tag("text", "0", x=frame.left, y=frame.floor + 19, class_="tick mid"))
    return join(parts)


def _start(rounds: Sequence[Record], frame: Frame) -> Safe:
    """The starting model, measured again with every round, from end to end."""
    points = [p for p in _points(START, rounds, frame) if p is not None]
    if not points:
        return Safe("")
    path = [(float(frame.left), points[0].y), *((p.x, p.y) for p in points)]
    path.append((float(frame.end), points[-1].y))
    return tag(
        "polyline",
        tag("title", _told(START, points[-1])),
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in path),
        class_="line s-start_kappa",
    )


def _line(series: Series, rounds: Sequence[Record], frame: Frame) -> Safe:
    """Lines between neighbouring rounds that are both defined, intervals, marks."""
    points = _points(series, rounds, frame)
    lines = [
        tag("line", x1=a.x, y1=a.y, x2=b.x, y2=b.y, class_="line")
        for a, b in zip(points[:-1], points[1:], strict=True)
        if a is not None and b is not None
    ]
    there = [p for p in points if p is not None]
    marks = [tag("g", tag("title", _told(series, p)), _bar(p, frame), _mark(series, p.x, p.y))
             for p in there]  # fmt: skip
    return tag("g", *lines, *marks, class_=f"s-{series.key}")


def _bar(point: Point, frame: Frame) -> Safe:
    low, high = point.estimate.low, point.estimate.high
    if low is None or high is None:
        return Safe("")
    bottom, top = frame.y(max(low, frame.low)), frame.y(min(high, 1.0))
    caps = "".join(f"M{point.x - 4:.1f} {y:.1f}h8" for y in (bottom, top))
    return tag("path", d=f"M{point.x:.1f} {bottom:.1f}V{top:.1f}{caps}", class_="bar")


def _mark(series: Series, x: float, y: float) -> Safe:
    """Circle, square or diamond: the series are told apart without their colours."""
    if series.key == "production_kappa":
        return tag("circle", cx=x, cy=y, r=5.5, class_="mark")
    if series.key == "boundary_kappa":
        return tag("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, class_="mark")
    return tag("path", d=f"M{x:.1f} {y - 6.5:.1f}l6.5 6.5l-6.5 6.5l-6.5 -6.5z", class_="mark")


def _names(rounds: Sequence[Record], frame: Frame, wide: bool) -> Safe:
    """The lines' names beside their right ends, moved apart where they would cover each other."""
    ends = []
    for series in (*SERIES, START):
        points = [p for p in _points(series, rounds, frame) if p is not None]
        if points:
            ends.append((points[-1], series))
    ends.sort(key=lambda end: end[0].y)
    parts = []
    for (point, series), y in zip(ends, _apart([p.y for p, _ in ends], frame), strict=True):
        text = f"{series.name} {kappa(point.estimate.value or 0.0)}" if wide else series.short
        mark = (
            tag("line", x1=frame.end + 17, x2=frame.end + 31, y1=y, y2=y, class_="line")
            if series is START
            else _mark(series, frame.end + 24, y)
        )
        name = tag("text", text, x=frame.end + 36, y=y + 4.5, class_="name")
        parts.append(tag("g", mark, name, class_=f"s-{series.key}"))
    return join(parts)


def _apart(ys: list[float], frame: Frame, step: float = 19.0) -> list[float]:
    """Ascending heights at least `step` apart, as near as can be to those given."""
    placed: list[float] = []
    for y in ys:
        placed.append(max(y, placed[-1] + step) if placed else y)
    over = placed[-1] - frame.floor if placed else 0.0
    if over > 0:
        placed[-1] -= over
        for i in range(len(placed) - 2, -1, -1):
            placed[i] = min(placed[i], placed[i + 1] - step)
    return placed


def _told(series: Series, point: Point) -> str:
    one = point.estimate
    return (
        f"{series.name}, round {point.round}: kappa {kappa(one.value or 0.0)}, "
        f"{interval(one)}, {count(one.items, 'item')}"
    )


def _spoken(rounds: Sequence[Record]) -> str:
    """The chart in words, for those who hear the page."""
    parts = []
    for series in (*SERIES, START):
        values = [series.of(record).value for record in rounds]
        parts.append(
            f"{series.name}: " + ", ".join("undefined" if v is None else kappa(v) for v in values)
        )
    bought = ", ".join(str(record.labels_bought) for record in rounds)
    return f"Kappa by labels bought ({bought}). {'. '.join(parts)}."


def _left_out(rounds: Sequence[Record]) -> Safe:
    """A sentence for every point that is undefined and therefore not drawn."""
    lines = []
    for record in rounds:
        for series in (*SERIES, START):
            one = series.of(record)
            if one.value is None:
                why = one.reason or "no reason given"
                lines.append(tag("li", f"{series.name}, round {record.round}: {why}"))
    if not lines:
        return Safe("")
    return tag("div", tag("p", "Not drawn, because undefined:"), tag("ul", *lines), class_="note")
