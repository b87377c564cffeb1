"""Tasks of the project -> what experts said, and which round is complete.

The latest annotation of an expert counts. A skipped or cancelled one says nothing, but it counts as
an answer, so that one skipped task does not hold up a round. Labels that the config does not know
are left out and named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selection.card import Card, read_card
from selection.studio.api import Annotation, Schema, Task
from selection.types import NO_VERDICT, Bought, Doubles, Ints, Pool, Sample, Verdicts


@dataclass(frozen=True)
class Item:
    """A bought task. verdicts: expert -> label. answered: experts who answered or skipped."""

    task: int
    text: str
    card: Card
    verdicts: dict[str, int]
    answered: int

    @property
    def done(self) -> bool:
        """Whether as many experts answered as the card asks for."""
        return self.answered >= self.card.experts


@dataclass(frozen=True)
class Collected:
    """All bought tasks by round and order, and sentences about answers that cannot count."""

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def rounds(self) -> list[int]:
        """Rounds that have tasks, ascending."""
        return sorted({item.card.round for item in self.items})

    @property
    def last_round(self) -> int:
        """Newest round, -1 before the first."""
        return max(self.rounds, default=-1)

    def until(self, round: int) -> "Collected":
        """Leave out the rounds after `round`."""
        kept = tuple(item for item in self.items if item.card.round <= round)
        return Collected(kept, self.labels, self.problems)

    def complete(self, round: int) -> bool:
        """Whether every task of the round has the answers that it needs."""
        mine = [item for item in self.items if item.card.round == round]
        return bool(mine) and all(item.done for item in mine)

    def waiting(self, round: int) -> int:
        """Return how many answers the round still lacks."""
        return sum(
            max(item.card.experts - item.answered, 0)
            for item in self.items
            if item.card.round == round
        )

    def role(self, *roles: str) -> list[Item]:
        """Return the items of these roles."""
        return [item for item in self.items if item.card.role in roles]

    @property
    def labels_bought(self) -> int:
        """Number of experts' verdicts, over all tasks."""
        return sum(len(item.verdicts) for item in self.items)

    @property
    def bought(self) -> Bought:
        """What must not be bought again."""
        return Bought(
            frozenset(item.card.id for item in self.items),
            frozenset(item.text for item in self.items),
        )

    def taught(self, pool: Pool) -> tuple[Ints, Ints]:
        """Return rows and labels that experts gave for training, unless experts differ."""
        row_of = _rows(pool)
        found = [
            (row_of[item.card.id], next(iter(item.verdicts.values())))
            for item in self.role("train")
            if len(set(item.verdicts.values())) == 1 and item.card.id in row_of
        ]
        rows, labels = zip(*found, strict=True) if found else ((), ())
        return np.array(rows, dtype=np.int64), np.array(labels, dtype=np.int64)

    def inclusion(self, pool: Pool) -> Doubles:
        """Return (n,) the chance of each audited row, NaN elsewhere."""
        row_of = _rows(pool)
        inclusion = np.full(len(pool), np.nan)
        for item in self.role("audit"):
            if item.card.id in row_of and item.card.inclusion is not None:
                inclusion[row_of[item.card.id]] = item.card.inclusion
        return inclusion


def _rows(pool: Pool) -> dict[str, int]:
    return {str(name): row for row, name in enumerate(pool.ids)}


def collect(tasks: Sequence[Task], schema: Schema) -> Collected:
    """Read every card and every annotation. Raises ProjectError for a damaged card."""
    items, problems = [], []
    for task in tasks:
        card = read_card(task.id, task.crux)
        if card is None:
            continue
        text = task.data.get(schema.text_field)
        if not isinstance(text, str):
            problems.append(f"Task {task.id} has no text in '{schema.text_field}'; left out.")
            continue
        verdicts, answered = _verdicts(task, schema, problems)
        items.append(Item(task.id, text, card, verdicts, answered))
    items.sort(key=lambda item: (item.card.round, item.card.order, item.task))
    return Collected(tuple(items), schema.labels, tuple(problems))


def _verdicts(task: Task, schema: Schema, problems: list[str]) -> tuple[dict[str, int], int]:
    latest: dict[str, Annotation] = {}
    for annotation in sorted(task.annotations, key=lambda a: (a.updated, a.id)):
        latest[annotation.expert] = annotation
    verdicts, answered = {}, 0
    for expert, annotation in latest.items():
        if annotation.unknown:
            problems.append(
                f"Annotation {annotation.id} of task {task.id} is none of the labels "
                f"({', '.join(schema.labels)}); left out."
            )
            continue
        answered += 1
        if annotation.label is not None:
            verdicts[expert] = schema.labels.index(annotation.label)
    return verdicts, answered


def verdicts_of(items: Sequence[Item], k: int) -> Verdicts:
    """Return the (n, e) table of what each expert said of each item."""
    experts = sorted({expert for item in items for expert in item.verdicts})
    table = np.full((len(items), len(experts)), NO_VERDICT, dtype=np.int64)
    for i, item in enumerate(items):
        for expert, label in item.verdicts.items():
            table[i, experts.index(expert)] = label
    return Verdicts(table, tuple(experts), k)


def sample_of(items: Sequence[Item]) -> Sample:
    """Return how the items came to be judged: drawn with known chances, or chosen in pairs."""
    inclusion = [1.0 if i.card.inclusion is None else i.card.inclusion for i in items]
    _, group = np.unique([item.card.pair for item in items], return_inverse=True)
    return Sample(1.0 / np.array(inclusion, dtype=np.float64), np.asarray(group, dtype=np.int64))


def majority(verdicts: Verdicts) -> tuple[Ints, int]:
    """Return (n,) the label that most experts gave each item, and how many items are tied.

    NO_VERDICT where nobody judged and where items are tied. For training alone: a model is
    measured against each expert (selection/align.py), since against a majority it can seem as
    good as the experts without agreeing as well as they do.
    """
    votes = _votes(verdicts)
    if not votes.size:
        return np.full(len(votes), NO_VERDICT, dtype=np.int64), 0
    most = votes.max(axis=1)
    tied = (most > 0) & ((votes == most[:, None]).sum(axis=1) > 1)
    label = np.where((most > 0) & ~tied, votes.argmax(axis=1), NO_VERDICT)
    return label.astype(np.int64), int(tied.sum())


def _votes(verdicts: Verdicts) -> Ints:
    """Return (n, k) how many experts gave the item that label."""
    item, expert = np.nonzero(verdicts.table != NO_VERDICT)
    cell = item * verdicts.k + verdicts.table[item, expert]
    n = len(verdicts.table)
    votes = np.bincount(cell, minlength=n * verdicts.k).astype(np.int64)
    return votes.reshape(n, verdicts.k)
