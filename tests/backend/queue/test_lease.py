from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.config import BackendSettings
from backend.queue.broker import open_broker
from backend.queue.lease import RedisLease
from backend.versions.registry import Registry
from selection.errors import BackendError
from tests.backend.queue.redis_server import RedisServer, redis_server
from tests.backend.versions.test_registry import BASE, put
from tests.records import record


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


def test_a_worker_that_was_replaced_changes_no_pointer(
    server: RedisServer, tmp_path: Path
) -> None:
    broker = open_broker(BackendSettings(queue_url=server.url).queue_url)  # type: ignore[arg-type]
    assert broker is not None
    lost: list[str] = []
    with RedisLease(broker, lambda: lost.append("a")) as lease:
        registry = Registry(tmp_path, confirm=lease.confirm)
        put(registry, BASE)
        registry.promote(7, BASE.version)
        server.client.delete("crux:worker")  # as if Redis had forgotten it: nobody else took it
        registry.save_record(7, record(0))
        server.client.set("crux:worker", "another")
        with pytest.raises(BackendError, match="Another worker has taken over"):
            registry.save_record(7, record(1))
        with pytest.raises(BackendError, match="Another worker has taken over"):
            registry.promote(7, BASE.version)
    assert [one.round for one in registry.records(7)] == [0]
    assert "a" in lost
    assert server.client.get("crux:worker") == b"another"
