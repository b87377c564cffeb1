import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any

import httpx
import numpy as np
import pytest

from selection.backend_client import LATEST, PAUSES, SOONEST, BackendClient
from selection.errors import BackendError
from selection.http import SECRET_HEADER
from selection.pool_sample import PoolSample
from selection.record import ProjectState

URL = "http://127.0.0.1:9"
UP = httpx.Response(200, json={"status": "UP"})


class Wire:
    """Answers requests one after another: a reply is returned, an error is raised."""

    def __init__(self, replies: Sequence[httpx.Response | Exception]) -> None:
        self.replies = list(replies)
        self.sent: list[tuple[str, str, Any]] = []
        self.naps: list[float] = []

    def request(self, client: httpx.Client, method: str, path: str, json: Any) -> httpx.Response:
        self.sent.append((method, path, json))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire([])
    monkeypatch.setattr(httpx.Client, "request", lambda *a, **given: wire.request(*a, **given))
    monkeypatch.setattr("tenacity.nap.time.sleep", wire.naps.append)
    return wire


def full(named: str | None = "5") -> httpx.Response:
    headers = {} if named is None else {"Retry-After": named}
    return httpx.Response(503, headers=headers, json={"error": "no room"})


def test_scores_are_a_row_for_each_text_and_a_column_for_each_label(wire: Wire) -> None:
    body = {"model_version": "v1", "labels": ["yes", "no"],
            "probabilities": [[0.25, 0.75], [1.0, 0.0]]}  # fmt: skip
    wire.replies = [httpx.Response(200, json=body)]
    scores = BackendClient(URL).score(7, ["a", "b"])
    assert (scores.version, scores.labels) == ("v1", ("yes", "no"))
    assert scores.probability.tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert scores.probability.dtype == np.float64
    assert wire.sent == [
        ("POST", "/score", {"project": 7, "texts": ["a", "b"], "version": None})
    ]


def test_a_project_is_told_by_its_type(wire: Wire) -> None:
    state = ProjectState(7, "v1")
    wire.replies = [httpx.Response(200, json=state.as_json())]
    assert BackendClient(URL).project(7) == state


def test_the_names_of_versions_are_asked_for_alone(wire: Wire) -> None:
    wire.replies = [httpx.Response(200, json={"versions": ["prompted-a", "round0-b"]})]
    assert BackendClient(URL).version_names(7) == ("prompted-a", "round0-b")
    assert wire.sent == [("GET", "/versions?project=7", None)]


def test_a_promotion_tells_the_version_in_force(wire: Wire) -> None:
    wire.replies = [httpx.Response(200, json={"current": "v2"})]
    assert BackendClient(URL).promote(7, "v2") == "v2"
    assert wire.sent == [("POST", "/projects/7/current", {"version": "v2"})]


def test_a_sample_travels_with_its_weights(wire: Wire) -> None:
    wire.replies = [httpx.Response(200, json={"kept": 2})]
    BackendClient(URL).sample(7, PoolSample(("a", "b"), (1.5, 240.0)))
    body = {"texts": ["a", "b"], "weight": [1.5, 240.0]}
    assert wire.sent == [("POST", "/projects/7/sample", body)]


def test_the_last_version_is_asked_for_by_a_check(wire: Wire) -> None:
    wire.replies = [httpx.Response(202, json={"queued": True})]
    BackendClient(URL).last(7)
    assert wire.sent == [("POST", "/projects/7/check", {"last": True})]


def test_the_secret_travels_in_its_header() -> None:
    assert BackendClient(URL, "a-secret")._http.headers[SECRET_HEADER] == "a-secret"
    assert SECRET_HEADER not in BackendClient(URL)._http.headers


# answers that cannot be used


@pytest.mark.parametrize("answer", [{}, {"labels": ["a"], "probabilities": "x"}])
def test_something_else_than_probabilities_is_said(wire: Wire, answer: object) -> None:
    wire.replies = [httpx.Response(200, json=answer)]
    with pytest.raises(BackendError, match="answered /score with something else than prob"):
        BackendClient(URL).score(7, ["a"])


def test_a_project_in_another_form_is_said_with_what_it_lacks(wire: Wire) -> None:
    wire.replies = [httpx.Response(200, json={"project": 7})]
    with pytest.raises(BackendError, match=r"in a form that is not known here \('current'\)"):
        BackendClient(URL).project(7)


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"\xff"])
def test_an_answer_that_is_no_json_object_asks_for_the_address(wire: Wire, content: bytes) -> None:
    wire.replies = [httpx.Response(200, content=content)]
    with pytest.raises(BackendError, match="/health answered 200 without JSON"):
        BackendClient(URL).health()


def test_a_refusal_is_passed_on_in_the_backends_words(wire: Wire) -> None:
    wire.replies = [httpx.Response(404, json={"error": "no version 'x'"})]
    with pytest.raises(BackendError, match="refused /projects/7/current: no version 'x'"):
        BackendClient(URL).promote(7, "x")


# a backend that restarts


def test_a_lost_connection_is_tried_again_after_growing_pauses(wire: Wire) -> None:
    wire.replies = [httpx.ConnectError("refused"), httpx.ReadError("reset"), UP]
    BackendClient(URL).health()
    assert wire.naps == [0.5, 2.0]


def test_a_backend_that_stays_away_is_named_after_four_attempts(wire: Wire) -> None:
    wire.replies = [httpx.ConnectError("refused")] * 4
    with pytest.raises(BackendError, match=rf"at {URL} does not answer \(refused\). Start it"):
        BackendClient(URL).health()
    assert (wire.replies, wire.naps) == ([], list(PAUSES))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ReadTimeout("slow"), "did not answer /health in time"),
        (httpx.ConnectTimeout("slow"), "did not answer /health in time"),
        (httpx.UnsupportedProtocol("no scheme"), "is no address of a backend"),
        (httpx.InvalidURL("bad port"), "is no address of a backend"),
    ],
)
def test_what_another_attempt_cannot_help_is_said_at_once(
    wire: Wire, error: Exception, says: str
) -> None:
    wire.replies = [error]
    with pytest.raises(BackendError, match=says):
        BackendClient(URL).health()
    assert wire.naps == []


# a backend without room


@pytest.mark.parametrize(("ahead", "slept"), [(7, 7.0), (-3600, SOONEST), (3600, LATEST)])
def test_a_backend_without_room_is_asked_again_at_the_moment_that_it_names(
    wire: Wire, ahead: float, slept: float
) -> None:
    wire.replies = [full(formatdate(time.time() + ahead, usegmt=True)), UP]
    BackendClient(URL).health()
    assert wire.naps == pytest.approx([slept], abs=2.0)


def test_a_refusal_that_names_no_time_is_told_at_once(wire: Wire) -> None:
    wire.replies = [full(None)]
    with pytest.raises(BackendError, match="no room"):
        BackendClient(URL).health()
    assert wire.naps == []


def test_a_backend_without_room_for_ten_minutes_is_told_in_its_own_words(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]

    def nap(seconds: float) -> None:
        wire.naps.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr("tenacity.nap.time.sleep", nap)
    monkeypatch.setattr("tenacity.time.monotonic", lambda: clock[0])
    wire.replies = [full("60")] * 99
    with pytest.raises(BackendError, match="The backend refused /health: no room"):
        BackendClient(URL).health()
    assert sum(wire.naps) == 600.0
