"""Verdicts -> what was bought in each round for which use, and each use's balance of labels."""

from collections import Counter
from collections.abc import Sequence

from selection.collect import Collected, Item
from selection.record import Record
from selection.report.html import Safe, count, join, percent, tag

USES = {"train": "training", "boundary": "boundary test", "audit": "audit"}


def bought(collected: Collected) -> Safe:
    """One bar a round: its verdicts by role, on one scale."""
    table = {
        round: Counter(
            {
                role: sum(len(i.verdicts) for i in collected.role(role) if i.card.round == round)
                for role in USES
            }
        )
        for round in collected.rounds
    }
    most = max((one.total() for one in table.values()), default=0)
    rows = []
    for round, one in table.items():
        parts = [(f"role-{role}", one[role], f"{one[role]:,}", name) for role, name in USES.items()]
        rows.append(_row(f"Round {round}", parts, most, f"{one.total():,}"))
    legend = [(f"role-{role}", name) for role, name in USES.items()]
    return join([_legend(legend), tag("div", *rows, class_="bars")])


def balance(collected: Collected, rounds: Sequence[Record]) -> Safe:
    """One bar a role: the labels among its verdicts; below, the pool as the audit estimates it."""
    names = collected.labels
    rows = []
    for role, use in USES.items():
        given = _given(collected.role(role), len(names))
        total = sum(given)
        if total:
            shares = [one / total for one in given]
            rows.append(_shares(use.capitalize(), names, shares, count(total, "label")))
    estimated = rounds[-1].prevalence if rounds else None
    if estimated:
        shares = [estimated.get(name, 0.0) for name in names]
        rows.append(_shares("The pool", names, shares, "estimated"))
    legend = [(f"label-{n % 8}", name) for n, name in enumerate(names)]
    return join([_legend(legend), tag("div", *rows, class_="bars")])


def _given(items: Sequence[Item], k: int) -> list[int]:
    """How often each of k labels was given."""
    seen = Counter(label for item in items for label in item.verdicts.values())
    return [seen[label] for label in range(k)]


def _shares(name: str, labels: Sequence[str], shares: Sequence[float], total: str) -> Safe:
    parts = [
        (f"label-{n % 8}", share, percent(share), label)
        for n, (label, share) in enumerate(zip(labels, shares, strict=True))
    ]
    return _row(name, parts, sum(shares), total)


def _row(name: str, parts: Sequence[tuple[str, float, str, str]], most: float, total: str) -> Safe:
    """parts: (CSS class, size, size in words, what) of each piece. most: size of a full bar."""
    pieces = [
        tag("span", "", class_=f"piece {css}", style=f"width:{100 * size / most:.2f}%")
        for css, size, _, _ in parts
        if size
    ]
    return tag(
        "div",
        tag("span", name, class_="bar-name"),
        tag("span", *pieces, class_="bar-track", aria_hidden="true"),
        tag("span", total, class_="bar-total"),
        tag("span", ", ".join(f"{what} {figure}" for _, _, figure, what in parts), class_="told"),
        class_="bar-row",
    )


def _legend(entries: list[tuple[str, str]]) -> Safe:
    return tag(
        "p",
        *(tag("span", tag("i", class_=f"dot {css}"), name) for css, name in entries),
        class_="legend",
    )
