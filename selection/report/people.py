"""Answers -> the table of people: verdicts, time, and what preselected labels do to them."""

from dataclasses import dataclass
from statistics import median

from selection.collect import Collected
from selection.preannotation import Habit, Share
from selection.report.texts import short_names
from selection.status import Status
from selection.wording import percent


@dataclass(frozen=True)
class Told:
    """A share in words: '12 of 15: 80 %', and '55 % to 93 %'."""

    counted: str = "–"
    possible: str = ""


@dataclass(frozen=True)
class Person:
    """A row. seconds: median of a verdict. accepted, blind, checked: of preselections, in words."""

    expert: str
    short: str
    verdicts: int
    left: int
    seconds: str
    accepted: Told
    blind: Told
    checked: str


def people(status: Status, collected: Collected) -> list[Person]:
    """Return everybody who has answered, by name."""
    names = short_names(collected)
    habits = {one.expert: one for one in status.habits}
    return [
        Person(
            one.expert,
            names.get(one.expert, one.expert),
            one.verdicts,
            one.left,
            _seconds(collected, one.expert),
            *_habit(habits.get(one.expert)),
        )
        for one in status.people
    ]


def _habit(habit: Habit | None) -> tuple[Told, Told, str]:
    if habit is None:
        return Told(), Told(), "–"
    known = habit.right + habit.wrong
    checked = f"{habit.right} right, {habit.wrong} wrong" if known else "–"
    return _share(habit.kept), _share(habit.agreed), checked


def _share(share: Share) -> Told:
    if not share.of:
        return Told()
    low, high = share.bounds
    counted = f"{share.count} of {share.of}: {percent(share.value)}"
    return Told(counted, f"{percent(low)} to {percent(high)}")


def _seconds(collected: Collected, expert: str) -> str:
    taken = [
        one.seconds
        for item in collected.items
        for one in item.answers
        if one.expert == expert and one.kind == "verdict" and one.seconds
    ]
    return f"{median(taken):.0f} s" if taken else "–"
