"""The next person's task, on a Label Studio whose queue behaves as the real one's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from selection.card import Card
from selection.collect import Collected, collect
from selection.errors import StudioDown
from selection.item import Item
from selection.push import task_body
from selection.twin import ask_fewer, due, push_twins
from tests.fakes import SCHEMA, FakeStudio

CARD = Card(
    "a", 0, 0, "audit", "a", 0.5, 2, "v1", {"yes": 0.6, "no": 0.4}, "why", 0, 0.25, policy="p",
    twin=0,
)  # fmt: skip
TRAIN = replace(CARD, role="train", inclusion=None, experts=1)
ANN, BEN, CID, DAN = 2, 3, 4, 5


class Killed(BaseException):
    """kill -9 at this very moment."""


class Project:
    """A project with pushed texts, and the worker that looks at it."""

    def __init__(self, *cards: Card) -> None:
        self.studio = FakeStudio()
        self.thing: Any = self.studio  # in place of the real client
        project = self.thing.project(7)
        self.studio.import_tasks(7, [task_body(project, card, f"text {card.id}") for card in cards])

    @property
    def collected(self) -> Collected:
        return collect(self.studio.tasks(7), SCHEMA)

    @property
    def item(self) -> Item:
        (item,) = self.collected.items
        return item

    def look(self) -> int:
        return push_twins(self.thing, self.thing.project(7), self.collected)

    def kept_away(self, task: int) -> list[int]:
        said = self.studio.bodies[task]["annotations"]
        return [a["completed_by"] for a in said if a["lead_time"] is None]


# when


def test_no_twin_is_due_while_a_task_of_the_text_is_served() -> None:
    project = Project(CARD)
    assert (list(due(project.collected)), project.look()) == ([], 0)
    project.studio.answer(1, None, ANN)  # a skip leaves it in the queue
    assert (list(due(project.collected)), project.look()) == ([], 0)


def test_after_the_first_verdict_the_text_comes_again_for_everybody_else() -> None:
    project = Project(CARD)
    project.studio.answer(1, "yes", ANN)
    assert project.look() == 1
    twin = project.studio.bodies[2]
    assert twin["data"] == project.studio.bodies[1]["data"]
    assert twin["meta"] == replace(CARD, twin=1).as_meta()
    assert (twin["is_labeled"], twin["overlap"], project.kept_away(2)) == (False, 1, [ANN])
    assert [project.studio.next_task(user) for user in (ANN, BEN, CID)] == [None, 2, 2]
    assert project.look() == 0  # never two at once
    assert len(project.studio.bodies) == 2


def test_a_finished_text_gets_no_twin() -> None:
    project = Project(TRAIN)
    project.studio.answer(1, "yes", ANN)
    assert (project.look(), project.item.done) == (0, True)


def test_a_third_person_is_asked_after_the_second_one() -> None:
    project = Project(replace(CARD, experts=3))
    for task, user in ((1, ANN), (2, BEN), (3, CID)):
        assert project.studio.next_task(user) == task
        project.studio.answer(task, "yes", user)
        project.look()
    assert [project.kept_away(task) for task in (1, 2, 3)] == [[], [ANN], [ANN, BEN]]
    assert project.item.verdicts == {"2": 0, "3": 0, "4": 0}
    assert len(project.studio.bodies) == 3


def test_a_text_of_an_older_crux_gets_none() -> None:
    project = Project(replace(CARD, twin=None))
    project.studio.bodies[1]["overlap"] = 2
    project.studio.answer(1, "yes", ANN)
    assert project.look() == 0
    project.studio.bodies[1]["is_labeled"] = True  # whatever somebody does to it
    assert project.look() == 0


# for whom


def test_everybody_who_answered_skipped_or_was_late_is_kept_away() -> None:
    project = Project(CARD, replace(TRAIN, id="b"))
    project.studio.answer(2, "yes", DAN)  # who works in the round, and can still be asked
    project.studio.answer(1, None, ANN)
    project.studio.answer(1, "yes", BEN)
    project.studio.answer(1, "no", CID, at="2026-11-22T12:05:00Z")
    assert project.look() == 1
    assert project.kept_away(3) == [ANN, BEN, CID]
    assert [project.studio.next_task(user) for user in (ANN, BEN, CID, DAN)] == [
        None, None, None, 3,
    ]  # fmt: skip


def test_a_deleted_user_need_not_be_kept_away() -> None:
    project = Project(CARD)
    project.studio.answer(1, "yes", ANN, completed_by=None, updated_by=None)
    assert project.look() == 1
    assert (project.kept_away(2), project.studio.next_task(BEN)) == ([], 2)


def test_a_label_sent_empty_passes_the_text_on() -> None:
    project = Project(TRAIN, replace(TRAIN, id="b"))
    project.studio.answer(2, "yes", BEN)
    project.studio.answer(1, None, ANN, was_cancelled=False)
    assert project.look() == 1
    assert [project.studio.next_task(user) for user in (ANN, BEN)] == [None, 3]


def test_a_task_that_a_model_answered_is_replaced_by_one_that_nobody_is_kept_away_from() -> None:
    project = Project(TRAIN)
    project.studio.accept(1, ANN)
    assert (project.studio.next_task(BEN), project.item.missing) == (None, 1)
    assert project.look() == 1
    assert project.kept_away(2) == []
    assert [project.studio.next_task(user) for user in (ANN, BEN)] == [2, 2]
    project.studio.answer(2, "no", ANN)
    assert (project.item.verdicts, project.look()) == ({"2": 1}, 0)


# with what


def test_a_visible_training_twin_brings_its_prediction_and_a_hidden_one_none() -> None:
    project = Project(TRAIN, replace(TRAIN, id="b", hidden=True))
    for task in (1, 2):
        project.studio.answer(task, None, ANN, was_cancelled=False)
    other = task_body(project.thing.project(7), replace(TRAIN, id="c"), "another text")
    project.studio.import_tasks(7, [other])
    project.studio.answer(3, "yes", BEN)
    assert project.look() == 2
    shown = [project.studio.bodies[task]["predictions"] for task in (4, 5)]
    assert [[p["model_version"] for p in one] for one in shown] == [["v1"], []]


# cut off


def killing(project: Project, name: str) -> None:
    """The worker dies right after the call of that name."""
    real: Callable[..., Any] = getattr(project.thing, name)

    def call(*args: Any) -> None:
        setattr(project.thing, name, real)
        real(*args)
        raise Killed

    setattr(project.thing, name, call)


def test_a_twin_that_sleeps_since_the_worker_was_killed_is_reopened_and_not_pushed_again() -> None:
    project = Project(CARD, replace(CARD, id="b"))
    for task in (1, 2):
        project.studio.answer(task, "yes", ANN)
    killing(project, "import_tasks")
    with pytest.raises(Killed):
        project.look()
    assert [project.studio.next_task(user) for user in (ANN, BEN)] == [None, None]
    killing(project, "reopen")
    with pytest.raises(Killed):
        project.look()
    assert project.look() == 1
    assert [project.studio.bodies[task]["is_labeled"] for task in (3, 4)] == [False, False]
    assert (len(project.studio.bodies), project.look()) == (4, 0)
    assert [project.studio.next_task(user) for user in (ANN, BEN)] == [None, 3]


def test_an_import_of_which_a_part_arrived_is_completed() -> None:
    project = Project(CARD, replace(CARD, id="b", order=1))
    for task in (1, 2):
        project.studio.answer(task, "yes", ANN)
    project.studio.down_after, project.studio.cut = 2, 1
    with pytest.raises(StudioDown):
        project.look()
    project.studio.up()
    assert project.look() == 2
    assert sorted(b["meta"]["crux"]["id"] for b in project.studio.bodies.values()) == [*"aabb"]
    assert all(not project.studio.bodies[task]["is_labeled"] for task in (3, 4))


def test_placeholders_that_an_import_has_lost_are_added_before_the_twin_is_opened() -> None:
    project = Project(CARD, replace(CARD, id="b"))
    for task in (1, 2):
        project.studio.answer(task, "yes", ANN)
    real = project.studio.import_tasks

    def loses(number: int, bodies: list[dict[str, Any]]) -> list[int]:
        return real(number, [bodies[0], {**bodies[1], "annotations": []}])

    project.thing.import_tasks = loses
    assert project.look() == 2
    assert [project.kept_away(task) for task in (3, 4)] == [[ANN], [ANN]]
    assert [project.studio.next_task(user) for user in (ANN, BEN)] == [None, 3]
    assert project.studio.calls.count("keep_away") == 1
    assert (project.collected.left_out, project.look()) == ((), 0)


# fewer


def test_asking_fewer_people_completes_what_waits_for_the_second_one() -> None:
    project = Project(replace(CARD, experts=3), replace(TRAIN, id="b"), replace(CARD, id="c"))
    for task in (1, 2):
        project.studio.answer(task, "yes", ANN)
    project.look()
    assert [item.missing for item in project.collected.items] == [2, 0, 2]
    assert ask_fewer(project.thing, project.studio.tasks(7), project.collected, 1) == 2
    assert [item.missing for item in project.collected.items] == [0, 0, 1]
    experts = [body["meta"]["crux"]["experts"] for body in project.studio.bodies.values()]
    assert experts == [1, 1, 1, 1]  # the twin's as well
    assert project.studio.bodies[1]["meta"] == replace(CARD, experts=1).as_meta()
    assert ask_fewer(project.thing, project.studio.tasks(7), project.collected, 1) == 0


def test_nothing_is_lowered_in_older_rounds_or_where_as_few_are_asked() -> None:
    project = Project(CARD, replace(CARD, id="b", round=1))
    before = {n: body["meta"] for n, body in project.studio.bodies.items()}
    assert ask_fewer(project.thing, project.studio.tasks(7), project.collected, 2) == 0
    assert ask_fewer(project.thing, project.studio.tasks(7), project.collected, 1) == 1
    assert project.studio.bodies[1]["meta"] == before[1]
