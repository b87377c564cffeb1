"""What Label Studio may rely on, whichever label-studio-ml is installed.

Real HTTP to create_app(), and the same class in label-studio-ml's own app. `make test` runs it with
the pinned label-studio-ml, `make test-ml2` with any other. Label Studio and the model are the small
stand-ins of tests/fakes.py; the queue is the real one.
"""

import base64
import inspect
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from label_studio_ml.api import init_app
from label_studio_ml.model import LabelStudioMLBase
from werkzeug.serving import make_server

from backend.config import BackendSettings
from backend.web import ml_base
from backend.web.app import create_app
from backend.web.ml_base import CruxModel
from backend.web.state import Process
from selection.http import SECRET_HEADER
from tests.backend.eventually import until
from tests.fakes import FakeScorer, FakeStudio

# 2.x makes a model for every request and names its project; 1.0.9 keeps one for all
PER_REQUEST = "project_id" in inspect.signature(LabelStudioMLBase.__init__).parameters

SECRET, TOKEN = "a-long-secret", "c0ffee" * 6 + "c0de"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)
PROJECT = "7.1700000000"  # as Label Studio names project 7
SETUP = {
    "project": PROJECT, "schema": CONFIG, "hostname": "http://127.0.0.1:8080",
    "access_token": TOKEN, "extra_params": None,
}  # fmt: skip
EVENTS = [
    ("ANNOTATION_CREATED", {"annotation": {"id": 1}, "task": {"id": 1}}, True),
    ("ANNOTATIONS_CREATED", {"annotation": [{"id": 1}], "task": {"id": 1}}, True),
    ("ANNOTATION_UPDATED", {"annotation": {"id": 1}, "task": {"id": 1}}, True),
    ("ANNOTATIONS_DELETED", {"annotations": [{"id": 1}]}, True),
    ("START_TRAINING", {}, True),
    ("TASKS_CREATED", {"tasks": [{"id": 1}]}, False),
    ("PROJECT_UPDATED", {}, False),
    ("AN_EVENT_OF_TOMORROW", {}, False),
]


class Live:
    """The app, served on a port of this machine."""

    def __init__(self, home: Path) -> None:
        self.studio, self.scorer, self.home = FakeStudio(), FakeScorer(), home
        settings = BackendSettings(home=home, llm="tiny", webhook_secret=SECRET, studio_token=TOKEN)  # type: ignore[arg-type]
        self.process = Process(settings, self.studio, lambda: self.scorer)  # type: ignore[arg-type, return-value]
        self.app = create_app(process=self.process)
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.server.server_port}", timeout=120.0,
            headers={SECRET_HEADER: SECRET},
        )  # fmt: skip

    def post(self, path: str, body: Any) -> httpx.Response:
        """As Label Studio sends it: ASCII, with escapes."""
        headers = {"Content-Type": "application/json"}
        return self.http.post(path, content=json.dumps(body), headers=headers)

    def known(self) -> list[Path]:
        """Everything that the backend keeps."""
        return [file for file in self.home.rglob("*") if file.is_file()]


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    live = Live(tmp_path)
    thread = threading.Thread(target=live.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield live
    live.http.close()
    live.server.shutdown()
    thread.join()
    live.server.server_close()


def refused(answer: httpx.Response, status: int, says: str) -> None:
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]
    assert "Traceback" not in answer.text
    assert "traceback" not in answer.json()


def predict(*tasks: dict[str, Any]) -> dict[str, Any]:
    """The body that Label Studio sends."""
    return {
        "tasks": list(tasks), "project": PROJECT, "label_config": CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }  # fmt: skip


def task(number: int, text: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "data": {"text": text}, "meta": {}, "project": 7, "annotations": [],
        "predictions": [], "overlap": 1, "is_labeled": False, **more,
    }  # fmt: skip


def test_health_is_open_and_says_up(live: Live) -> None:
    answer = httpx.get(f"{live.http.base_url}/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "UP"


def test_setup_names_the_version_and_keeps_nothing_of_what_it_was_sent(live: Live) -> None:
    first = live.post("/setup", SETUP)
    assert first.status_code == 200
    assert first.json()["model_version"].startswith("prompted-")
    assert live.post("/setup", SETUP).json() == first.json()
    assert [file for file in live.known() if TOKEN.encode() in file.read_bytes()] == []


def test_a_worker_that_has_seen_no_setup_predicts_all_the_same(live: Live) -> None:
    answer = live.post("/predict", predict(task(1, "a good one"), task(2, "a bad one")))
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [one["result"][0]["value"]["choices"] for one in results] == [["no"], ["yes"]]
    assert {one["model_version"] for one in results} == {answer.json()["model_version"]}


def test_predictions_are_of_the_version_that_setup_names(live: Live) -> None:
    said = live.post("/setup", SETUP).json()["model_version"]
    answer = live.post("/predict", predict(task(1, "a good one"))).json()
    (one,) = answer["results"]
    assert one["model_version"] == answer["model_version"] == said
    assert 0.5 <= one["score"] <= 1.0
    assert one["result"][0] | {"value": None} == {
        "from_name": "verdict", "to_name": "text", "type": "choices", "value": None,
    }  # fmt: skip


def test_there_are_as_many_results_as_tasks_and_a_bad_task_harms_no_other(live: Live) -> None:
    tasks = [
        task(1, "good"), task(2, ""), task(3, 7), {"id": 4}, task(5, "x", meta=None),
        task(6, "hidden", meta={"crux": {"blind": True}}), task(7, "😀 \ud800 " + "long " * 9_000),
    ]  # fmt: skip
    results = live.post("/predict", predict(*tasks)).json()["results"]
    assert [bool(one) for one in results] == [True, False, False, False, True, False, True]
    assert live.post("/predict", predict()).json()["results"] == []


@pytest.mark.parametrize("project", [PROJECT, "7", 7, {"id": 7, "title": "x"}])
def test_a_project_may_be_named_in_any_way_that_label_studio_has(live: Live, project: Any) -> None:
    assert live.post("/setup", {**SETUP, "project": project}).status_code == 200
    body = {**predict(task(1, "good")), "project": project}
    assert len(live.post("/predict", body).json()["results"]) == 1


@pytest.mark.parametrize(("action", "more", "queued"), EVENTS)
def test_an_event_is_answered_at_once_and_at_most_enqueued(
    live: Live, action: str, more: dict[str, Any], queued: bool
) -> None:
    project = {"id": 7, "title": "x", "label_config": CONFIG}
    for _ in range(3):
        answer = live.post("/webhook", {"action": action, "project": project, **more})
        assert (answer.status_code, answer.json()) == (201, {"queued": queued})
    assert (live.studio.calls, live.scorer.asked) == ([], [])


def test_versions_are_listed(live: Live) -> None:
    said = live.post("/setup", SETUP).json()["model_version"]
    answer = live.http.get("/versions", params={"project": PROJECT})
    assert answer.json() == {"versions": [said]}


def test_the_choice_gets_probabilities_and_the_projects_state(live: Live) -> None:
    answer = live.post("/score", {"project": 7, "texts": ["good", "bad"]}).json()
    assert answer["labels"] == ["yes", "no"]
    assert [sum(row) for row in answer["probabilities"]] == [pytest.approx(1.0)] * 2
    state = live.http.get("/projects/7").json()
    assert state["current"] == answer["model_version"]
    assert [one["kind"] for one in state["versions"]] == ["prompted"]


def test_a_refusal_is_one_sentence_and_never_a_trace(live: Live) -> None:
    refused(live.post("/predict", [1]), 400, "JSON object")
    refused(live.post("/predict", {"tasks": 7, "project": 7}), 422, "'tasks'")
    refused(live.post("/setup", {"project": "x"}), 422, "'project'")
    refused(live.post("/webhook", {}), 422, "'action'")
    refused(live.post("/train", {}), 404, "")
    refused(live.http.get("/nothing"), 404, "")
    live.studio.gone = {9}
    refused(live.post("/setup", {**SETUP, "project": 9}), 404, "not have project 9")
    live.studio.down_after = 0
    refused(live.post("/setup", {**SETUP, "project": 8}), 503, "does not answer")


def test_without_the_secret_nothing_but_health_is_answered(live: Live) -> None:
    url = str(live.http.base_url)
    for path in ("/setup", "/predict", "/webhook", "/score", "/projects/7/check"):
        refused(httpx.post(f"{url}{path}", json={**SETUP, **predict()}), 401, "secret")
    for path in ("/versions", "/projects/7"):
        refused(httpx.get(f"{url}{path}"), 401, "secret")
    assert (live.studio.calls, live.scorer.asked) == ([], [])
    basic = base64.b64encode(f"crux:{SECRET}".encode()).decode()
    answer = httpx.post(f"{url}/setup", json=SETUP, headers={"Authorization": f"Basic {basic}"})
    assert answer.status_code == 200


def test_no_token_and_no_text_gets_into_the_log(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    live.post("/setup", SETUP)
    live.post("/predict", predict(task(1, "a text that is nobody's business")))
    said = "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)
    for planted in (TOKEN, SECRET, "nobody's business"):
        assert planted not in said


def test_a_subclass_answers_in_the_place_of_our_class(live: Live) -> None:
    class Contrary(CruxModel):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return [{**one, "score": 0.0} for one in super().predict(tasks, context, **kwargs)]

        def fit(self, event: str, data: Any, **kwargs: Any) -> Any:
            return super().fit("TASKS_CREATED", data, **kwargs)

    client = create_app(process=live.process, model_class=Contrary).test_client()
    client.environ_base["HTTP_X_CRUX_SECRET"] = SECRET
    assert client.get("/health").json == {"status": "UP", "model_class": "Contrary"}
    (one,) = client.post("/predict", json=predict(task(1, "good"))).json["results"]
    assert (one["score"], len(one["result"])) == (0.0, 1)
    event = {"action": "START_TRAINING", "project": {"id": 7, "label_config": CONFIG}}
    assert client.post("/webhook", json=event).json == {"queued": False}
    assert live.process.jobs.waiting() == 0


# label-studio-ml's own app with our class, for people who bring their own server


@pytest.fixture
def theirs(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """Their app, with the state of `live` as the one of the process."""
    monkeypatch.setattr(ml_base, "shared_process", lambda: live.process)
    more = {} if PER_REQUEST else {"model_dir": str(tmp_path / "jobs")}
    client: FlaskClient = init_app(model_class=CruxModel, **more).test_client()
    return client


def test_their_health_says_up(theirs: FlaskClient) -> None:
    answer = theirs.get("/health")
    assert (answer.status_code, answer.json["status"]) == (200, "UP")
    assert answer.json.get("model_class") == ("CruxModel" if PER_REQUEST else None)


def test_their_predictions_are_those_of_our_app(theirs: FlaskClient, live: Live) -> None:
    tasks = [task(1, "good"), task(2, ""), task(3, "x", meta={"crux": {"blind": True}})]
    answer = theirs.post("/setup", json=SETUP)
    assert answer.status_code == 200, answer.text
    if PER_REQUEST:  # 1.0.9 names versions of its own
        assert answer.json == live.post("/setup", SETUP).json()
    answer = theirs.post("/predict", json=predict(*tasks))
    assert answer.status_code == 200, answer.text
    assert answer.json["results"] == live.post("/predict", predict(*tasks)).json()["results"]
    assert [bool(one) for one in answer.json["results"]] == [True, False, False]


def test_their_setup_follows_a_change_of_the_version(theirs: FlaskClient, live: Live) -> None:
    first = theirs.post("/setup", json=SETUP).json
    live.studio.policy = "Is the text nice?"
    live.process.project_changed(7)
    until(lambda: live.process.current_version(7) != first["model_version"])
    said = theirs.post("/setup", json=SETUP).json["model_version"]
    assert said == (live.process.current_version(7) if PER_REQUEST else first["model_version"])


def test_their_webhook_makes_the_worker_look(
    theirs: FlaskClient, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 1.0.9 calls fit in a new process, which knows the environment alone
    for name, value in (("HOME", str(live.home)), ("STUDIO_TOKEN", TOKEN), ("LLM", "tiny")):
        monkeypatch.setenv(f"CRUX_{name}", value)
    data = {"project": {"id": 7, "title": "x", "label_config": CONFIG}}
    answer = theirs.post("/webhook", json={"action": "START_TRAINING", **data})
    assert answer.status_code == 201, answer.text
    if PER_REQUEST:
        assert answer.json == {"status": "ok", "result": {"queued": True}}
    until(lambda: live.process.jobs.flags.has(7, "train"))
