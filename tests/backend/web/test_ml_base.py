"""CruxModel as label-studio-ml makes and calls it, and subclasses of it in our app."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from backend.versions.manifest import Manifest
from backend.web import ml_base, state
from backend.web.ml_base import CruxModel
from backend.web.schemas import MOST_CHARACTERS, project_number
from backend.web.state import Process, shared_process
from selection.errors import ProjectError
from selection.studio.schema import Schema
from selection.types import Floats
from tests.backend.web.application import CONFIG, TOKEN, Backend, refused
from tests.fakes import SCHEMA


class FakeProcess:
    """Says yes to what is 'good'; notes what it is asked."""

    def __init__(self) -> None:
        self.looks: list[tuple[int, bool]] = []
        self.changes: list[int] = []
        self.texts: list[list[str]] = []
        self.known = SCHEMA

    def score(self, project: int, texts: list[str]) -> tuple[Manifest, Floats]:
        self.texts.append(texts)
        rows = [[0.75, 0.25] if "good" in text else [0.25, 0.75] for text in texts]
        version = Manifest(f"v{project}", "trained", 0, "tiny", "policy", ("yes", "no"))
        return version, np.array(rows, dtype=np.float32)

    def schema(self, project: int) -> Schema:
        return self.known

    def current_version(self, project: int) -> str:
        return f"v{project}"

    def look(self, project: int, forced: bool) -> None:
        self.looks.append((project, forced))

    def project_changed(self, project: int) -> None:
        self.changes.append(project)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProcess:
    """What stands behind every model that no app made."""
    fake = FakeProcess()
    monkeypatch.setattr(ml_base, "shared_process", lambda: fake)
    return fake


class Newer(CruxModel):
    """The class as label-studio-ml 2.x makes it, with values in memory for those on its disk."""

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self.project_id = project_id or ""
        self.kept: dict[str, str] = {"model_version": "0.0.1"}
        self.setup()

    def get(self, key: str) -> str | None:
        return self.kept.get(key)

    def set(self, key: str, value: str) -> None:
        self.kept[key] = value


def older() -> CruxModel:
    """The class as label-studio-ml 1.0.9 makes it."""
    return CruxModel(label_config=CONFIG, train_output=None, hostname="", access_token="secret")


def task(number: int, text: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "data": {"text": text}, "project": 7, **more}


YES: dict[str, Any] = {
    "result": [
        {"from_name": "verdict", "to_name": "text", "type": "choices",
         "value": {"choices": ["yes"]}}
    ],
    "score": 0.75,
    "model_version": "v7",
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), ("7", 7), ("7.1700000000", 7), (7.0, 7), ({"id": 7, "title": "x"}, 7),
        ({"id": "7"}, 7), ("7.", 7), (0, 0), (None, None), ("", None), ("seven", None),
        (True, None), (-7, None), ("7/../8", None), ("7 or 1", None), ([7], None), ({}, None),
        ("٧", None), ("9" * 5000, None), (float("nan"), None), (float("inf"), None),
    ],
)  # fmt: skip
def test_a_project_is_named_in_many_ways(value: Any, number: int | None) -> None:
    assert project_number(value) == number


# predict


def test_predictions_stand_beside_their_tasks(fake: FakeProcess) -> None:
    tasks = [
        task(1, "good"), task(2, ""), task(3, 7), task(4, None), {"id": 5}, {"id": 6, "data": "x"},
        task(7, "blind", meta={"crux": {"blind": True}}), task(8, " \n"),
        task(9, "good", meta={"crux": {"blind": False}}), task(10, "good", meta=None),
        task(11, "good", meta={"crux": "x"}), task(12, "x" * (MOST_CHARACTERS + 1)),
    ]  # fmt: skip
    found = older().predict(tasks, project=7)
    assert found == [YES, [], [], [], [], [], [], [], YES, YES, YES, []]
    assert fake.texts == [["good"] * 4]


def test_blind_tasks_alone_are_not_even_read(fake: FakeProcess) -> None:
    assert older().predict([task(1, "x", meta={"crux": {"blind": True}})]) == [[]]
    assert older().predict([], project=7) == []
    assert fake.texts == []


def test_a_label_that_the_project_does_not_know_is_never_sent(fake: FakeProcess) -> None:
    fake.known = Schema(("good", "bad"), "verdict", "text", "text")
    with pytest.raises(ProjectError, match="'yes' is none of the project's"):
        older().predict([task(1, "good")])


def test_it_predicts_as_the_released_label_studio_ml_asks(fake: FakeProcess) -> None:
    assert older().predict([task(1, "good")], login=None, password=None, context=None) == [YES]


def test_it_predicts_as_the_label_studio_ml_in_git_asks(fake: FakeProcess) -> None:
    model = Newer("7", label_config=CONFIG)
    unnamed = {"id": 1, "data": {"text": "good"}}
    assert model.predict([unnamed], context={"result": []}, login=None, password=None) == [YES]


@pytest.mark.parametrize(
    ("given", "own", "in_task", "version"),
    [(0, "7", 7, "v0"), (8, "7", 9, "v8"), (None, "7", 9, "v7"), (None, "", 9, "v9")],
)
def test_the_project_is_the_argument_else_the_instances_else_the_tasks(
    fake: FakeProcess, given: int | None, own: str, in_task: int, version: str
) -> None:
    (found,) = Newer(own).predict([task(1, "good", project=in_task)], project=given)
    assert isinstance(found, dict) and found["model_version"] == version


def test_a_prediction_without_any_project_is_refused(fake: FakeProcess) -> None:
    with pytest.raises(ProjectError, match="names no project: send its number"):
        Newer().predict([{"data": {"text": "x"}}])


def test_the_newer_setup_is_told_the_current_version(fake: FakeProcess) -> None:
    assert Newer("7", CONFIG).get("model_version") == "v7"
    assert Newer("", CONFIG).get("model_version") == "0.0.1"  # the instance of all projects


# fit


EVENTS = [
    ("ANNOTATION_CREATED", {"project": {"id": 7}, "annotation": {}, "task": {}}, [(7, False)]),
    ("ANNOTATIONS_CREATED", {"project": "7.17", "annotation": []}, [(7, False)]),
    ("ANNOTATION_UPDATED", {"project": 7}, [(7, False)]),
    ("ANNOTATIONS_DELETED", {"project": {"id": 7}, "annotations": [{"id": 3}]}, [(7, False)]),
    ("START_TRAINING", {"project": {"id": 7}}, [(7, True)]),
    ("TASKS_CREATED", {"project": {"id": 7}}, []),
    ("PROJECT_UPDATED", {"project": {"id": 7}}, []),
    ("NEVER_HEARD_OF", {"project": {"id": 7}}, []),
    ("ANNOTATION_CREATED", {}, []),
    ("ANNOTATION_CREATED", {"project": "x"}, []),
]


@pytest.mark.parametrize(("event", "data", "looks"), EVENTS)
def test_both_generations_of_fit_only_enqueue(
    fake: FakeProcess, event: str, data: dict[str, Any], looks: list[tuple[int, bool]]
) -> None:
    answer = {"queued": bool(looks)}
    assert older().process_event(event, data, "1", {"workdir": "jobs/1"}) == answer
    assert Newer("7", CONFIG).fit(event, data) == answer
    assert fake.looks == looks * 2
    assert fake.texts == []


def test_a_changed_project_is_asked_for_again(fake: FakeProcess) -> None:
    older().fit("PROJECT_UPDATED", {"project": {"id": 7}})
    assert fake.changes == [7]


# subclasses, and the state behind a model


class ModelResponse(BaseModel):
    """As label-studio-ml 2.x has it."""

    model_version: str | None = None
    predictions: list[Any]


class Mine(CruxModel):
    """A model of somebody who knows label-studio-ml."""

    answer: Any = None
    seen: list[Any]

    def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
        found = super().predict(tasks, context, **kwargs)
        type(self).seen.append((context, kwargs, found[0]["model_version"]))
        return type(self).answer

    def fit(self, event: str, data: Any, **kwargs: Any) -> Any:
        type(self).seen.append((event, data, super().fit(event, data, **kwargs)))
        return type(self).answer


@pytest.fixture
def mine(tmp_path: Path) -> Backend:
    Mine.seen = []
    return Backend(tmp_path, model_class=Mine)


ONE = {"result": [], "score": 0.5, "model_version": "mine-1"}


@pytest.mark.parametrize(
    ("answer", "results", "version"),
    [
        ([ONE], [ONE], "mine-1"),
        ([[ONE]], [[ONE]], "prompted-"),
        ([{"result": []}], [{"result": []}], "prompted-"),
        (ModelResponse(predictions=[ONE]), [ONE], "mine-1"),
        ({"predictions": [ONE]}, [ONE], "mine-1"),
        (None, [], "prompted-"),
    ],
)
def test_predict_of_a_subclass_is_what_the_route_answers(
    mine: Backend, answer: Any, results: Any, version: str
) -> None:
    Mine.answer = answer
    params = {"login": None, "password": None, "context": {"result": ["x"]}}
    body = {"project": "7.17", "tasks": [task(1, "green")], "params": params}
    got = mine.post("/predict", body)
    assert (got.status_code, got.json["results"]) == (200, results)
    assert got.json["model_version"].startswith(version)
    ((context, kwargs, own),) = Mine.seen
    assert (context, kwargs) == ({"result": ["x"]}, {"project": 7})
    assert own.startswith("prompted-")


@pytest.mark.parametrize(("answer", "queued"), [({"queued": True}, True), (None, False)])
def test_fit_of_a_subclass_is_what_an_event_runs(mine: Backend, answer: Any, queued: bool) -> None:
    Mine.answer = answer
    data = {"project": {"id": 7}, "annotation": {"id": 3}, "task": {"id": 1}}
    got = mine.post("/webhook", {"action": "ANNOTATION_CREATED", **data})
    assert (got.status_code, got.json) == (201, {"queued": queued})
    assert Mine.seen == [("ANNOTATION_CREATED", data, {"queued": True})]
    assert mine.queued == 1


def test_health_names_the_class(mine: Backend) -> None:
    assert mine.client.get("/health").json == {"status": "UP", "model_class": "Mine"}


def test_two_apps_of_one_process_have_states_of_their_own(tmp_path: Path) -> None:
    first, second = Backend(tmp_path / "a"), Backend(tmp_path / "b", secret="another-secret")
    first.post("/webhook", {"action": "START_TRAINING", "project": 7})
    assert (first.queued, second.queued) == (1, 0)
    refused(second.get("/versions"), 401, "The secret is missing or wrong")
    assert first.get("/versions").status_code == 200


def test_a_model_that_no_app_made_takes_its_settings_from_the_environment_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRUX_HOME", str(tmp_path))
    monkeypatch.setenv("CRUX_STUDIO_TOKEN", TOKEN)
    state._from_environment.cache_clear()
    try:
        assert older().fit("START_TRAINING", {"project": 7}) == {"queued": True}
        made = shared_process()
        assert isinstance(made, Process) and made.settings.home == tmp_path
        assert older().process is made
        assert os.listdir(tmp_path / "queue") == ["7.train"]
    finally:
        state._from_environment.cache_clear()
