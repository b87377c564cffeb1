"""That a task is served to the right people only, on a real Label Studio."""

import pytest

from demo.servers import Server, create_expert
from selection.card import Card
from selection.collect import collect
from selection.push import task_body
from selection.studio.api import Project, Studio
from selection.studio.task import placeholder
from selection.twin import push_twins
from tests.selection.studio.test_api import ANN, BEN, CONFIG, SCHEMA

CARD = Card(
    "a", 0, 0, "audit", "a", 0.5, 2, "v1", {"Yes": 0.6, "No": 0.4}, "why", 0, 0.25, twin=0
)


@pytest.fixture(scope="module")
def studio(label_studio: Server) -> Studio:
    return Studio(label_studio.url, label_studio.admin.token)


@pytest.fixture(scope="module")
def people(label_studio: Server) -> tuple[Studio, Studio]:
    """Ann and Ben."""
    url, admin = label_studio.url, label_studio.admin.token
    ann = create_expert(url, admin, ANN, "ann-password")
    ben = create_expert(url, admin, BEN, "ben-password")
    return Studio(url, ann), Studio(url, ben)


@pytest.fixture
def project(studio: Studio) -> Project:
    return studio.create_project("Twins", CONFIG, "Say Yes if it is.")


def served(user: Studio, project: Project) -> int | None:
    task = user.next_task(project.id, SCHEMA)
    return task.id if task else None


def test_a_task_with_a_placeholder_sleeps_until_it_is_reopened_for_everybody_else(
    studio: Studio, people: tuple[Studio, Studio], project: Project
) -> None:
    ann, ben = people
    away = placeholder(ann.me().id)
    (task,) = studio.import_tasks(project.id, [{"data": {"text": "x"}, "annotations": [away]}])
    assert studio.tasks(project.id, SCHEMA)[0].labeled is True
    assert [served(user, project) for user in people] == [None, None]
    studio.reopen(task)
    assert [served(user, project) for user in people] == [None, task]
    ben.annotate(task, None, SCHEMA, seconds=2.0)  # a skip passes it on
    assert studio.tasks(project.id, SCHEMA)[0].labeled is False
    assert [served(user, project) for user in (*people, studio)] == [None, None, task]
    studio.annotate(task, "No", SCHEMA, seconds=2.0)
    assert studio.tasks(project.id, SCHEMA)[0].labeled is True


def test_somebody_who_is_kept_away_later_is_not_served_the_task_either(
    studio: Studio, people: tuple[Studio, Studio], project: Project
) -> None:
    (task,) = studio.import_tasks(project.id, [{"data": {"text": "x"}}])
    studio.keep_away(task, people[0].me().id)
    assert [served(user, project) for user in people] == [None, task]


def test_two_people_give_two_verdicts_on_two_tasks_and_only_with_a_time_of_their_own(
    studio: Studio, people: tuple[Studio, Studio], project: Project
) -> None:
    ann, ben = people
    (first,) = studio.import_tasks(project.id, [task_body(project, CARD, "a text")])
    ann.annotate(first, "Yes", SCHEMA, seconds=1.5)
    said = collect(studio.tasks(project.id, SCHEMA), SCHEMA)
    assert [(one.expert, one.kind, one.seconds) for one in said.items[0].answers] == [
        (ANN, "verdict", 1.5)
    ]
    assert push_twins(studio, project, said) == 1
    second = served(ben, project)
    assert second is not None and second != first
    assert served(ann, project) is None
    ben.annotate(second, "No", SCHEMA)
    without = collect(studio.tasks(project.id, SCHEMA), SCHEMA)
    assert [(one.expert, one.reason) for one in without.left_out] == [(BEN, "no time")]
    assert push_twins(studio, project, without) == 1
    third = served(ben, project)
    assert third is not None and served(ann, project) is None
    ben.annotate(third, "No", SCHEMA, seconds=2.0)
    done = collect(studio.tasks(project.id, SCHEMA), SCHEMA)
    assert done.items[0].verdicts == {ANN: 0, BEN: 1}
    assert (done.complete(0), push_twins(studio, project, done)) == (True, 0)
