import time
from email.utils import formatdate

import httpx
import pytest

from selection import backend_client as client
from selection.backend_client import Backend
from selection.errors import BackendError
from selection.http import LONGEST, retry_after


def reply(named: str | None, status: int = 503) -> httpx.Response:
    headers = {} if named is None else {"Retry-After": named}
    return httpx.Response(status, headers=headers, json={"error": "no room"})


@pytest.mark.parametrize(
    ("named", "seconds"),
    [("5", 5.0), (" 5 ", 5.0), ("0", 0.0), ("9" * 5_000, LONGEST), ("86401", LONGEST)],
)
def test_seconds_are_bounded_by_a_day(named: str, seconds: float) -> None:
    assert retry_after(reply(named)) == seconds


@pytest.mark.parametrize(
    ("ahead", "seconds"), [(60, 60.0), (-60, 0.0), (10 * LONGEST, LONGEST)]
)
def test_a_date_is_so_many_seconds_from_now(ahead: float, seconds: float) -> None:
    named = formatdate(time.time() + ahead, usegmt=True)
    assert retry_after(reply(named)) == pytest.approx(seconds, abs=2.0)
    unsaid = named.removesuffix(" GMT")  # which is UTC as well
    assert retry_after(reply(unsaid)) == pytest.approx(seconds, abs=2.0)


@pytest.mark.parametrize(
    "named",
    [
        None, "", "soon", "-5", "1.5", "²", "Wed, 99 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    ],
)  # fmt: skip
def test_what_is_neither_names_no_time(named: str | None) -> None:
    sent = None if named is None else named.encode()
    made = httpx.Response(503, headers={} if sent is None else {b"Retry-After": sent})
    assert retry_after(made) is None


@pytest.mark.parametrize(
    ("ahead", "slept"), [(7, 7.0), (-3600, client.SOONEST), (3600, client.LATEST)]
)
def test_a_backend_without_room_is_asked_again_at_the_moment_that_it_names(
    monkeypatch: pytest.MonkeyPatch, ahead: float, slept: float
) -> None:
    naps: list[float] = []
    named = formatdate(time.time() + ahead, usegmt=True)
    replies = [reply(named), httpx.Response(200, json={"status": "UP"})]
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: replies.pop(0))
    monkeypatch.setattr("selection.backend_client.time.sleep", naps.append)
    assert Backend("http://127.0.0.1:9").health() == {"status": "UP"}
    assert naps == pytest.approx([slept], abs=2.0)


def test_a_refusal_that_names_no_time_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: reply(None))
    with pytest.raises(BackendError, match="no room"):
        Backend("http://127.0.0.1:9").health()
