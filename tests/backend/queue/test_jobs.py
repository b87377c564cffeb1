import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.config import BackendSettings
from backend.queue.jobs import Jobs
from selection.errors import BackendError, SettingError
from tests.backend.queue.redis_server import PASSWORD, QUOTED, RedisServer, redis_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


def jobs(home: Path, url: str = "") -> Jobs:
    return Jobs(BackendSettings(home=home, queue_url=url))  # type: ignore[arg-type]


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match=r"Cannot write the queue .*file/home/queue"):
        jobs(tmp_path / "file" / "home")


@pytest.mark.parametrize("kind", ["folder", "Redis"])
def test_strangers_cannot_fill_the_queue_and_keep_no_known_project_out(
    tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("backend.queue.jobs.MOST_WAITING", 20)
    server.client.flushall()
    asked = jobs(tmp_path, server.url if kind == "Redis" else "")
    (tmp_path / "projects" / "7").mkdir(parents=True)
    for stranger in range(100, 120):
        asked.look(stranger)
    with pytest.raises(BackendError, match="20 projects wait for the worker already"):
        asked.look(120)
    asked.look(119)  # which waits already
    asked.look(7)
    assert asked.waiting() == 21


def test_a_worker_is_alive_while_it_has_the_lease(tmp_path: Path, server: RedisServer) -> None:
    server.client.flushall()
    for url in ("", server.url):
        asked = jobs(tmp_path, url)
        assert asked.alive() is False
        with jobs(tmp_path, url).lease:
            assert asked.alive() is True
        assert asked.alive() is False


def test_a_redis_that_is_away_is_said_in_a_sentence_without_its_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = jobs(tmp_path, RedisServer(tmp_path).url)
    with pytest.raises(BackendError, match="queue at redis 127.0.0.1:.* cannot be used") as told:
        asked.look(7)
    assert PASSWORD not in f"{told.value!r} {caplog.text}"
    assert QUOTED not in f"{told.value!r} {caplog.text}"


def test_a_wrong_password_is_said_and_not_shown(server: RedisServer, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="invalid username-password") as told:
        jobs(tmp_path, server.url.replace(QUOTED, "guessed")).look(7)
    assert "guessed" not in str(told.value)


@pytest.mark.parametrize("url", ["http://:secret@host", "redis://:sec/ret@host:6379/0", "nonsense"])
def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="CRUX_QUEUE_URL is not the address") as told:
        jobs(tmp_path, url)
    assert "sec" not in str(told.value)


def test_a_redis_that_answers_nothing_keeps_no_event_waiting(tmp_path: Path) -> None:
    for server in redis_server(tmp_path):
        asked = jobs(tmp_path, server.url)
        asked.look(7)
        server.freeze()
        with pytest.raises(BackendError, match="cannot be used: Timeout reading from socket"):
            asked.look(8)
