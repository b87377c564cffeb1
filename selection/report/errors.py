"""Judged texts -> where the version in force contradicts the experts, and how it confuses labels.

A text that taught the version is no error that was measured: it is listed, marked, and not counted.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from selection.collect import Collected
from selection.item import Item
from selection.report.blind import judged
from selection.report.reread import Belief
from selection.report.texts import Context, Text, text_of
from selection.wording import counted

MOST_ERRORS = 60
MOST_COLUMNS, MOST_CONFUSED = 3, 12
DIFFER = "experts differ"  # the row of texts that experts label differently


@dataclass(frozen=True)
class Confusion:
    """Unweighted counts of blind texts.

    labels: that the model can say. rows: what the experts said, and how many texts the model gave
    each label; on the diagonal both are the same.
    """

    name: str
    labels: Sequence[str]
    rows: list[tuple[str, list[int]]]
    texts: int

    @property
    def square(self) -> bool:
        """Whether there are so few labels that a telephone shows a column for each."""
        return len(self.labels) <= MOST_COLUMNS

    @property
    def same(self) -> int:
        """How many texts the model gave the label that all experts gave."""
        return sum(n for said, label, n in self._cells if said == label)

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """What experts say, what the model says, how often: the most frequent first."""
        found = [cell for cell in self._cells if cell[0] != cell[1] and cell[2]]
        return sorted(found, key=lambda cell: -cell[2])[:MOST_CONFUSED]

    @property
    def _cells(self) -> list[tuple[str, str, int]]:
        return [
            (said, label, n)
            for said, counts in self.rows
            for label, n in zip(self.labels, counts, strict=True)
        ]


@dataclass(frozen=True)
class Error:
    """A text on which no expert says what the version in force says."""

    round: int
    blind: bool
    text: Text


@dataclass(frozen=True)
class Errors:
    """What the page shows of them. more: errors that are left out. fault: why there are none."""

    version: str
    lead: str
    tables: list[Confusion]
    errors: list[Error]
    more: int
    fault: str = ""


def errors(collected: Collected, context: Context) -> Errors | None:
    """Return the errors of the version in force; None before the first verdict that may be seen."""
    again = context.reread
    if not judged(collected) or not (again.beliefs or again.fault):
        return None
    if again.fault:
        fault = (
            f"The errors of {context.in_force}, the version in force, are not known: {again.fault} "
            f"Below stands what the version before each round believed."
        )
        return Errors(context.in_force, "", [], [], 0, fault)
    # a version of other labels than the project has now cannot be compared
    read = [
        item
        for item in judged(collected)
        if set(again.beliefs.get(item.card.id, ())) == set(context.labels)
    ]
    found = [Error(item.card.round, item.card.blind, text_of(item, context)) for item in read]
    wrong = sorted((one for one in found if one.text.wrong), key=_rank)
    beliefs = again.beliefs
    audit = [(item, beliefs[item.card.id]) for item in read if item.card.role == "audit"]
    newest = collected.last_round
    chosen = [  # by their cards: they tested the version that chose them, then they taught
        (item, item.card.belief)
        for item in judged(collected)
        if item.card.role == "train" and item.card.round == newest and item.card.blind
        and set(item.card.belief) == set(context.labels)
    ]  # fmt: skip
    tables = [
        _confusion("Drawn at random", audit, context),
        _confusion(f"Chosen for round {newest}, by the version that chose", chosen, context),
    ]
    return Errors(
        context.in_force,
        _lead(found, again.left_out),
        [table for table in tables if table.texts],
        wrong[:MOST_ERRORS],
        max(len(wrong) - MOST_ERRORS, 0),
    )


def _rank(error: Error) -> tuple[int, bool, float]:
    """The newest round first; in it what was measured, and what the version is surest of."""
    pick = error.text.pick
    return -error.round, error.text.taught, -pick.probability if pick else 0.0


def _confusion(
    name: str, items: Sequence[tuple[Item, Belief]], context: Context
) -> Confusion:
    counts: Counter[tuple[str, str]] = Counter()
    for item, belief in items:
        given = {context.labels[label] for label in item.verdicts.values()}
        counts[given.pop() if len(given) == 1 else DIFFER, max(belief, key=belief.__getitem__)] += 1
    rows = [(said, [counts[said, label] for label in context.labels])
            for said in (*context.labels, DIFFER)]  # fmt: skip
    if not any(rows[-1][1]):
        rows.pop()
    return Confusion(name, context.labels, rows, len(items))


def _lead(found: Sequence[Error], left_out: int) -> str:
    blind = [one for one in found if one.blind and not one.text.taught]
    taught = [one for one in found if one.text.taught]
    if not blind:
        return "No blind text has been judged yet, so no error is measured."
    said = (
        f"On {sum(one.text.wrong for one in blind)} of {counted(len(blind), 'blind text')} no "
        f"expert says what the version in force says."
    )
    if taught:
        said += (
            f" The same holds for {sum(one.text.wrong for one in taught)} of "
            f"{counted(len(taught), 'text')} of the newest round that taught it; these are no "
            f"errors that were measured."
        )
    if left_out:
        said += f" Not read again: {counted(left_out, 'older text')}."
    return said
