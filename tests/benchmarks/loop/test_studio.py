from pathlib import Path

import numpy as np
import pytest

from benchmarks.loop.people import Experts
from benchmarks.loop.studio import MemoryStudio, config
from selection.studio.api import parse_schema
from selection.studio.task import placeholder
from tests.benchmarks.loop.stage import ground

USERS = {1: "one@loop.example", 2: "two@loop.example"}


def studio(file: Path | None = None, tasks: int = 3) -> MemoryStudio:
    made = MemoryStudio(("angry", "calm"), "Is it angry?", USERS, file)
    if not made.bodies:
        made.import_tasks(1, [{"data": {"text": text}} for text in ground().texts[:tasks]])
    return made


def test_nobody_is_served_a_task_twice() -> None:
    here = studio()
    here.set_overlap(1, 2)

    here.answer(1, "angry", 1)

    assert here.next_task(1) == 2
    assert here.next_task(2) == 1
    here.answer(1, "calm", 2)
    assert here.next_task(2) == 2


def test_a_twin_is_served_to_the_other_person_once_it_is_reopened() -> None:
    here = studio(tasks=1)
    here.answer(1, "angry", 1)
    text = ground().texts[0]

    [twin] = here.import_tasks(1, [{"data": {"text": text}, "annotations": [placeholder(1)]}])
    assert here.next_task(2) is None
    here.reopen(twin)

    assert here.next_task(1) is None
    assert here.next_task(2) == twin
    here.close(twin)
    assert here.next_task(2) is None


def test_experts_answer_in_turn_what_they_know_until_nothing_is_served() -> None:
    here, known = studio(tasks=4), Experts.of(ground())

    assert known.work(here, most=100) == 4

    [first, second, *_] = here.tasks(1)
    assert [one.user for task in here.tasks(1) for one in task.annotations] == [1, 2, 1, 2]
    assert first.annotations[0].label == known.knows[1][str(first.data["text"])]
    assert second.annotations[0].label == known.knows[2][str(second.data["text"])]
    assert all(task.labeled for task in here.tasks(1))


def test_experts_go_home_when_the_verdicts_are_spent() -> None:
    here = studio(tasks=4)

    assert Experts.of(ground()).work(here, most=3) == 3
    assert [task.labeled for task in here.tasks(1)] == [True, True, True, False]


def test_an_answer_is_a_persons(tmp_path: Path) -> None:
    here = studio(tasks=2)
    Experts.of(ground()).work(here, most=2)

    [first, second] = (task.annotations[0] for task in here.tasks(1))

    assert (first.user, first.writer, first.expert) == (1, 1, USERS[1])
    assert first.seconds is not None and first.prediction is None
    assert first.updated < second.updated


def test_what_is_saved_is_found_again(tmp_path: Path) -> None:
    file = tmp_path / "studio.json"
    here = studio(file)
    here.answer(1, "angry", 1)
    here.create_tab(1, "Crux round 0", 0)
    here.import_predictions(1, [{"task": 2, "result": [], "score": 0.5, "model_version": "v"}])
    here.set_model_version(1, "v")
    here.save()

    again = studio(file)

    assert again.bodies == here.bodies
    assert (again.tabs(1), again.model_version, again.answered) == (("Crux round 0",), "v", 1)
    assert again.import_tasks(1, [{"data": {"text": "new"}}]) == [4]
    again.answer(4, "calm", 2)
    numbers = [one.id for task in again.tasks(1) for one in task.annotations]
    assert len(numbers) == len(set(numbers))


def test_the_label_config_has_the_labels_in_their_order_whatever_they_are() -> None:
    assert parse_schema(config(('a "b" & <c>', "other"))).labels == ('a "b" & <c>', "other")


def test_experts_of_a_ground_are_its_columns() -> None:
    here = ground()
    known = Experts.of(here)

    said = [known.knows[2][text] for text in here.texts]

    assert said == [here.names[label] for label in here.experts[:, 1]]
    assert np.any(here.experts[:, 0] != here.experts[:, 1])


def test_two_projects_numbers_are_the_same_project() -> None:
    assert studio().project(1).schema == studio().project(9).schema
    with pytest.raises(KeyError):
        studio().set_meta(99, {})
