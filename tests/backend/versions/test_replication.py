import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.config import BackendSettings
from backend.queue.jobs import Jobs
from backend.versions.manifest import ADAPTER, Manifest
from backend.versions.registry import Registry, make_registry
from selection.errors import BackendError, VersionError
from selection.pool_sample import PoolSample
from selection.record import TrainingState
from tests.backend.queue.redis_server import PASSWORD, RedisServer, redis_server
from tests.backend.versions.test_registry import BASE, TRAINED, full_disk, put
from tests.records import record

ROOT = Path(__file__).parents[3]
VERSION = "crux:project:7:version:round0-1"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    monkeypatch.setattr("backend.versions.replication.EVERY", 0.0)
    monkeypatch.setattr("backend.versions.replication.REST", 0.0)
    yield from redis_server(tmp_path)


@pytest.fixture
def machine(server: RedisServer, tmp_path: Path) -> Callable[[str], Registry]:
    """machine("a") is the registry of another process on the machine of that name."""

    def make(name: str) -> Registry:
        settings = BackendSettings(home=tmp_path / name, queue_url=server.url)  # type: ignore[arg-type]
        return make_registry(settings)

    return make


Machine = Callable[[str], Registry]


def test_a_promotion_on_one_machine_is_one_on_all(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    assert b.current(7) is None
    made = put(a, TRAINED)
    a.promote(7, "round0-1")
    assert b.current(7) == "round0-1"
    assert b.get(7, "round0-1") == made
    assert b.adapter(7, made) == b.path(7, "round0-1")
    put(b, BASE)
    b.promote(7, "prompted-1")
    assert (a.current(7), b.current(7)) == ("prompted-1", "prompted-1")
    a.promote(7, "round0-1")
    assert (a.current(7), b.current(7)) == ("round0-1", "round0-1")


def test_records_sample_and_the_workers_state_are_seen_everywhere(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    a.save_record(7, record(0, settled=False))
    a.save_record(7, record(10))
    b.save_sample(7, PoolSample(("ein Text", "é"), (1.5, 240.0)))
    a.set_training(7, TrainingState("training", "round1", 3, 90))
    assert b.records(7) == a.records(7) == [
        record(0, settled=False), record(10),
    ]  # fmt: skip
    assert a.sample(7) == PoolSample(("ein Text", "é"), (1.5, 240.0))
    assert b.training(7) == TrainingState("training", "round1", 3, 90)
    assert machine("c").projects() == [7]


def test_a_large_adapter_travels_in_pieces(
    machine: Machine, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.versions.transfer.PIECE", 1000)
    weights = os.urandom(12_345)
    put(machine("a"), TRAINED, weights)
    assert server.client.hlen(VERSION) == 15  # 13 of the adapter, the manifest, its age
    assert server.client.ttl(VERSION) == -1
    b = machine("b")
    assert b.has(7, "round0-1")
    assert (b.path(7, "round0-1") / ADAPTER).read_bytes() == weights
    assert b.get(7, "round0-1").digest == hashlib.sha256(weights).hexdigest()


def test_versions_of_all_machines_are_listed_by_age_without_fetching_them(
    machine: Machine,
) -> None:
    a, b = machine("a"), machine("b")
    for age, name in ((30, "round0-b"), (10, "round0-a"), (20, "round0-c")):
        built = a.folder(7) / "versions" / name
        put(Registry(a.root.parent), Manifest(**{**vars(TRAINED), "version": name}))
        os.utime(built, (1e9 - age, 1e9 - age))
        a.promote(7, name)
    assert [m.version for m in b.versions(7)] == ["round0-b", "round0-c", "round0-a"]
    assert not (b.folder(7) / "versions").exists()
    assert b.has(7, "round0-b")
    assert [m.version for m in b.versions(7)] == ["round0-b", "round0-c", "round0-a"]


def test_only_versions_that_were_current_or_that_a_record_names_stay_in_redis(
    machine: Machine, server: RedisServer
) -> None:
    a = machine("a")
    names = [f"round0-{letter}" for letter in "abcd"]
    for name in names:
        put(a, Manifest(**{**vars(TRAINED), "version": name}))
    assert server.client.scard("crux:project:7:versions") == 4
    a.promote(7, names[0])
    put(a, Manifest(**{**vars(TRAINED), "version": names[1]}))
    a.save_record(7, record(0, version=names[0], candidate=names[1]))
    a.promote(7, names[2])
    left = {key.decode().rpartition(":")[2] for key in server.client.scan_iter("*:version:*")}
    assert left == {names[0], names[2]}
    a.promote(7, names[1])  # this home still has it
    assert machine("b").current(7) == names[1]
    assert machine("b").has(7, names[0])


def test_a_version_that_arrives_damaged_is_not_used_and_the_old_one_goes_on(
    machine: Machine, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = machine("a"), machine("b")
    put(a, BASE)
    a.promote(7, "prompted-1")
    assert b.current(7) == "prompted-1"
    put(a, TRAINED)
    server.client.hset(VERSION, f"{ADAPTER}:0", b"weightz")
    a.promote(7, "round0-1")
    for _ in range(3):
        assert b.current(7) == "prompted-1"
    assert caplog.text.count("'round0-1' arrived damaged from another machine") == 1
    assert [p.name for p in (b.folder(7) / "versions").iterdir()] == ["prompted-1"]
    server.client.hset(VERSION, f"{ADAPTER}:0", b"weights")
    assert b.current(7) == "round0-1"


def test_what_arrived_damaged_keeps_nobody_from_promoting_another_version(
    machine: Machine, server: RedisServer
) -> None:
    a, b = machine("a"), machine("b")
    put(a, TRAINED)
    server.client.hset(VERSION, f"{ADAPTER}:0", b"weightz")
    a.promote(7, "round0-1")
    assert b.current(7) is None
    put(b, BASE)
    b.promote(7, "prompted-1")
    assert (a.current(7), b.current(7)) == ("prompted-1", "prompted-1")


def test_a_machine_that_was_just_started_answers_nobody_before_it_knows_the_pointer(
    machine: Machine,
) -> None:
    a, b = machine("a"), machine("b")
    put(a, TRAINED, os.urandom(20_000_000))
    a.promote(7, "round0-1")
    with ThreadPoolExecutor(8) as pool:
        assert {*pool.map(b.current, [7] * 8)} == {"round0-1"}


@pytest.mark.parametrize("name", ["../../outside", "/etc/crux", "..", "A"])
def test_a_hostile_redis_names_no_file_outside_the_folder(
    machine: Machine, server: RedisServer, tmp_path: Path, name: str
) -> None:
    b = machine("b")
    server.client.hset(f"crux:project:7:version:{name}", "manifest.json:0", b"{}")
    server.client.hset(
        "crux:project:7",
        mapping={
            "epoch": "x", "revision": 5, "file:../../outside": "{}", "file:versions/x.json": "{}",
            "file:current": json.dumps({"version": name}),
        },
    )  # fmt: skip
    assert b.current(7) is None
    files = [p.name for p in (tmp_path / "b").rglob("*") if p.is_file()]
    assert set(files) <= {".shared.lock"}
    assert not (tmp_path / "outside").exists()


def test_only_json_and_safetensors_are_taken_from_redis(
    machine: Machine, server: RedisServer
) -> None:
    put(machine("a"), TRAINED)
    for field in ("adapter_model.bin:0", "../x.json:0", ".hidden.json:0", "a/b.json:0"):
        server.client.hset(VERSION, field, b"{}")
    b = machine("b")
    assert b.has(7, "round0-1")
    assert sorted(p.name for p in b.path(7, "round0-1").iterdir()) == [ADAPTER, "manifest.json"]


def test_a_full_disk_leaves_the_old_version_in_force_until_there_is_room(
    machine: Machine,
) -> None:
    a, b = machine("a"), machine("b")
    put(a, BASE)
    a.promote(7, "prompted-1")
    assert b.current(7) == "prompted-1"
    put(a, TRAINED, b"weights" * 1000)
    a.promote(7, "round0-1")
    with full_disk(1000):
        assert b.current(7) == "prompted-1"
    assert b.current(7) == "round0-1"


# Redis comes and goes


def test_without_redis_every_machine_serves_what_it_has_and_changes_nothing(
    machine: Machine, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = machine("a"), machine("b")
    put(a, BASE)
    put(a, TRAINED)
    a.promote(7, "round0-1")
    a.save_record(7, record(0))
    assert b.current(7) == "round0-1"
    assert b.records(7) == [record(0)]
    server.stop()
    for _ in range(3):
        assert (a.current(7), b.current(7)) == ("round0-1", "round0-1")
        assert b.records(7) == [record(0)]
        assert b.training(7).state == "idle"
        assert b.projects() == [7]
    with pytest.raises(BackendError, match="queue at redis 127.0.0.1:.* cannot be used"):
        a.promote(7, "prompted-1")
    with pytest.raises(BackendError):
        a.save_record(7, record(1))
    assert a.current(7) == "round0-1"
    assert "This machine goes on with its own files" in caplog.text
    assert PASSWORD not in caplog.text


def test_a_redis_that_lost_its_memory_is_told_and_nobody_is_set_back(
    machine: Machine, server: RedisServer
) -> None:
    a, b = machine("a"), machine("b")
    put(a, BASE)
    a.promote(7, "prompted-1")
    assert b.current(7) == "prompted-1"
    put(a, TRAINED)
    a.promote(7, "round0-1")  # b has not looked since
    server.stop()
    server.start()
    assert b.current(7) == "prompted-1"  # tells what it knows
    assert a.current(7) == "round0-1"  # knows more, and tells
    assert b.current(7) == "round0-1"
    c = machine("c")
    assert c.current(7) == "round0-1"
    assert c.adapter(7, c.get(7, "round0-1")) is not None
    c.save_record(7, record(0))
    assert a.records(7) == b.records(7) == [record(0)]


def test_a_home_of_one_machine_becomes_what_the_others_have_too(
    machine: Machine, tmp_path: Path
) -> None:
    alone = Registry(tmp_path / "a")
    put(alone, TRAINED)
    alone.promote(7, "round0-1")
    alone.save_record(7, record(0, version="round0-1"))
    assert machine("a").current(7) == "round0-1"
    b = machine("b")
    assert b.current(7) == "round0-1"
    assert b.records(7) == alone.records(7)


def test_two_promotions_at_once_end_with_the_same_version_everywhere(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    put(a, BASE)
    put(b, TRAINED)
    for _ in range(10):
        a.promote(7, "prompted-1")
        b.promote(7, "round0-1")
        a.promote(7, "round0-1")
        b.promote(7, "prompted-1")
    assert a.current(7) == b.current(7) == machine("c").current(7) == "prompted-1"


def test_a_project_that_is_nowhere_leaves_no_folder(machine: Machine, server: RedisServer) -> None:
    b = machine("b")
    assert b.current(404) is None
    assert b.records(404) == []
    with pytest.raises(VersionError, match="Project 404 has no version"):
        b.get(404, "round0-1")
    assert not b.folder(404).exists()
    assert [*server.client.scan_iter()] == []


# worker processes


def eventually(true: Callable[[], bool], seconds: float = 300.0) -> bool:
    for _ in range(int(seconds * 10)):
        if true():
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def worker(
    server: RedisServer, tmp_path: Path
) -> Iterator[Callable[[str, float], subprocess.Popen[bytes]]]:
    """worker("a", 5) is a real worker on machine a, whose trainings take five seconds."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, seconds: float) -> subprocess.Popen[bytes]:
        (tmp_path / name).mkdir(exist_ok=True)
        command = [
            sys.executable, "-m", "tests.backend.worker_process",
            str(tmp_path / name), server.url, name, str(seconds),
        ]  # fmt: skip
        with (tmp_path / f"{name}.log").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_another_worker_takes_over_what_a_killed_one_was_training(
    worker: Callable[[str, float], subprocess.Popen[bytes]],
    machine: Machine,
    server: RedisServer,
    tmp_path: Path,
) -> None:
    def holds(name: str, what: str) -> bool:
        file = tmp_path / name
        return file.exists() and what in file.read_text()

    machine("web").set_training(7, TrainingState())
    a = worker("a", 600)
    assert eventually(lambda: holds("a.log", "worker is ready"))
    b = worker("b", 0)
    assert eventually(lambda: holds("b.log", "this one stands by"))
    web = Jobs(BackendSettings(home=tmp_path / "web", queue_url=server.url))  # type: ignore[arg-type]
    web.look(7, forced=True)
    assert eventually(lambda: holds("a/asked", "7 True"))
    assert not holds("b/asked", "7")
    a.send_signal(signal.SIGKILL)
    a.wait()
    assert eventually(lambda: machine("web").current(7) == "round0-1")
    assert holds("b/asked", "7 True")
    assert (machine("web").path(7, "round0-1") / ADAPTER).read_bytes() == b"b"
    assert b.poll() is None
    assert "Traceback" not in (tmp_path / "b.log").read_text()


def test_a_worker_waits_for_a_redis_that_was_started_anew_and_goes_on(
    worker: Callable[[str, float], subprocess.Popen[bytes]],
    machine: Machine,
    server: RedisServer,
    tmp_path: Path,
) -> None:
    def log() -> str:
        return (tmp_path / "a.log").read_text()

    server.stop()
    worker("a", 0)
    assert eventually(lambda: "The worker waits for it" in log())
    server.start()
    assert eventually(lambda: "worker is ready" in log())
    server.stop()
    assert eventually(lambda: log().count("The worker waits for it") == 2)
    server.start()
    web = Jobs(BackendSettings(home=tmp_path / "web", queue_url=server.url))  # type: ignore[arg-type]
    web.look(7, forced=True)
    assert eventually(lambda: machine("web").current(7) == "round0-1")
    assert log().count("The worker waits for it") == 2
    assert "Traceback" not in log()
    assert PASSWORD not in log()


def test_a_worker_that_was_replaced_starts_over_and_stands_by(
    worker: Callable[[str, float], subprocess.Popen[bytes]], server: RedisServer, tmp_path: Path
) -> None:
    def log() -> str:
        return (tmp_path / "a.log").read_text()

    a = worker("a", 0)
    assert eventually(lambda: "worker is ready" in log())
    server.client.set("crux:worker", "another")
    assert eventually(lambda: "another worker has taken over; this one starts anew" in log())
    assert eventually(lambda: "worker another is at work; this one stands by" in log())
    server.client.delete("crux:worker")
    assert eventually(lambda: log().count("worker is ready") == 2)
    assert a.poll() is None
