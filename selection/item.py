"""The tasks of one text -> what people said of it, and what it still waits for.

A text that several experts judge has several tasks, one for each (twin.py). verdict.py says which
annotations count.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Self

from selection.card import Card
from selection.studio.api import Schema, Task
from selection.studio.task import deleted_user
from selection.verdict import Answer, LeftOut, answers, keeps_away


@dataclass(frozen=True)
class Item:
    """A bought text with all that people said of it.

    tasks: numbers of its tasks, the first one first. card: of the newest one. answers: oldest
    first within each task, skips last. missing: answers that it still waits for. queued: its
    tasks in Label Studio's queue. asleep: a twin that nobody is served yet (twin.py), if any.
    unguarded: (unanswered twin, number of a user who knows the text and is not kept away from it).
    """

    tasks: tuple[int, ...]
    text: str
    card: Card
    answers: tuple[Answer, ...] = ()
    missing: int = 0
    queued: tuple[int, ...] = ()
    asleep: int | None = None
    unguarded: tuple[tuple[int, int], ...] = ()

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
    def know(self) -> set[int]:
        """Numbers of the users who know the text already."""
        return {one.user for one in self.answers if one.user is not None}

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


def item_of(
    twins: Sequence[tuple[Task, Card]], schema: Schema, imported: bool
) -> tuple[Item, list[LeftOut]]:
    """Join the tasks of one text, in the order of their twins; and return what does not count."""
    said: list[Answer] = []
    left_out: list[LeftOut] = []
    queued: list[int] = []
    asleep = None
    unanswered: list[Task] = []  # twins
    for task, card in twins:
        found, faults = answers(task, card, schema, imported=imported)
        said += _numbered(found, sum(one.user is None for one in said))
        left_out += faults
        if not task.labeled and sum(one.kind != "skip" for one in found) < card.places:
            queued.append(task.id)
        if card.twin and all(keeps_away(one, card) for one in task.annotations):
            unanswered.append(task)
            asleep = task.id if task.labeled else asleep
    late = _after_a_look(said)
    said = [replace(one, label=None, kind="late") if one in late else one for one in said]
    left_out += [LeftOut("late", one.annotation, one.task, one.expert) for one in late]
    text = str(twins[0][0].data[schema.text_field])
    tasks = tuple(task.id for task, _ in twins)
    item = Item(tasks, text, twins[-1][1], tuple(said), queued=tuple(queued), asleep=asleep)
    unguarded = [
        (task.id, user)
        for task in unanswered
        for user in sorted(item.know - {one.user for one in task.annotations})
    ]
    return replace(item, unguarded=tuple(unguarded)), left_out


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
