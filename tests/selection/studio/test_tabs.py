"""The tabs of a project, against a real Label Studio."""

from typing import Any

import pytest

from demo.servers import Server, create_expert
from selection.studio.api import Project, Studio
from tests.selection.studio.test_api import CONFIG

PASSWORD = "a-password-of-ann"


@pytest.fixture(scope="module")
def studio(label_studio: Server) -> Studio:
    return Studio(label_studio.url, label_studio.admin.token)


@pytest.fixture(scope="module")
def ann(label_studio: Server) -> Studio:
    admin = label_studio.admin
    token = create_expert(label_studio.url, admin.token, "ann@tabs.example", PASSWORD)
    return Studio(label_studio.url, token)


@pytest.fixture
def project(studio: Studio) -> Project:
    return studio.create_project("Tabs", CONFIG, "")


def imported(studio: Studio, project: Project, places: list[tuple[int, int]]) -> list[int]:
    return studio.import_tasks(
        project.id,
        [{"data": {"text": "x", "crux_round": r, "crux_order": o}} for r, o in places],
    )


def shown(studio: Studio, project: Project, tab: int) -> list[int]:
    tasks: Any = studio._sdk.tasks.list(project=project.id, view=tab, fields="task_only")
    return [task.id for task in tasks]


def make_default(studio: Studio, project: Project, **more: Any) -> int:
    """Label Studio's page makes this tab when it finds none."""
    data: Any = {
        "title": "Default",
        "filters": {"conjunction": "and", "items": []},
        "hiddenColumns": {"explore": ["tasks:file_upload"], "labeling": []},
        **more,
    }
    return int(studio._sdk.views.create(project=project.id, data=data).id or 0)


def kept(studio: Studio, project: Project, tab: int) -> dict[str, Any]:
    views: Any = studio._sdk.views.list(project=project.id)
    (data,) = (view.data for view in views if view.id == tab)
    return dict(data)


def test_a_tab_holds_one_round_in_order(studio: Studio, project: Project) -> None:
    ids = imported(studio, project, [(1, 2), (2, 1), (1, 10), (1, 1), (2, 3)])
    assert studio.tabs(project.id) == ()
    tab = studio.create_tab(project.id, "Crux round 1", 1)
    assert studio.tabs(project.id) == ("Crux round 1",)
    assert shown(studio, project, tab) == [ids[3], ids[0], ids[2]]


def test_an_answered_task_leaves_its_tab_and_a_skipped_one_stays(
    studio: Studio, ann: Studio, project: Project
) -> None:
    answered, skipped, untouched = imported(studio, project, [(0, 0), (0, 1), (0, 2)])
    tab = studio.create_tab(project.id, "Crux round 0", 0)
    ann.annotate(answered, "Yes", project.schema)
    ann.annotate(skipped, None, project.schema)
    assert shown(studio, project, tab) == [skipped, untouched]


def test_the_models_answer_is_a_column_beside_the_text_but_not_while_labeling(
    studio: Studio, project: Project
) -> None:
    imported(studio, project, [(0, 0)])
    hidden = kept(studio, project, studio.create_tab(project.id, "Crux round 0", 0))[
        "hiddenColumns"
    ]
    assert "tasks:predictions_results" not in hidden["explore"]
    assert "tasks:predictions_score" not in hidden["explore"]
    assert "tasks:predictions_results" in hidden["labeling"]


def test_the_newest_rounds_tab_is_the_first(studio: Studio, project: Project) -> None:
    make_default(studio, project)
    for round in range(3):
        studio.create_tab(project.id, f"Crux round {round}", round)
    rounds = ("Crux round 2", "Crux round 1", "Crux round 0")
    assert studio.tabs(project.id) == (*rounds, "Default")


def test_the_default_tab_hides_answered_tasks_and_keeps_its_columns(
    studio: Studio, ann: Studio, project: Project
) -> None:
    tab = make_default(studio, project)
    answered, left = imported(studio, project, [(0, 0), (0, 1)])
    ann.annotate(answered, "No", project.schema)
    assert shown(studio, project, tab) == [answered, left]
    before = kept(studio, project, tab)
    assert studio.hide_answered(project.id)
    assert shown(studio, project, tab) == [left]
    assert kept(studio, project, tab) | {"filters": before["filters"]} == before
    assert not studio.hide_answered(project.id)


def test_a_new_round_filters_the_default_tab_too(
    studio: Studio, ann: Studio, project: Project
) -> None:
    tab = make_default(studio, project)
    answered, left = imported(studio, project, [(0, 0), (0, 1)])
    ann.annotate(answered, "No", project.schema)
    studio.create_tab(project.id, "Crux round 0", 0)
    assert shown(studio, project, tab) == [left]


def test_a_filter_that_somebody_chose_for_the_default_tab_stays(
    studio: Studio, project: Project
) -> None:
    chosen = {
        "conjunction": "and",
        "items": [{"filter": "filter:tasks:id", "operator": "greater", "type": "Number",
                   "value": 0}],
    }  # fmt: skip
    tab = make_default(studio, project, filters=chosen)
    assert not studio.hide_answered(project.id)
    assert kept(studio, project, tab)["filters"] == chosen


def test_without_a_default_tab_nothing_is_made(studio: Studio, project: Project) -> None:
    assert not studio.hide_answered(project.id)
    assert studio.tabs(project.id) == ()
