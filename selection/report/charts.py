"""Records of rounds -> where the chart of kappa over verdicts bought puts its lines and marks.

Every version stands there as the verdicts of today measure it (gained.py).

There are two drawings of one chart, of which the page shows the one that fits: letters in an SVG
shrink with it, so that a chart made for a desk cannot be read on a telephone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, inf

from selection.gained import by_now
from selection.record import Record
from selection.report.html import interval, why
from selection.types import Estimate
from selection.wording import counted, kappa


@dataclass(frozen=True)
class Series:
    """What one line of the chart shows.

    key: its field in the record. mark: shape of its points, so that lines are told apart without
    their colours. dodge: pixels to the side, so that the intervals of a round do not overlap.
    """

    name: str
    short: str
    key: str
    mark: str
    dodge: int = 0

    def of(self, record: Record) -> Estimate:
        """Return the series' estimate in one round."""
        found: Estimate = getattr(record, self.key)
        return found


SERIES = (
    Series("Production", "Production", "production_kappa", "circle", -6),
    Series("Boundary", "Boundary", "boundary_kappa", "square"),
    Series("Experts", "Experts", "expert_kappa", "diamond", 6),
)
START = Series("Starting model", "Start", "start_kappa", "dash")
ALL = (*SERIES, START)


@dataclass(frozen=True)
class Frame:
    """The axes, in pixels.

    left, right, top, bottom: margins. tick: room that the name of a tick takes; zero: that the 0
    takes. most: verdicts bought at the right end. low: kappa at the lower end.
    """

    width: int
    height: int
    left: int
    right: int
    tick: int
    zero: int
    most: int
    low: float
    top: int = 14
    bottom: int = 46

    def x(self, labels: float) -> float:
        """Return where a number of labels stands."""
        return self.left + (self.end - self.left) * labels / self.most

    def y(self, value: float) -> float:
        """Return where a kappa stands."""
        return self.top + (self.floor - self.top) * (1.0 - value) / (1.0 - self.low)

    @property
    def end(self) -> int:
        """x of the right end."""
        return self.width - self.right

    @property
    def floor(self) -> int:
        """y of the lower end."""
        return self.height - self.bottom


WIDE = {"width": 940, "height": 380, "left": 38, "right": 186, "tick": 58, "zero": 58}
NARROW = {"width": 343, "height": 300, "left": 30, "right": 110, "tick": 34, "zero": 30}


@dataclass(frozen=True)
class Point:
    """A defined estimate. bar: y of the ends of its interval. told: the estimate in words."""

    x: float
    y: float
    value: float
    bar: tuple[float, float] | None
    told: str


@dataclass(frozen=True)
class Line:
    """A series with at least one point.

    paths: x and y along each unbroken piece of the line. name_y: height of the line's name.
    """

    series: Series
    points: list[Point]
    paths: list[list[tuple[float, float]]]
    name_y: float


@dataclass(frozen=True)
class Tick:
    """A round on the axis of verdicts bought. named: whether there is room for its name."""

    x: float
    round: int
    labels_bought: int
    named: bool


@dataclass(frozen=True)
class Chart:
    """One drawing. grid: kappa and its y. zero: whether there is room for the 0 of verdicts bought.

    spoken: the chart in words, for those who hear the page.
    """

    wide: bool
    frame: Frame
    grid: list[tuple[float, float]]
    ticks: list[Tick]
    zero: bool
    lines: list[Line]
    spoken: str


def curves(rounds: Sequence[Record]) -> list[Chart]:
    """Return the wide and the narrow drawing; none before the first round."""
    now = by_now(rounds)
    return [_chart(now, wide) for wide in (True, False)] if now else []


def left_out(rounds: Sequence[Record]) -> list[str]:
    """Return a sentence for every point that is undefined and therefore not drawn."""
    return [
        f"{series.name}, round {record.round}: {why(series.of(record))}"
        for record in by_now(rounds)
        for series in ALL
        if series.of(record).value is None
    ]


def _chart(rounds: Sequence[Record], wide: bool) -> Chart:
    most = max(max(record.labels_bought for record in rounds), 1)
    frame = Frame(**(WIDE if wide else NARROW), most=most, low=_lowest(rounds))
    tenths = range(round(frame.low * 10), 11)
    ticks = _ticks(rounds, frame)
    return Chart(
        wide=wide,
        frame=frame,
        grid=[(tenth / 10, frame.y(tenth / 10)) for tenth in tenths if tenth % 2 == 0],
        ticks=ticks,
        zero=min(tick.x for tick in ticks) - frame.left > frame.zero,
        lines=_lines(rounds, frame),
        spoken=_spoken(rounds),
    )


def _lowest(rounds: Sequence[Record]) -> float:
    """Lower end of the axis: 0, or the tenth below the lowest thing shown."""
    shown = [0.0]
    for record in rounds:
        for series in ALL:
            one = series.of(record)
            shown += [v for v in (one.value, one.low) if v is not None]
    return max(floor(round(min(shown) * 10, 6)) / 10, -1.0)


def _ticks(rounds: Sequence[Record], frame: Frame) -> list[Tick]:
    """Newest first, so that rounds without room for their names are older ones."""
    ticks, free = [], inf
    for record in reversed(rounds):
        x = frame.x(record.labels_bought)
        named = free - x >= frame.tick
        free = x if named else free
        ticks.append(Tick(x, record.round, record.labels_bought, named))
    return ticks


def _lines(rounds: Sequence[Record], frame: Frame) -> list[Line]:
    """The starting model first, so that the others are drawn over it."""
    places = {series: [_point(series, record, frame) for record in rounds] for series in ALL}
    points = {series: [p for p in places[series] if p is not None] for series in ALL}
    names = _name_heights({series: p[-1].y for series, p in points.items() if p}, frame)
    return [
        Line(
            series,
            points[series],
            [_across(points[series], frame)] if series is START else _pieces(places[series]),
            names[series],
        )
        for series in (START, *SERIES)
        if series in names
    ]


def _point(series: Series, record: Record, frame: Frame) -> Point | None:
    """None where the estimate is undefined."""
    one = series.of(record)
    if one.value is None:
        return None
    bar = None
    if one.low is not None and one.high is not None:
        bar = frame.y(max(one.low, frame.low)), frame.y(min(one.high, 1.0))
    told = (
        f"{series.name}, round {record.round}: kappa {kappa(one.value)}, {interval(one)}, "
        f"{counted(one.items, 'item')}"
    )
    x = frame.x(record.labels_bought) + series.dodge
    return Point(x, frame.y(one.value), one.value, bar, told)


def _across(points: Sequence[Point], frame: Frame) -> list[tuple[float, float]]:
    """The starting model is the same all the time: a line from end to end."""
    path = [(point.x, point.y) for point in points]
    return [(frame.left, path[0][1]), *path, (frame.end, path[-1][1])]


def _pieces(places: Sequence[Point | None]) -> list[list[tuple[float, float]]]:
    """The line, broken where a round is undefined; a point between two such rounds has none."""
    runs = (list(run) for defined, run in groupby(places, lambda p: p is not None) if defined)
    return [[(p.x, p.y) for p in run if p is not None] for run in runs if len(run) > 1]


def _name_heights(ends: Mapping[Series, float], frame: Frame) -> dict[Series, float]:
    """Return y of each name: that of its line's end, moved where names would cover each other."""
    order = sorted(ends, key=ends.__getitem__)
    return dict(zip(order, _apart([ends[series] for series in order], frame), strict=True))


def _apart(ys: Sequence[float], frame: Frame, step: float = 19.0) -> list[float]:
    """Ascending heights at least `step` apart, as near as can be to those given."""
    placed: list[float] = []
    for y in ys:
        placed.append(max(y, placed[-1] + step) if placed else y)
    ceiling = float(frame.floor)
    for i in reversed(range(len(placed))):  # those pushed below the axis move up again
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - step
    return placed


def _spoken(rounds: Sequence[Record]) -> str:
    parts = []
    for series in ALL:
        told = rounds[-1:] if series is START else rounds
        values = [series.of(record).value for record in told]
        parts.append(
            f"{series.name}: " + ", ".join("undefined" if v is None else kappa(v) for v in values)
        )
    bought = ", ".join(str(record.labels_bought) for record in rounds)
    return f"Kappa by verdicts bought ({bought}). {'. '.join(parts)}."
