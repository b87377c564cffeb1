"""Two backend machines with several gunicorn workers each, before one real Redis."""

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from backend.config import BackendSettings
from backend.versions.manifest import Manifest
from backend.versions.registry import make_registry
from selection.http import SECRET_HEADER
from tests.backend.queue.redis_server import RedisServer, redis_server
from tests.backend.web.application import SECRET
from tests.backend.web.gunicorn_server import Served, started
from tests.fakes import fake_train

WORKERS = 2
SECONDS = 60.0  # by which all must have heard; a second or two unless the machine is busy
FIRST, SECOND = "round0-1", "round1-1"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path)


@pytest.fixture
def machines(redis: RedisServer, tmp_path: Path) -> Iterator[tuple[Served, Served]]:
    """With two versions, both made on the first machine."""
    homes = [tmp_path / name for name in ("a", "b")]
    registry = make_registry(BackendSettings(home=homes[0], queue_url=redis.url))  # type: ignore[arg-type]
    for version in (FIRST, SECOND):
        registry.build(7, version, partial(fill, version))
    for home in homes:
        home.mkdir(exist_ok=True)
    with (
        started(homes[0], workers=WORKERS, QUEUE_URL=redis.url) as a,
        started(homes[1], workers=WORKERS, QUEUE_URL=redis.url) as b,
    ):
        yield a, b


def fill(version: str, out: Path) -> Manifest:
    known = np.array([0, 1])
    fake_train("", "", ("yes", "no"), ["green", "red"], known, None, None, out)
    return Manifest(version, "trained", 0, "tiny", "policy", ("yes", "no"))


def answering(served: Served) -> Counter[str]:
    """The versions that answer twenty callers, each on a connection of its own."""
    found: Counter[str] = Counter()
    for _ in range(20):
        body = {"project": 7, "texts": ["green"]}
        answer = httpx.post(f"{served.url}/score", json=body, headers={SECRET_HEADER: SECRET})
        assert answer.is_success, answer.text
        found[answer.json()["model_version"]] += 1
    return found


def converged(machines: tuple[Served, Served], version: str) -> None:
    """All answer by this version, in so many seconds."""
    began = time.monotonic()
    while {name for machine in machines for name in answering(machine)} != {version}:
        assert time.monotonic() - began < SECONDS


def promote(served: Served, version: str) -> None:
    served.http.post("/projects/7/current", json={"version": version}).raise_for_status()


def test_every_worker_of_every_machine_answers_by_the_promoted_version_within_seconds(
    machines: tuple[Served, Served],
) -> None:
    a, b = machines
    assert [len(machine.workers()) for machine in machines] == [WORKERS, WORKERS]
    # b is given both by Redis, and goes back by itself
    for where, version in ((a, FIRST), (a, SECOND), (b, FIRST)):
        promote(where, version)
        converged(machines, version)
    for machine in machines:
        assert "Traceback" not in machine.log.read_text()


def test_without_redis_every_worker_serves_on_and_a_promotion_is_refused(
    machines: tuple[Served, Served], redis: RedisServer
) -> None:
    a, b = machines
    for version in (SECOND, FIRST):
        promote(a, version)
        converged(machines, version)
    redis.stop()
    refused = b.http.post("/projects/7/current", json={"version": SECOND})
    assert refused.status_code == 503
    assert answering(a) == answering(b) == {FIRST: 20}
    redis.start()
    began = time.monotonic()
    while b.http.post("/projects/7/current", json={"version": FIRST}).status_code != 200:
        assert time.monotonic() - began < SECONDS + 30
        time.sleep(0.2)
