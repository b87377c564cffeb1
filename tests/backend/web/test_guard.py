import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.versions.registry import Registry
from backend.web import schemas as messages
from backend.web.guard import KEPT_FREE, Admission
from backend.web.refusals import Refused
from selection.errors import VersionError
from selection.http import SECRET_HEADER
from tests.backend.web.application import CONFIG, SECRET, Backend, break_queue, refused

POSTS = [
    "/setup", "/predict", "/webhook", "/score", "/projects/7/check", "/projects/7/current",
    "/projects/7/sample",
]  # fmt: skip
GETS = ["/versions", "/projects/7", "/metrics", "/openapi.json"]


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


# the secret


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {SECRET_HEADER: "wrong"},
        {SECRET_HEADER: SECRET + "x"},
        {SECRET_HEADER: SECRET[:-1]},
        {SECRET_HEADER: "é"},
        {"Authorization": "Bearer " + SECRET},
        {"Authorization": "Basic !!!"},
        {"Authorization": basic(SECRET, "")},
        {"Authorization": basic("crux", "wrong"), SECRET_HEADER: "wrong"},
    ],
)
def test_without_the_secret_every_route_but_health_is_closed(
    backend: Backend, headers: dict[str, str]
) -> None:
    for path in [*POSTS, "/train", "/nothing"]:
        answer = backend.client.post(path, json={"project": 7, "texts": ["x"]}, headers=headers)
        refused(answer, 401, "The secret is missing or wrong")
    for path in [*GETS, "/is_training", "/nothing"]:
        refused(backend.client.get(path, headers=headers), 401, "The secret is missing or wrong")
    assert backend.client.get("/health", headers=headers).status_code == 200
    assert (backend.studio.calls, backend.queued) == ([], 0)


@pytest.mark.parametrize(
    "headers",
    [
        {SECRET_HEADER: SECRET},
        {"Authorization": basic("crux", SECRET)},
        {"Authorization": basic("", SECRET)},
        {"Authorization": basic("crux", "another"), SECRET_HEADER: SECRET},
    ],
)
def test_the_secret_may_come_in_our_header_or_as_the_password_of_basic_auth(
    backend: Backend, headers: dict[str, str]
) -> None:
    for path in GETS:
        assert backend.client.get(path, headers=headers).status_code == 200


def test_a_secret_beyond_ascii_is_compared_by_its_bytes(tmp_path: Path) -> None:
    backend = Backend(tmp_path, secret="schlüssel-钥匙")
    for header, status in (("schlüssel-钥匙", 200), ("schlussel", 401)):
        environ = {"HTTP_X_CRUX_SECRET": header.encode().decode("latin-1")}
        assert backend.client.get("/versions", environ_overrides=environ).status_code == status
    answer = backend.client.get("/versions", headers={"Authorization": basic("", "schlüssel-钥匙")})
    assert answer.status_code == 200


def test_without_a_secret_everybody_is_let_in_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backend = Backend(tmp_path, secret="")
    assert backend.client.get("/versions").status_code == 200
    assert "everybody who reaches the port is let in" in caplog.text


# bodies


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"7", b'"x"', b"\xff\xfe", b"[" * 20_000, b'{"a":' * 20_000,
        b'{"project": NaN}', b'{"project": -Infinity}', b'{"project": "\xc3\x28"}',
        b'{"project": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_refused_on_every_route(
    backend: Backend, path: str, data: bytes
) -> None:
    headers = {SECRET_HEADER: SECRET}
    answer = backend.client.post(path, data=data, content_type="application/json", headers=headers)
    refused(answer, 400, "must be a JSON object")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_of_another_type_is_refused_on_every_route(
    backend: Backend, path: str, kind: str | None
) -> None:
    body = json.dumps({"project": 7, "action": "START_TRAINING", "texts": [], "tasks": []})
    headers = {SECRET_HEADER: SECRET}
    answer = backend.client.post(path, data=body, content_type=kind, headers=headers)
    refused(answer, 415, "Content-Type: application/json")
    assert backend.queued == 0


BAD: list[tuple[str, Any, str]] = [
    ("/setup", {}, "'project' is missing: it must be the number of a project."),
    ("/setup", {"project": None}, "'project' must be the number of a project, not null."),
    ("/setup", {"project": "x"}, "'project' must be the number of a project, not \"x\"."),
    ("/setup", {"project": True}, "not true."),
    ("/setup", {"project": "9" * 6000}, "not a text of 6002 characters."),
    ("/setup", {"project": 10**18}, "'project' must be the number of a project, not 1000"),
    ("/setup", {"project": -1}, "not -1."),
    ("/setup", {"project": {"id": [7]}}, "'project' must be the number of a project, not"),
    ("/setup", {"project": 7, "schema": 7}, "'schema' must be the project's label config, not 7."),
    ("/setup", {"project": 7, "schema": "\ud800"}, "'schema' must be the project's label config"),
    ("/predict", {"project": 7}, "'tasks' is missing: it must be a list of task objects."),
    ("/predict", {"tasks": {}, "project": 7}, "'tasks' must be a list of task objects, not an obj"),
    ("/predict", {"tasks": [{}, 1], "project": 7}, "tasks[1] is 1: 'tasks' must be a list of task"),
    ("/predict", {"tasks": []}, "'project' is missing"),
    ("/predict", {"tasks": [{"project": [7]}]}, "'project' must be the number of a project, not a"),
    ("/webhook", {}, "'action' is missing: it must be the name of the event."),
    ("/webhook", {"action": 7}, "'action' must be the name of the event, not 7."),
    ("/score", {"project": 7}, "'texts' is missing: it must be a list of strings."),
    ("/score", {"project": 7, "texts": "x"}, "'texts' must be a list of strings, not \"x\"."),
    ("/score", {"project": 7, "texts": ["x", None]}, "texts[1] is null: 'texts' must be a list of"),
    ("/score", {"project": 7, "texts": ["x"], "version": 7}, "'version' must be the name of a ver"),
    ("/projects/7/check", {"forced": 1}, "'forced' must be true or false"),
    ("/projects/7/sample", {"texts": [{}]}, "texts[0] is an object: 'texts' must be a list of str"),
    ("/projects/7/current", {}, "'version' is missing: it must be the name of a version."),
    ("/projects/7/current", {"version": ["x"]}, "'version' must be the name of a version, not a l"),
]


@pytest.mark.parametrize(("path", "body", "says"), BAD)
def test_a_bad_body_is_refused_with_a_sentence(
    backend: Backend, path: str, body: dict[str, Any], says: str
) -> None:
    answer = backend.post(path, body)
    refused(answer, 422, says)
    assert len(answer.text) < 300
    assert (backend.loaded, backend.queued) == (0, 0)


def test_a_bad_project_number_is_refused_in_a_query_too(backend: Backend) -> None:
    says = "'project' must be the number of a project; all of them without, not \"x\""
    refused(backend.get("/versions?project=x"), 422, says)


# limits


def test_more_texts_than_a_request_may_hold_are_413(backend: Backend) -> None:
    answer = backend.post("/score", {"project": 7, "texts": ["x"] * 1001})
    refused(answer, 413, "1001 texts are more than 1000: send several requests.")
    answer = backend.post("/projects/7/sample", {"project": 7, "texts": ["x"] * 10_001})
    refused(answer, 413, "10001 texts are more than 10000: send fewer.")


def test_a_sample_may_hold_more_texts_than_are_read_in_one_request(backend: Backend) -> None:
    answer = backend.post("/projects/7/sample", {"project": 7, "texts": ["x"] * 1_400})
    assert (answer.status_code, answer.json["kept"]) == (200, 1_400)


def test_a_text_of_a_million_characters_is_read_and_one_more_is_413(backend: Backend) -> None:
    most = "x" * messages.MOST_CHARACTERS
    answer = backend.post("/score", {"project": 7, "texts": [most, "\ud800"]})
    assert (answer.status_code, len(answer.json["probabilities"])) == (200, 2)
    says = "texts[1] has 1000001 characters, more than 1000000: cut it."
    refused(backend.post("/score", {"project": 7, "texts": ["", most + "x"]}), 413, says)


def test_a_task_with_too_long_a_text_does_not_fail_the_others(backend: Backend) -> None:
    texts = ["red", "x" * (messages.MOST_CHARACTERS + 1), "green"]
    tasks = [{"id": i, "data": {"text": text}} for i, text in enumerate(texts)]
    results = backend.post("/predict", {"project": 7, "tasks": tasks}).json["results"]
    assert [bool(result) for result in results] == [True, False, True]


def test_more_tasks_than_are_taken_at_once_are_413(tmp_path: Path) -> None:
    backend = Backend(tmp_path, most_tasks=3)
    tasks = [{"id": i, "data": {"text": "red"}} for i in range(4)]
    body = {"project": 7, "tasks": tasks}
    refused(backend.post("/predict", body), 413, "4 tasks are more than 3")
    assert backend.loaded == 0
    assert len(backend.post("/predict", {**body, "tasks": tasks[:3]}).json["results"]) == 3


class Unread:
    """A body that fails the test if somebody reads it."""

    def read(self, *_: int) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


@pytest.mark.parametrize("path", [*POSTS, "/nothing"])
def test_a_body_that_says_it_is_too_large_is_413_before_it_is_read(
    tmp_path: Path, path: str
) -> None:
    backend = Backend(tmp_path, most_bytes=2_000)
    answer = backend.client.post(
        path, headers={SECRET_HEADER: SECRET}, content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "2001", "wsgi.input": Unread()},
    )  # fmt: skip
    refused(answer, 413, "of 2001 bytes is more than the 2000 bytes that are taken")


# how many at once


def test_requests_that_wait_for_the_model_leave_threads_to_the_control_routes(
    tmp_path: Path,
) -> None:
    backend = Backend(tmp_path, http_threads=KEPT_FREE + 4)
    reads, let_go = threading.Semaphore(0), threading.Event()
    score = backend.scorer.score

    def slow(*args: Any, **more: Any) -> Any:
        reads.release()
        assert let_go.wait(120)
        return score(*args, **more)

    backend.scorer.score = slow  # type: ignore[method-assign]
    answers: list[int] = []

    def ask(path: str, body: Any) -> None:
        client = backend.app.test_client()
        answer = client.post(path, json=body, headers={SECRET_HEADER: SECRET})
        answers.append(answer.status_code)

    predict = {"project": 7, "tasks": [{"id": 1, "data": {"text": "red"}}]}
    asked = [("/score", {"project": 7, "texts": ["x"]}), ("/predict", predict)] * 2
    waiting = [threading.Thread(target=ask, args=one) for one in asked]
    for thread in waiting:
        thread.start()
    for _ in waiting:
        assert reads.acquire(timeout=120)
    for path, body in asked[:2]:
        answer = backend.post(path, body)
        refused(answer, 503, "4 requests wait for the model, which is as many as are let in")
        assert answer.headers["Retry-After"] == "5"
    assert backend.client.get("/health").status_code == 200
    assert backend.post("/setup", {"project": 7, "schema": CONFIG}).status_code == 200
    assert backend.post("/webhook", {"action": "X", "project": 7}).status_code == 201
    assert "crux_requests_waiting 4.0" in backend.get("/metrics").text
    let_go.set()
    for thread in waiting:
        thread.join(120)
    assert answers == [200] * 4
    assert backend.post(*asked[0]).status_code == 200


def test_a_place_is_given_back_whatever_becomes_of_the_request(tmp_path: Path) -> None:
    backend = Backend(tmp_path, http_threads=KEPT_FREE + 4)
    backend.studio.gone = {9}
    for _ in range(10):
        refused(backend.post("/score", {"project": 9, "texts": ["x"]}), 404, "not have project 9")
        refused(backend.post("/score", {}), 422, "is missing")
        refused(backend.post("/predict", []), 400, "must be a JSON object")
    assert backend.process.admission.waiting == 0


def test_a_request_that_is_not_let_in_takes_no_place() -> None:
    door = Admission(1)
    door.enter()
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            door.enter()
        assert (caught.value.status, caught.value.retry_after) == (503, 5)
    door.leave()
    door.enter()
    assert door.waiting == 1


# other refusals


@pytest.mark.parametrize("path", ["/nothing", "/projects/x", "/projects/-1", f"/projects/{10**30}"])
def test_an_unknown_address_is_404_in_json(backend: Backend, path: str) -> None:
    refused(backend.get(path), 404, "not found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/versions", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/projects/7", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/score", {"POST", "OPTIONS"}),
        ("PUT", "/webhook", {"POST", "OPTIONS"}),
    ],
)
def test_another_method_is_405_and_names_the_right_one(
    backend: Backend, method: str, path: str, allowed: set[str]
) -> None:
    answer = backend.client.open(path, method=method, json={}, headers={SECRET_HEADER: SECRET})
    refused(answer, 405, "method is not allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(("method", "path"), [("POST", "/train"), ("GET", "/is_training")])
def test_routes_that_label_studio_ml_brings_along_answer_without_traces(
    backend: Backend, method: str, path: str
) -> None:
    answer = backend.client.open(
        path, method=method, json={"project": 7}, headers={SECRET_HEADER: SECRET}
    )
    refused(answer, 404, f"Crux has no {path}")


def test_an_unexpected_error_is_500_without_a_trace_and_with_the_id_of_its_log_lines(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise ZeroDivisionError("the inner workings")

    backend.load = fail  # type: ignore[method-assign]
    backend.process.serving._make_scorer = fail
    headers = {SECRET_HEADER: SECRET, "X-Request-ID": "abc-1"}
    body = {"project": 7, "texts": ["x"]}
    answer = backend.client.post("/score", json=body, headers=headers)
    refused(answer, 500, "look there for the request id abc-1.")
    assert "inner workings" not in answer.text
    assert "ZeroDivisionError: the inner workings" in caplog.text
    assert backend.process.admission.waiting == 0


def test_errors_of_label_studio_are_sentences_too(backend: Backend) -> None:
    backend.studio.gone = {9}
    refused(backend.post("/score", {"project": 9, "texts": ["x"]}), 404, "not have project 9")
    backend.studio.down_after = 0
    refused(backend.post("/setup", {"project": 8}), 503, "does not answer")


def test_a_queue_that_cannot_be_written_is_503(backend: Backend) -> None:
    break_queue(backend)
    answer = backend.post("/webhook", {"action": "START_TRAINING", "project": 7})
    refused(answer, 503, "Cannot write the queue")


# names and folders


@given(project=st.integers(), version=st.text())
def test_no_name_of_a_version_leads_out_of_its_folder(project: int, version: str) -> None:
    registry = Registry(Path("/home/of/crux"))
    try:
        path = registry.path(project, version)
    except VersionError:
        return
    folder = Path("/home/of/crux/projects") / str(project) / "versions"
    assert path.parent == folder and path.resolve() == path
    assert path.name == version not in ("", ".", "..")


@given(st.from_regex(r"[a-z0-9./\\%-]{0,70}", fullmatch=True))
def test_a_name_of_a_version_made_of_risky_letters_stays_in_its_folder(version: str) -> None:
    test_no_name_of_a_version_leads_out_of_its_folder.hypothesis.inner_test(7, version)
