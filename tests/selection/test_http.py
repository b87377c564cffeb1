import time
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import pytest

from demo.processes import free_port
from selection.errors import BackendError
from selection.http import LONGEST, get, retry_after, same_address
from tests.selection.secret_server import SecretServer, started


@pytest.fixture
def server() -> Iterator[SecretServer]:
    with started() as server:
        yield server


def test_callers_with_and_without_the_secret_get_different_answers(server: SecretServer) -> None:
    assert get(f"{server.url}/versions").status == 401
    assert get(f"{server.url}/versions", "a-secret").status == 200
    assert get(f"{server.url}/versions", "another").status == 401
    assert get(f"{server.url}/health").status == 200


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -90.0])
def test_the_clock_of_a_server_is_compared_with_ours(server: SecretServer, ahead: float) -> None:
    server.ahead = ahead
    measured = get(server.url).ahead
    assert measured is not None
    assert abs(measured - ahead) < 30


def test_a_server_that_sends_no_date_has_no_clock_to_compare(server: SecretServer) -> None:
    server.ahead = None
    assert get(server.url).ahead is None


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}", "http://[", "ftp://x", "x"])
def test_where_nobody_answers_the_address_is_named(url: str) -> None:
    with pytest.raises(BackendError, match="does not answer") as caught:
        get(url, "a-secret")
    assert url in str(caught.value)
    assert "a-secret" not in str(caught.value)


# Retry-After


def reply(named: str | None) -> httpx.Response:
    return httpx.Response(503, headers={} if named is None else {b"Retry-After": named.encode()})


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
    without_zone = named.removesuffix(" GMT")  # which is UTC as well
    assert retry_after(reply(without_zone)) == pytest.approx(seconds, abs=2.0)


@pytest.mark.parametrize(
    "named",
    [
        None, "", "soon", "-5", "1.5", "²", "Wed, 99 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    ],
)  # fmt: skip
def test_what_is_neither_names_no_time(named: str | None) -> None:
    assert retry_after(reply(named)) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a:9090", "http://a:9090/", True),
        ("http://a:9090/webhook", "http://A:9090/webhook/", True),
        ("http://localhost:9090", "http://127.0.0.1:9090", True),
        ("http://[::1]:9090/x", "http://localhost:9090/x", True),
        ("http://a", "http://a:80/", True),
        ("http://a:9090", "https://a:9090", False),
        ("http://a:9090", "http://a:9091", False),
        ("http://a:9090", "http://b:9090", False),
        ("http://a:9090/x", "http://a:9090/y", False),
        ("http://a:9090/x", "http://a:9090/X", False),
        ("http://a/x?p=1", "http://a/x?p=2", False),
        ("http://a:none", "http://a:none", True),
        ("http://a:none", "http://a", False),
    ],
)
def test_an_address_is_the_same_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert same_address(one, other) is same
    assert same_address(other, one) is same
