"""Tasks of the project -> what experts said of each text, and which round is complete.

A text that several experts judge has several tasks, one for each (twin.py). verdict.py says which
annotations count; the others are named. A skipped text is asked of somebody else, until everybody
who works in its round has skipped or answered it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from itertools import count
from typing import Self

import numpy as np

from selection.card import Card, read_card
from selection.studio.api import Schema, Task
from selection.studio.task import deleted_user
from selection.types import Bought, Doubles, Ints, Pool
from selection.verdict import Answer, LeftOut, answers, keeps_away, sentences


@dataclass(frozen=True)
class Item:
    """A bought text with all that people said of it.

    tasks: numbers of its tasks, the first one first. card: of the newest one. answers: oldest
    first within each task, skips last. missing: answers that it still waits for. served: a task
    of it is in Label Studio's queue. asleep: a twin that nobody is served yet (twin.py), if any.
    """

    tasks: tuple[int, ...]
    text: str
    card: Card
    answers: tuple[Answer, ...] = ()
    missing: int = 0
    served: bool = True
    asleep: int | None = None

    @classmethod
    def judged(cls, task: int, text: str, card: Card, verdicts: Mapping[str, int]) -> Self:
        """Return the item of one task with these verdicts: expert -> label."""
        said = tuple(
            Answer(expert, label, task=task, user=number)
            for number, (expert, label) in enumerate(verdicts.items(), 1)
        )
        return cls((task,), text, card, said, max(card.experts - len(said), 0))

    @property
    def task(self) -> int:
        """Number of the first task."""
        return self.tasks[0]

    @property
    def done(self) -> bool:
        """Whether nobody is asked about it any more."""
        return self.missing == 0

    @cached_property
    def verdicts(self) -> dict[str, int]:
        """Expert -> the label that this expert gave first, in whichever task."""
        found: dict[str, int] = {}
        for answer in self.answers:
            if answer.label is not None:
                found.setdefault(answer.expert, answer.label)
        return found

    @property
    def passed(self) -> set[str]:
        """Experts who skipped it, or saw another's answer, and gave no verdict of their own."""
        unable = {one.expert for one in self.answers if one.kind in ("skip", "late")}
        return unable - self.verdicts.keys()

    @property
    def answered(self) -> set[str]:
        """Experts who are not asked again."""
        return {one.expert for one in self.answers}

    @property
    def present(self) -> set[str]:
        """Experts among them who can answer other texts: a deleted user cannot."""
        return {one.expert for one in self.answers if one.user is not None}

    def lacks(self, people: Collection[str]) -> int:
        """Return how many answers it still waits for. people: who judges texts of its round.

        A verdict under a label that is gone is not asked for again, since an admin who renames a
        label must not have every text judged anew. A skip passes the text on to the others.
        """
        gone = self.answered - self.verdicts.keys() - self.passed
        wanted = self.card.experts - len(self.verdicts) - len(gone)
        if not self.passed:
            return max(wanted, 0)
        others = set(people) - self.answered
        return max(min(wanted, len(others)), wanted - len(self.passed & set(people)), 0)


@dataclass(frozen=True)
class Collected:
    """All bought texts by round and order.

    problems: sentences about what cannot count. left_out: the annotations among it.
    """

    items: tuple[Item, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()

    @property
    def rounds(self) -> list[int]:
        """Rounds that have tasks, ascending."""
        return sorted({item.card.round for item in self.items})

    @property
    def last_round(self) -> int:
        """Newest round, -1 before the first."""
        return max(self.rounds, default=-1)

    def round(self, round: int) -> list[Item]:
        """Return the items of a round."""
        return [item for item in self.items if item.card.round == round]

    def until(self, round: int) -> "Collected":
        """Leave out the rounds after `round`."""
        kept = tuple(item for item in self.items if item.card.round <= round)
        return replace(self, items=kept)

    def complete(self, round: int) -> bool:
        """Whether every text of the round has the answers that it needs."""
        mine = self.round(round)
        return bool(mine) and all(item.done for item in mine)

    def waiting(self, round: int) -> int:
        """Return how many answers the round still lacks."""
        return sum(item.missing for item in self.round(round))

    @property
    def lost_labels(self) -> bool:
        """Whether verdicts are of labels that the project does not have (any more)."""
        return any(one.reason == "unknown" for one in self.left_out)

    def role(self, *roles: str) -> list[Item]:
        """Return the items of these roles."""
        return [item for item in self.items if item.card.role in roles]

    @property
    def labels_bought(self) -> int:
        """Number of verdicts that people gave, also of those that came too late to count."""
        return sum(one.kind != "skip" for item in self.items for one in item.answers)

    @property
    def bought(self) -> Bought:
        """What must not be bought again."""
        return Bought(
            frozenset(item.card.id for item in self.items),
            frozenset(item.text for item in self.items),
        )

    @property
    def newest(self) -> datetime:
        """When the last answer was given."""
        given = [one.given for item in self.items for one in item.answers if one.given]
        return datetime.fromisoformat(max(given)) if given else datetime.min.replace(tzinfo=UTC)

    @property
    def digest(self) -> str:
        """A name for all verdicts together: another one if any is corrected, added or deleted."""
        said = sorted(
            (item.card.id, expert, self.labels[label])
            for item in self.items
            for expert, label in item.verdicts.items()
        )
        return blake2b(repr(said).encode(), digest_size=6).hexdigest()

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


def collect(tasks: Sequence[Task], schema: Schema, *, imported: bool = False) -> Collected:
    """Read every card and every annotation. Raises ProjectError for a damaged card.

    imported: whether imported annotations count (verdict.py).
    """
    problems = []
    twins: dict[str, list[tuple[Task, Card]]] = {}  # id in the pool -> its tasks
    for task in tasks:
        card = read_card(task.id, task.crux)
        if card is None:
            continue
        if not isinstance(task.data.get(schema.text_field), str):
            problems.append(f"Task {task.id} has no text in '{schema.text_field}'; left out.")
            continue
        twins.setdefault(card.id, []).append((task, card))
    items, left_out = [], []
    for mine in twins.values():
        mine.sort(key=lambda one: (one[1].twin or 0, one[0].id))
        item, faults = _item(mine, schema, imported)
        items.append(item)
        left_out += faults
    items.sort(key=lambda item: (item.card.round, item.card.order, item.task))
    problems += sentences(left_out, schema.labels)
    return Collected(_with_missing(items), schema.labels, tuple(problems), tuple(left_out))


def _item(
    twins: Sequence[tuple[Task, Card]], schema: Schema, imported: bool
) -> tuple[Item, list[LeftOut]]:
    """Join the tasks of one text."""
    said: list[Answer] = []
    left_out: list[LeftOut] = []
    served, asleep = False, None
    for task, card in twins:
        found, faults = answers(task, card, schema, imported=imported)
        said += _numbered(found, sum(one.user is None for one in said))
        left_out += faults
        served |= not task.labeled and sum(one.kind != "skip" for one in found) < card.places
        if task.labeled and card.twin and all(keeps_away(a, card) for a in task.annotations):
            asleep = task.id
    late = _after_a_look(said)
    said = [replace(one, label=None, kind="late") if one in late else one for one in said]
    left_out += [LeftOut("late", one.annotation, one.task, one.expert) for one in late]
    text = str(twins[0][0].data[schema.text_field])
    tasks = tuple(task.id for task, _ in twins)
    item = Item(tasks, text, twins[-1][1], tuple(said), served=served, asleep=asleep)
    return item, left_out


def _numbered(found: Iterable[Answer], before: int) -> list[Answer]:
    """Name deleted users by their number in the text: each answer of one is another person's.

    before: how many there are in the tasks before.
    """
    number = count(before + 1)
    return [
        one if one.user is not None else replace(one, expert=deleted_user(next(number)))
        for one in found
    ]


def _after_a_look(said: Iterable[Answer]) -> list[Answer]:
    """Return the verdicts of people who had seen another's in an earlier task of the same text.

    They had answered that task as well, too late; annotations are numbered in order of creation.
    """
    every = sorted(said, key=lambda one: one.annotation, reverse=True)
    looked = {one.expert: one.annotation for one in every if one.kind == "late"}  # the first one
    return [
        one
        for one in every
        if one.kind == "verdict" and looked.get(one.expert, one.annotation) < one.annotation
    ]


def _with_missing(items: Sequence[Item]) -> tuple[Item, ...]:
    """Say of each item what it waits for, which depends on who judges texts of its round.

    Somebody who only skips is no judge, unless nobody is.
    """
    seen: dict[int, set[str]] = defaultdict(set)
    judges: dict[int, set[str]] = defaultdict(set)
    for item in items:
        seen[item.card.round] |= item.present
        judges[item.card.round] |= item.present & item.verdicts.keys()
    people = {round: judges[round] or seen[round] for round in seen}
    return tuple(replace(one, missing=one.lacks(people[one.card.round])) for one in items)
