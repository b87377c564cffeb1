from collections.abc import Iterator

import pytest

from demo.processes import free_port
from selection.errors import BackendError
from selection.http import get
from tests.selection.secret_server import Door, opened


@pytest.fixture
def door() -> Iterator[Door]:
    with opened() as door:
        yield door


def test_a_stranger_and_a_friend_get_different_answers(door: Door) -> None:
    assert get(f"{door.url}/versions").status == 401
    assert get(f"{door.url}/versions", "a-secret").status == 200
    assert get(f"{door.url}/versions", "another").status == 401
    assert get(f"{door.url}/health").status == 200


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -90.0])
def test_the_clock_of_a_server_is_compared_with_ours(door: Door, ahead: float) -> None:
    door.ahead = ahead
    said = get(door.url).ahead
    assert said is not None
    assert abs(said - ahead) < 30


def test_a_server_that_tells_no_time_is_not_blamed(door: Door) -> None:
    door.ahead = None
    assert get(door.url).ahead is None


@pytest.mark.parametrize("url", [f"http://127.0.0.1:{free_port()}", "http://[", "ftp://x", "x"])
def test_where_nobody_answers_the_address_is_named(url: str) -> None:
    with pytest.raises(BackendError, match="does not answer") as caught:
        get(url, "a-secret")
    assert url in str(caught.value)
    assert "a-secret" not in str(caught.value)
