import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.config import BackendSettings
from backend.queue.broker import open_broker
from backend.queue.jobs import Jobs
from backend.queue.upgrade import take_over
from tests.backend.queue.redis_server import RedisServer, redis_server

# what a Crux with Huey kept for one event of project 7 and for Start Training on 8 and 9
MARKS = ("pending-7", "pending-8", "forced-8", "forced-9", "forced-x", "other")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


def test_the_presses_and_events_of_an_older_queue_file_are_taken_over_once(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "queue.db")) as database, database:
        database.execute("pragma journal_mode=wal")
        database.execute(
            "create table kv (queue text not null, key text not null, value blob not null, "
            "primary key(queue, key))"
        )
        database.executemany("insert into kv values ('crux', ?, x'31')", [(m,) for m in MARKS])
    flags = Jobs(BackendSettings(home=tmp_path)).flags
    for _ in range(2):
        take_over(flags, tmp_path, None)
        assert flags.raised() == {"look": {7, 8}, "train": {8, 9}, "training": set(), "last": set()}
    assert list(tmp_path.glob("queue.db*")) == []


def test_a_damaged_queue_file_is_removed_and_holds_nothing_up(tmp_path: Path) -> None:
    (tmp_path / "queue.db").write_bytes(b"no database" * 1000)
    flags = Jobs(BackendSettings(home=tmp_path)).flags
    take_over(flags, tmp_path, None)
    assert flags.raised() == {"look": set(), "train": set(), "training": set(), "last": set()}
    assert not (tmp_path / "queue.db").exists()


def test_an_older_queue_in_redis_is_taken_over_once(server: RedisServer, tmp_path: Path) -> None:
    server.client.hset("huey.results.crux", mapping=dict.fromkeys(MARKS, "1"))
    server.client.lpush("huey.redis.crux", '{"id": "a", "task": "look", "project": 7}')
    settings = BackendSettings(home=tmp_path, queue_url=server.url)  # type: ignore[arg-type]
    flags, broker = Jobs(settings).flags, open_broker(settings.queue_url)
    for _ in range(2):
        take_over(flags, tmp_path, broker)
        assert flags.raised() == {"look": {7, 8}, "train": {8, 9}, "training": set(), "last": set()}
    assert server.client.keys("huey*") == []
