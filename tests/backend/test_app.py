import base64
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from backend.app import MOST_BYTES, Process, create_app
from backend.config import Settings
from backend.model import Hub
from backend.registry import Manifest
from selection.client import SECRET_HEADER
from tests.fakes import FakeScorer, FakeStudio, fake_train

SECRET, TOKEN = "a-long-secret", "c0ffee" * 6 + "c0de"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)
POSTS = ["/setup", "/predict", "/webhook", "/score", "/projects/7/check", "/projects/7/current"]


class Backend:
    """The app with a Label Studio and a model behind it."""

    def __init__(self, home: Path, secret: str = SECRET) -> None:
        self.studio, self.scorer = FakeStudio(), FakeScorer()
        self.loaded = 0
        settings = Settings(home=home, llm="tiny", webhook_secret=secret, studio_token=TOKEN)  # type: ignore[arg-type]
        self.process = Process(settings, self.studio, self.load)  # type: ignore[arg-type]
        self.client: FlaskClient = create_app(process=self.process).test_client()

    def load(self) -> Any:
        self.loaded += 1
        return self.scorer

    def post(self, path: str, body: Any, **more: Any) -> Any:
        return self.client.post(path, json=body, headers={SECRET_HEADER: SECRET}, **more)

    def get(self, path: str) -> Any:
        return self.client.get(path, headers={SECRET_HEADER: SECRET})

    def train(self, version: str) -> None:
        def fill(out: Path) -> Manifest:
            known = np.array([0, 1])
            fake_train("", "", ("yes", "no"), ["green", "red"], known, None, None, out)
            return Manifest(version, "trained", 0, "tiny", "policy", ("yes", "no"), ties=1)

        self.process.serving.registry.build(7, version, fill)

    @property
    def queued(self) -> int:
        return int(self.process.jobs.huey.pending_count())


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    yield Backend(tmp_path)
    Hub.answers = None


def refused(answer: Any, status: int, says: str) -> None:
    assert answer.status_code == status, answer.text
    assert list(answer.json) == ["error"]
    assert says in answer.json["error"]
    assert "Traceback" not in answer.text


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


def test_setup_with_another_config_than_known_asks_label_studio_again(backend: Backend) -> None:
    body = {"project": 7, "schema": CONFIG}
    first = backend.post("/setup", body).json["model_version"]
    more = CONFIG.replace('<Choice value="no"/>', '<Choice value="no"/><Choice value="maybe"/>')
    from selection.schema import parse_schema

    backend.studio.schema = parse_schema(more)
    assert backend.post("/setup", {**body, "schema": more}).json["model_version"] != first


def test_setup_says_what_does_not_fit(backend: Backend) -> None:
    two = CONFIG.replace("</View>", '<Choices name="b" toName="text"/></View>')
    refused(backend.post("/setup", {"project": 7, "schema": two}), 422, "it has 2 <Choices>")
    refused(backend.post("/setup", {"project": 7, "schema": "<"}), 422, "not valid XML")
    backend.studio.policy = ""
    backend.process.forget(7)
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


def test_a_thousand_events_are_one_job(backend: Backend) -> None:
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


def test_a_project_tells_its_versions_rounds_and_training(backend: Backend) -> None:
    backend.train("round0-a")
    registry = backend.process.serving.registry
    registry.save_record(7, {"round": 0, "version": "round0-a"})
    assert backend.post("/projects/7/current", {"version": "round0-a"}).json == {
        "current": "round0-a"
    }
    registry.set_training(7, "training", "round1-b", 3, 9)
    body = backend.get("/projects/7").json
    assert (body["project"], body["current"]) == (7, "round0-a")
    assert [(v["version"], v["ties"], v["examples"]) for v in body["versions"]] == [
        ("round0-a", 1, 0)
    ]
    assert body["rounds"] == [{"round": 0, "version": "round0-a"}]
    assert body["training"] == {"state": "training", "message": "round1-b", "done": 3, "total": 9}


def test_check_makes_the_worker_look(backend: Backend) -> None:
    answer = backend.post("/projects/7/check", {})
    assert (answer.status_code, backend.queued) == (202, 1)


@pytest.mark.parametrize("version", ["round9-z", "../../../etc/passwd", "..", "", "a/b"])
def test_only_a_version_that_is_there_can_be_promoted_or_named(
    backend: Backend, version: str
) -> None:
    says = "no version 'round9-z'" if version == "round9-z" else "is not the name of a version"
    refused(backend.post("/projects/7/current", {"version": version}), 404, says)
    body = {"project": 7, "texts": ["x"], "version": version}
    refused(backend.post("/score", body), 404, says)


# bad requests


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 20_000]
)
def test_what_is_no_json_object_is_refused_on_every_route(
    backend: Backend, path: str, data: bytes
) -> None:
    headers = {SECRET_HEADER: SECRET}
    for kind in ("application/json", "text/plain"):
        answer = backend.client.post(path, data=data, content_type=kind, headers=headers)
        refused(answer, 400, "must be a JSON object")


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("/setup", {}, "'project' must be the number of a project, not None"),
    ("/setup", {"project": "x"}, "'project' must be the number"),
    ("/setup", {"project": "9" * 6000}, "'project' must be the number"),
    ("/predict", {}, "'tasks' must be a list"),
    ("/predict", {"tasks": {}, "project": 7}, "'tasks' must be a list"),
    ("/predict", {"tasks": [1], "project": 7}, "'tasks' must be a list of task objects"),
    ("/predict", {"tasks": []}, "'project' must be the number"),
    ("/predict", {"tasks": [{"project": [7]}]}, "'project' must be the number"),
    ("/webhook", {}, "'action' must name the event"),
    ("/webhook", {"action": 7}, "'action' must name the event"),
    ("/score", {"project": 7}, "'texts' must be a list"),
    ("/score", {"project": 7, "texts": "x"}, "'texts' must be a list"),
    ("/score", {"project": 7, "texts": [{}]}, "texts[0] is {}, not a string"),
    ("/score", {"project": 7, "texts": ["x", None]}, "texts[1] is None, not a string"),
    ("/score", {"project": 7, "texts": ["x"], "version": 7}, "'version' must be the name"),
    ("/projects/7/current", {}, "'version' must be the name"),
    ("/projects/7/current", {"version": ["x"]}, "'version' must be the name"),
]


@pytest.mark.parametrize(("path", "body", "says"), BAD)
def test_a_bad_body_is_refused_with_a_sentence(
    backend: Backend, path: str, body: dict[str, Any], says: str
) -> None:
    answer = backend.post(path, body)
    refused(answer, 422, says)
    assert len(answer.text) < 300
    assert backend.loaded == 0


def test_too_much_at_once_is_refused(backend: Backend) -> None:
    refused(backend.post("/score", {"project": 7, "texts": ["x"] * 1001}), 413, "more than 1000")
    config = backend.client.application.config
    assert config["MAX_CONTENT_LENGTH"] == MOST_BYTES
    config["MAX_CONTENT_LENGTH"] = 10
    refused(backend.post("/predict", {"project": 7, "tasks": []}), 413, "exceeds the capacity")


@pytest.mark.parametrize("path", ["/nothing", "/projects/x", "/projects/-1", f"/projects/{10**30}"])
def test_an_address_that_is_none_is_404_in_json(backend: Backend, path: str) -> None:
    answer = backend.get(path)
    assert (answer.status_code, list(answer.json)) == (404, ["error"])


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/train"), ("GET", "/is_training"), ("POST", "/versions"), ("GET", "/metrics")],
)
def test_routes_that_label_studio_ml_brings_along_answer_without_traces(
    backend: Backend, method: str, path: str
) -> None:
    answer = backend.client.open(
        path, method=method, json={"project": 7}, headers={SECRET_HEADER: SECRET}
    )
    refused(answer, 404, f"Crux has no {path}")


def test_errors_of_label_studio_are_sentences_too(backend: Backend) -> None:
    backend.studio.gone = {9}
    refused(backend.post("/score", {"project": 9, "texts": ["x"]}), 422, "not have project 9")
    backend.studio.down_after = 0
    refused(backend.post("/setup", {"project": 8}), 503, "does not answer")


def test_one_megabyte_of_text_is_a_text(backend: Backend) -> None:
    answer = backend.post("/score", {"project": 7, "texts": ["long " * 200_000, "\ud800"]})
    assert (answer.status_code, len(answer.json["probabilities"])) == (200, 2)


# the secret


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {SECRET_HEADER: "wrong"},
        {SECRET_HEADER: SECRET + "x"},
        {SECRET_HEADER: "é"},
        {"Authorization": "Bearer " + SECRET},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(f"{SECRET}:".encode()).decode()},
    ],
)
def test_without_the_secret_every_route_but_health_is_closed(
    backend: Backend, headers: dict[str, str]
) -> None:
    for path in [*POSTS, "/train", "/versions", "/nothing"]:
        answer = backend.client.post(path, json={"project": 7, "texts": ["x"]}, headers=headers)
        refused(answer, 401, "The secret is missing or wrong")
    for path in ("/versions", "/projects/7", "/metrics", "/is_training"):
        assert backend.client.get(path, headers=headers).status_code == 401
    assert backend.client.get("/health", headers=headers).status_code == 200
    assert (backend.studio.calls, backend.queued) == ([], 0)


def test_the_secret_may_come_as_the_password_of_basic_auth(backend: Backend) -> None:
    basic = base64.b64encode(f"crux:{SECRET}".encode()).decode()
    answer = backend.client.get("/versions", headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200


def test_without_a_secret_everybody_is_let_in_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Backend(tmp_path, secret="")
    assert backend.client.get("/versions").status_code == 200
    assert "everybody who reaches the port is let in" in caplog.text


def test_neither_secret_nor_token_nor_text_reaches_a_log_or_an_answer(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = [
        backend.post("/setup", {"project": 7, "schema": CONFIG, "access_token": TOKEN}),
        backend.post("/setup", {"project": "x", "schema": CONFIG, "access_token": TOKEN}),
        backend.post("/score", {"project": 7, "texts": ["private words"]}),
        backend.post("/predict", {"project": 7, "tasks": [{"data": {"text": 7}}],
                                  "params": {"password": TOKEN}}),
        backend.post("/train", {"access_token": TOKEN}),
        backend.get("/projects/7"),
        backend.client.post("/score", json={}, headers={SECRET_HEADER: "wrong secret"}),
    ]  # fmt: skip
    seen = caplog.text + "".join(answer.text for answer in answers) + repr(backend.process.settings)
    for hidden in (SECRET, TOKEN, "private words", "wrong secret"):
        assert hidden not in seen
