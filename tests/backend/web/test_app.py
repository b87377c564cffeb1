import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selection.errors import StudioError
from selection.policy import policy_hash
from selection.pool_sample import PoolSample
from selection.record import TrainingState
from selection.studio.schema import parse_schema
from tests.backend.eventually import until
from tests.backend.web.application import CONFIG, TOKEN, Backend, refused
from tests.records import record


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


# Label Studio's routes


def test_health_is_open_and_loads_nothing(backend: Backend) -> None:
    answer = backend.client.get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "UP", "model_class": "CruxModel"})
    assert (backend.loaded, backend.studio.calls) == (0, [])


def test_setup_names_the_version_without_loading_the_model(backend: Backend) -> None:
    body = {
        "project": "7.1700000000", "schema": CONFIG, "hostname": "http://x",
        "access_token": TOKEN, "extra_params": None,
    }  # fmt: skip
    first = backend.post("/setup", body).json["model_version"]
    assert first.startswith("prompted-")
    for _ in range(20):
        assert backend.post("/setup", body).json == {"model_version": first}
    assert (backend.loaded, backend.studio.calls, backend.queued) == (0, ["project"], 0)


def test_a_config_that_setup_brings_holds_at_once_and_the_policy_follows(backend: Backend) -> None:
    body = {"project": 7, "schema": CONFIG}
    first = backend.post("/setup", body).json["model_version"]
    more = CONFIG.replace('<Choice value="no"/>', '<Choice value="no"/><Choice value="maybe"/>')
    backend.studio.schema, backend.studio.policy = parse_schema(more), "Is the text nice?"
    assert backend.post("/setup", {**body, "schema": more}).json["model_version"] != first
    labels = backend.post("/score", {"project": 7, "texts": ["x"]}).json["labels"]
    assert labels == ["yes", "no", "maybe"]
    until(lambda: backend.process.serving.manifest(7).policy == "Is the text nice?")
    assert backend.process.serving.manifest(7).labels == ("yes", "no", "maybe")


def test_setup_says_what_does_not_fit(backend: Backend) -> None:
    two = CONFIG.replace("</View>", '<Choices name="b" toName="text"/></View>')
    refused(backend.post("/setup", {"project": 7, "schema": two}), 422, "it has 2 <Choices>")
    refused(backend.post("/setup", {"project": 7, "schema": "<"}), 422, "not valid XML")
    backend.studio.policy = ""
    backend.process.project_changed(7)
    until(lambda: backend.process.serving.info(7).policy == "")
    refused(backend.post("/setup", {"project": 7, "schema": ""}), 422, "has no policy")


@pytest.mark.parametrize("project", [7, "7", "7.1700000000", {"id": 7, "title": "x"}])
def test_predictions_carry_score_and_the_version_that_setup_named(
    backend: Backend, project: Any
) -> None:
    backend.train("round0-a")
    backend.process.serving.registry.promote(7, "round0-a")
    tasks = [
        {"id": 1, "data": {"text": "red"}}, {"id": 2, "data": {}},
        {"id": 3, "data": {"text": "green"}, "meta": {"crux": {"blind": True}}},
        {"id": 4, "data": {"text": "green"}},
    ]  # fmt: skip
    answer = backend.post("/predict", {"tasks": tasks, "project": project, "params": {}}).json
    setup = backend.post("/setup", {"project": project, "schema": CONFIG}).json
    assert answer["model_version"] == setup["model_version"] == "round0-a"
    assert [bool(r) for r in answer["results"]] == [True, False, False, True]
    assert [r["result"][0]["value"]["choices"] for r in answer["results"] if r] == [["no"], ["yes"]]
    assert answer["results"][3]["score"] == pytest.approx(0.9)
    assert answer["results"][3]["model_version"] == "round0-a"


def test_predict_finds_the_project_in_the_tasks(backend: Backend) -> None:
    tasks = [{"id": 1, "project": 7, "data": {"text": "x"}}]
    assert len(backend.post("/predict", {"tasks": tasks}).json["results"]) == 1


def test_all_versions_in_an_answer_are_one_also_when_the_prompted_model_stands_in(
    backend: Backend,
) -> None:
    backend.train("round0-a")
    registry = backend.process.serving.registry
    registry.promote(7, "round0-a")
    (registry.path(7, "round0-a") / "adapter_model.safetensors").write_text("{}")
    tasks = [{"id": 1, "data": {"text": "green"}}]
    answer = backend.post("/predict", {"tasks": tasks, "project": 7}).json
    assert answer["model_version"] == answer["results"][0]["model_version"]
    assert answer["model_version"].startswith("prompted-")


@pytest.mark.parametrize(
    ("body", "queued"),
    [
        ({"action": "ANNOTATION_CREATED", "project": {"id": 7}, "task": {}}, True),
        ({"action": "ANNOTATIONS_DELETED", "project": {"id": 7}, "annotations": []}, True),
        ({"action": "START_TRAINING", "project": {"id": 7}}, True),
        ({"action": "PROJECT_UPDATED", "project": {"id": 7}}, False),
        ({"action": "SOMETHING_NEW", "project": {"id": 7}}, False),
        ({"action": "ANNOTATION_CREATED"}, False),
        ({"action": "ANNOTATION_CREATED", "project": "../../etc"}, False),
    ],
)
def test_a_webhook_only_enqueues(backend: Backend, body: dict[str, Any], queued: bool) -> None:
    answer = backend.post("/webhook", body)
    assert (answer.status_code, answer.json) == (201, {"queued": queued})
    assert backend.queued == int(queued)
    assert (backend.loaded, backend.studio.calls) == (0, [])


def test_three_hundred_events_are_one_job(backend: Backend) -> None:
    for _ in range(300):
        backend.post("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": 7}})
    assert backend.queued == 1


def test_versions_are_listed_for_one_project_and_for_all(backend: Backend) -> None:
    backend.train("round0-a")
    assert backend.get("/versions?project=7").json == {"versions": ["round0-a"]}
    assert backend.get("/versions?project=8").json == {"versions": []}
    assert backend.get("/versions").json == {"versions": ["round0-a"]}


# our own routes


def test_score_gives_every_labels_probability_and_the_version(backend: Backend) -> None:
    backend.train("round0-a")
    body = {"project": 7, "texts": ["green", "red"], "version": "round0-a"}
    answer = backend.post("/score", body).json
    assert answer["model_version"] == "round0-a"
    assert answer["labels"] == ["yes", "no"]
    assert np.array(answer["probabilities"]) == pytest.approx(np.array([[0.9, 0.1], [0.1, 0.9]]))
    current = backend.post("/score", {"project": 7, "texts": []}).json
    assert (current["probabilities"], current["labels"]) == ([], ["yes", "no"])


def test_a_project_shows_its_versions_rounds_and_training(backend: Backend) -> None:
    backend.train("round0-a")
    registry = backend.process.serving.registry
    registry.save_record(7, record(0))
    assert backend.post("/projects/7/current", {"version": "round0-a"}).json == {
        "current": "round0-a"
    }
    registry.set_training(7, TrainingState("training", "round1-b", 3, 9))
    body = backend.get("/projects/7").json
    assert (body["project"], body["current"]) == (7, "round0-a")
    assert [(v["version"], v["ties"], v["examples"]) for v in body["versions"]] == [
        ("round0-a", 1, 0)
    ]
    assert body["versions"][0]["policy_hash"] == policy_hash("policy", ("yes", "no"))
    assert body["rounds"] == [record(0).as_json()]
    assert body["training"] == {
        "state": "training", "message": "round1-b", "done": 3, "total": 9, "failures": 0,
        "next_try": "",
    }  # fmt: skip


def test_check_makes_the_worker_look(backend: Backend) -> None:
    answer = backend.post("/projects/7/check", {})
    assert (answer.status_code, backend.queued) == (202, 1)


def test_drawn_texts_of_the_pool_are_kept_also_with_half_a_character(backend: Backend) -> None:
    texts = ["red", "é \ud800"]
    body = {"texts": texts, "weight": [1.5, 80]}
    assert backend.post("/projects/7/sample", body).json == {"kept": 2}
    assert backend.process.serving.registry.sample(7) == PoolSample(tuple(texts), (1.5, 80.0))


@pytest.mark.parametrize("weight", [{}, {"weight": []}])
def test_texts_without_weights_stand_for_equally_many(
    backend: Backend, weight: dict[str, list[float]]
) -> None:
    answer = backend.post("/projects/7/sample", {"texts": ["red", "green"], **weight})
    assert answer.json == {"kept": 2}
    kept = backend.process.serving.registry.sample(7)
    assert kept == PoolSample(("red", "green"), (1.0, 1.0))


@pytest.mark.parametrize(
    ("weight", "says"),
    [
        ([1.0], "'weight' does not fit 'texts': 1 weights for 2 texts"),
        ([1.0, 0.0], "weight[1] is 0.0: 'weight' must be a list of positive numbers"),
        ([1.0, -2.0], "weight[1] is -2.0: 'weight' must be a list of positive numbers"),
        ([1.0, 1e999], "must be a JSON object"),  # JSON knows no infinity
        ([True, 1.0], "weight[0] is true: 'weight' must be a list of positive numbers"),
        (["2", 1.0], "weight[0] is \"2\": 'weight' must be a list of positive numbers"),
        (["much", 1.0], "weight[0] is \"much\": 'weight' must be a list of positive numbers"),
        ("much", "'weight' must be a list of positive numbers, how many texts of the pool"),
    ],
)
def test_weights_that_cannot_be_are_refused_and_the_old_sample_stays(
    backend: Backend, weight: Any, says: str
) -> None:
    backend.post("/projects/7/sample", {"texts": ["red"], "weight": [3.0]})
    answer = backend.post("/projects/7/sample", {"texts": ["a", "b"], "weight": weight})
    refused(answer, 400 if "JSON" in says else 409 if "fit" in says else 422, says)
    assert backend.process.serving.registry.sample(7) == PoolSample(("red",), (3.0,))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/projects/9/sample", {"texts": ["x"]}),
        ("/projects/9/check", {}),
        ("/projects/9/current", {"version": "round0-a"}),
        ("/score", {"project": 9, "texts": ["x"]}),
        ("/score", {"project": 9, "texts": ["x"], "version": "round0-a"}),
        ("/setup", {"project": 9}),
        ("/predict", {"project": 9, "tasks": [{"id": 1, "data": {"text": "x"}}]}),
    ],
)
def test_a_number_that_is_no_project_is_404_and_leaves_no_folder_and_no_job(
    backend: Backend, path: str, body: dict[str, Any]
) -> None:
    backend.studio.gone = {9}
    refused(backend.post(path, body), 404, "roject 9")
    assert not backend.process.serving.registry.folder(9).exists()
    assert backend.queued == 0


def test_a_project_with_a_folder_can_be_looked_at_while_label_studio_is_away(
    backend: Backend,
) -> None:
    backend.train("round0-a")
    backend.studio.down_after = 0
    assert backend.post("/projects/7/check", {}).status_code == 202
    assert backend.post("/projects/7/current", {"version": "round0-a"}).status_code == 200
    refused(backend.post("/projects/8/check", {}), 503, "does not answer")


def test_a_version_that_would_not_answer_is_not_promoted(backend: Backend) -> None:
    backend.train("round0-a")
    backend.train("round1-b", labels=("good", "no"))
    backend.train("round2-c", model="larger")
    promote = {name: {"version": name} for name in ("round0-a", "round1-b", "round2-c")}
    assert backend.post("/projects/7/current", promote["round0-a"]).status_code == 200
    for name, says in (
        ("round1-b", "the labels of round1-b are good, no, and those of the label config yes, no."),
        ("round2-c", "round2-c was made from the base model 'larger', and 'tiny' is set."),
    ):
        answer = backend.post("/projects/7/current", promote[name])
        refused(answer, 409, f"{name} is not promoted, since it would not answer: {says}")
    assert backend.process.serving.registry.current(7) == "round0-a"
    assert backend.get("/projects/7").json["current"] == "round0-a"
    assert backend.queued == 1  # for the one that was promoted


def test_after_a_label_was_renamed_a_version_of_the_old_labels_is_not_promoted(
    backend: Backend,
) -> None:
    backend.train("round0-a")
    renamed = CONFIG.replace("yes", "good")
    backend.studio.schema = parse_schema(renamed)
    backend.post("/setup", {"project": 7, "schema": renamed})
    answer = backend.post("/projects/7/current", {"version": "round0-a"})
    refused(answer, 409, "are yes, no, and those of the label config good, no")
    assert backend.get("/projects/7").json["current"].startswith("prompted-")


def test_a_server_that_answers_unlike_label_studio_is_502(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(_: int) -> None:
        raise StudioError("http://else.where does not answer like Label Studio; check the URL.")

    monkeypatch.setattr(backend.studio, "project", strange)
    refused(backend.post("/score", {"project": 9, "texts": ["x"]}), 502, "check the URL")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/projects/7/sample", {"texts": ["x"]}),
        ("/projects/7/current", {"version": "round0-a"}),
        ("/score", {"project": 7, "texts": ["x"]}),  # the first one makes the prompted version
    ],
)
def test_a_disk_without_room_is_503_and_no_missing_version(
    backend: Backend, path: str, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.train("round0-a")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(backend.post(path, body), 503, "No space left on device")
    monkeypatch.undo()
    assert backend.post(path, body).status_code == 200


@pytest.mark.parametrize("version", ["round9-z", "../../../etc/passwd", "..", "", "a/b"])
def test_only_a_version_that_is_there_can_be_promoted_or_named(
    backend: Backend, version: str
) -> None:
    says = "no version 'round9-z'" if version == "round9-z" else "is not the name of a version"
    refused(backend.post("/projects/7/current", {"version": version}), 404, says)
    body = {"project": 7, "texts": ["x"], "version": version}
    refused(backend.post("/score", body), 404, says)
