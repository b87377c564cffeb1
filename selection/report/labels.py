"""Verdicts -> bars: what each round bought for which use, and each use's shares of the labels."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from selection.collect import Collected
from selection.record import Record
from selection.wording import percent

USES = {"train": "testing, then teaching", "audit": "measuring production"}
COLOURS = 8  # that the style sheet has for labels
Legend = list[tuple[str, str]]


@dataclass(frozen=True)
class Piece:
    """A part of a bar. css: its class. width: percent of a full bar. figure: the size in words."""

    css: str
    name: str
    width: float
    figure: str


@dataclass(frozen=True)
class Bar:
    """One bar. total: what stands after it."""

    name: str
    pieces: list[Piece]
    total: str


@dataclass(frozen=True)
class Bars:
    """Bars below each other. legend: CSS class and meaning of each colour."""

    legend: Legend
    bars: list[Bar]


def bought(collected: Collected) -> Bars:
    """Return one bar a round, all on one scale: its verdicts by use."""
    legend = [(f"role-{role}", use) for role, use in USES.items()]
    verdicts: dict[int, Counter[str]] = {round: Counter() for round in collected.rounds}
    for item in collected.items:
        verdicts[item.card.round][item.card.role] += len(item.verdicts)
    most = max((one.total() for one in verdicts.values()), default=0)
    bars = []
    for round, one in verdicts.items():
        sizes = [one[role] for role in USES]
        pieces = _pieces(legend, sizes, most, [f"{size:,}" for size in sizes])
        bars.append(Bar(f"Round {round}", pieces, f"{one.total():,}"))
    return Bars(legend, bars)


def label_shares(collected: Collected) -> Bars:
    """Return one bar a use with the labels among its verdicts, each verdict counted once."""
    labels = collected.labels
    bars = []
    for role, use in USES.items():
        given = Counter(label for item in collected.role(role) for label in item.verdicts.values())
        if given:
            sizes = [given[n] for n in range(len(labels))]
            bars.append(_share_bar(use.capitalize(), labels, sizes, f"{given.total():,}"))
    return Bars(_legend(labels), bars)


def pool_shares(labels: Sequence[str], rounds: Sequence[Record]) -> Bars | None:
    """Return one bar: the labels of the pool, which the newest audit estimates by its weights.

    None before an audit.
    """
    estimated = rounds[-1].prevalence if rounds else None
    if not estimated:
        return None
    sizes = [estimated.get(label, 0.0) for label in labels]
    return Bars(_legend(labels), [_share_bar("The pool", labels, sizes, "")])


def _legend(labels: Sequence[str]) -> Legend:
    return [(f"label-{n % COLOURS}", label) for n, label in enumerate(labels)]


def _share_bar(name: str, labels: Sequence[str], sizes: Sequence[float], total: str) -> Bar:
    whole = sum(sizes)
    figures = [percent(size / whole if whole else 0.0) for size in sizes]
    return Bar(name, _pieces(_legend(labels), sizes, whole, figures), total)


def _pieces(
    legend: Legend, sizes: Sequence[float], most: float, figures: Iterable[str]
) -> list[Piece]:
    """most: size of a full bar."""
    return [
        Piece(css, name, 100 * size / most if size else 0.0, figure)
        for (css, name), size, figure in zip(legend, sizes, figures, strict=True)
    ]
