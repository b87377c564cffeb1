"""Which tasks of a text stay in the queue, and who is kept away from them at every look."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from selection.twin import ask_fewer
from tests.selection.test_twin import ANN, BEN, CARD, TRAIN, Killed, Project, killing

CID = 4


def served(project: Project, *users: int) -> list[int | None]:
    return [project.studio.next_task(user) for user in users]


def test_a_twin_leaves_the_queue_when_the_round_asks_fewer_people() -> None:
    project = Project(CARD)
    project.studio.answer(1, "yes", ANN)
    project.look()
    assert served(project, BEN) == [2]
    assert ask_fewer(project.thing, project.studio.tasks(7), project.collected, 1) == 1
    project.look()
    assert (served(project, BEN, CID), project.item.done) == ([None, None], True)


def test_a_task_of_an_older_crux_asks_fewer_people_itself() -> None:
    project = Project(replace(CARD, twin=None))
    project.studio.bodies[1]["overlap"] = 2
    project.studio.answer(1, "yes", ANN)
    ask_fewer(project.thing, project.studio.tasks(7), project.collected, 1)
    assert project.studio.bodies[1]["overlap"] == 1


def test_a_twin_leaves_the_queue_when_two_had_answered_the_first_task_at_once() -> None:
    project = Project(CARD)
    project.studio.answer(1, "yes", ANN, at="2026-01-01T10:00:00Z")
    project.look()
    project.studio.answer(1, "no", BEN, at="2026-01-01T10:00:01Z")  # it took 3 s, so begun before
    project.look()
    assert project.item.verdicts == {str(ANN): 0, str(BEN): 1}
    assert served(project, ANN, BEN, CID) == [None, None, None]
    assert (project.collected.waiting(0), project.look()) == (0, 0)


def test_a_text_that_was_given_up_comes_back_for_a_judge_who_joins() -> None:
    project = Project(CARD, replace(CARD, id="b"), replace(TRAIN, id="c"))
    for task, label in ((1, "yes"), (2, "yes"), (3, "yes")):
        project.studio.answer(task, label, ANN)
    project.look()
    project.studio.answer(4, None, BEN)  # he skips the one and judges the other
    project.studio.answer(5, "yes", BEN)
    project.look()
    assert served(project, CID) == [None]
    (number,) = project.studio.import_tasks(7, [{
        "data": {"text": "another"}, "meta": replace(TRAIN, id="d").as_meta(),
    }])  # fmt: skip
    project.studio.answer(number, "yes", CID)
    assert (project.look(), served(project, ANN, BEN, CID)) == (1, [None, None, 7])


def test_a_lost_placeholder_is_added_at_the_next_look_too() -> None:
    project = Project(CARD)
    project.studio.answer(1, "yes", ANN)
    real = project.studio.import_tasks
    project.thing.import_tasks = lambda number, bodies: real(number, _bare(bodies))
    killing(project, "keep_away")
    with pytest.raises(Killed):
        project.look()
    project.studio.bodies[2]["annotations"].clear()
    assert served(project, ANN) == [2]  # which nobody could prevent
    project.look()
    assert (served(project, ANN, BEN), project.kept_away(2)) == ([None, 2], [ANN])


def _bare(bodies: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    return [{**body, "annotations": []} for body in bodies]


def test_a_task_that_somebody_answered_is_never_closed() -> None:
    project = Project(TRAIN)
    project.studio.answer(1, "yes", ANN)
    project.look()
    assert "close" not in project.studio.calls
