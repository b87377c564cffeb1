from typing import Any

import pytest

from backend.web.ml_base import CruxModel, Hub, predictions, project_number
from selection.errors import ProjectError
from selection.studio.schema import Schema
from tests.fakes import SCHEMA

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)


class Fake:
    """Says yes to what is 'good'; notes what it is asked."""

    def __init__(self) -> None:
        self.looks: list[tuple[int, bool]] = []
        self.forgotten: list[int] = []
        self.texts: list[list[str]] = []
        self.own = SCHEMA

    def labelled(
        self, project: int, texts: list[str]
    ) -> tuple[str, Schema, list[tuple[str, float]]]:
        self.texts.append(texts)
        return f"v{project}", self.own, [("yes" if "good" in t else "no", 0.75) for t in texts]

    def schema(self, project: int) -> Schema:
        return self.own

    def look(self, project: int, forced: bool) -> None:
        self.looks.append((project, forced))

    def forget(self, project: int) -> None:
        self.forgotten.append(project)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(Hub, "answers", fake)
    return fake


class Newer(CruxModel):
    """The class as label-studio-ml 2.x makes it: project and config are read-only properties."""

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self._project, self._config = project_id, label_config

    @property
    def project_id(self) -> str | None:
        return self._project

    @property
    def label_config(self) -> str | None:
        return self._config

    @property
    def model_version(self) -> str:
        return "INITIAL"


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


def test_predictions_stand_beside_their_tasks(fake: Fake) -> None:
    tasks = [
        task(1, "good"), task(2, ""), task(3, 7), task(4, None), {"id": 5}, {"id": 6, "data": "x"},
        task(7, "blind", meta={"crux": {"blind": True}}), task(8, " \n"),
        task(9, "good", meta={"crux": {"blind": False}}), task(10, "good", meta=None),
        task(11, "good", meta={"crux": "x"}),
    ]  # fmt: skip
    found = predictions(fake, 7, tasks)
    assert found == [YES, [], [], [], [], [], [], [], YES, YES, YES]
    assert fake.texts == [["good"] * 4]


def test_blind_tasks_alone_are_not_even_read(fake: Fake) -> None:
    assert predictions(fake, 7, [task(1, "x", meta={"crux": {"blind": True}})]) == [[]]
    assert predictions(fake, 7, []) == []
    assert fake.texts == []


def test_a_label_that_the_project_does_not_know_is_never_sent(fake: Fake) -> None:
    fake.own = Schema(("good", "bad"), "verdict", "text", "text")
    with pytest.raises(ProjectError, match="'yes' is none of the project's"):
        predictions(fake, 7, [task(1, "good")])


def test_it_predicts_as_the_released_label_studio_ml_asks(fake: Fake) -> None:
    model = CruxModel(label_config=CONFIG, train_output=None, hostname="", access_token="secret")
    assert model.predict([task(1, "good")], login=None, password=None, context=None) == [YES]


def test_it_predicts_as_the_label_studio_ml_in_git_asks(fake: Fake) -> None:
    model = Newer("7.1700000000", label_config=CONFIG)
    unnamed = {"id": 1, "data": {"text": "good"}}
    assert model.predict([unnamed], context={"result": []}) == [YES]


def test_a_prediction_without_any_project_is_an_error(fake: Fake) -> None:
    with pytest.raises(ValueError, match="names no project"):
        Newer().predict([{"data": {"text": "x"}}])


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
    fake: Fake, event: str, data: dict[str, Any], looks: list[tuple[int, bool]]
) -> None:
    answer = {"queued": bool(looks)}
    older = CruxModel(label_config=CONFIG)
    assert older.fit((), event=event, data=data, job_id="1", workdir="/tmp") == answer  # noqa: S108
    assert Newer("7", CONFIG).fit(event, data) == answer
    assert fake.looks == looks * 2
    assert fake.texts == []


def test_a_changed_project_is_asked_again(fake: Fake) -> None:
    CruxModel(label_config=CONFIG).fit((), event="PROJECT_UPDATED", data={"project": {"id": 7}})
    assert fake.forgotten == [7]


def test_a_fit_without_anything_is_no_event(fake: Fake) -> None:
    assert CruxModel(label_config=CONFIG).fit(()) == {"queued": False}
    assert Newer("7", CONFIG).fit("ANNOTATION_CREATED", None) == {"queued": False}
