import json
import logging
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.config import Settings
from backend.queue.broker import close_brokers, open_broker
from backend.queue.lease import RedisLease
from backend.versions.registry import Registry
from backend.worker import Jobs
from selection.errors import (
    BackendError,
    CruxError,
    ModelError,
    ProjectError,
    RoundError,
    SettingError,
    StorageError,
    StudioDown,
    StudioError,
    StudioLacks,
    StudioRefused,
    VersionError,
)
from selection.record import TrainingState
from tests.backend.queue.redis_server import PASSWORD, QUOTED, RedisServer, redis_server
from tests.backend.versions.test_registry import BASE, full_disk, put


class Looks:
    """A composer that notes what it was asked, and fails as it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []
        self.fails: dict[int, BaseException] = {}
        self.meanwhile: Any = None

    def run(self, project: int, forced: bool = False) -> None:
        self.asked.append((project, forced))
        if self.meanwhile:
            self.meanwhile()
        if project in self.fails:
            raise self.fails[project]


class Worker:
    """One home folder; `work` is what the consumer would do, without waiting."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.looks = Looks()
        self.url = url
        settings = Settings(home=home, queue_url=url)  # type: ignore[arg-type]
        self.jobs = Jobs(settings, self.looks)  # type: ignore[arg-type]
        self.registry = self.jobs.registry

    def again(self, home: Path) -> "Worker":
        """Another process of the same installation."""
        return Worker(home, self.url)

    @property
    def waiting(self) -> int:
        return self.jobs.huey.waiting()

    def work(self) -> list[tuple[int, bool]]:
        """All jobs that wait now; what was looked at."""
        before = len(self.looks.asked)
        huey, later = self.jobs.huey, datetime.now() + timedelta(hours=1)
        tasks = []
        while (task := huey.dequeue()) is not None:
            tasks.append(task)
        for task in tasks:
            huey.execute(task, later)
        return self.looks.asked[before:]

    def state(self, project: int = 7) -> tuple[str, str]:
        found = self.registry.training(project)
        return found["state"], found["message"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


@pytest.fixture(params=["SQLite", "Redis"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Worker:
    if request.param == "SQLite":
        return Worker(tmp_path)
    server: RedisServer = request.getfixturevalue("server")
    server.client.flushall()
    return Worker(tmp_path, server.url)


@pytest.fixture
def on_file(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_ten_thousand_events_are_one_job_a_project(worker: Worker) -> None:
    for _ in range(10_000):
        worker.jobs.look(7)
    worker.jobs.look(8)
    assert worker.waiting == 2
    assert sorted(worker.work()) == [(7, False), (8, False)]
    assert worker.work() == []


def test_an_event_while_the_project_is_read_makes_another_look(worker: Worker) -> None:
    worker.jobs.look(7)
    worker.looks.meanwhile = lambda: (
        worker.jobs.look(7) if len(worker.looks.asked) == 1 else None
    )
    assert worker.work() == [(7, False)]
    assert worker.work() == [(7, False)]


def test_the_button_wins_over_a_look_that_waits_already(worker: Worker) -> None:
    worker.jobs.look(7)
    worker.jobs.look(7, forced=True)
    assert worker.work() == [(7, True)]
    worker.jobs.look(7)
    assert worker.work() == [(7, False)]


@pytest.mark.parametrize(
    "error", [StudioDown("away"), VersionError("damaged"), StorageError("the disk is full")]
)
def test_the_button_is_remembered_until_what_can_heal_has_healed(
    worker: Worker, error: CruxError
) -> None:
    worker.jobs.look(7, forced=True)
    worker.looks.fails[7] = error
    assert worker.work() == [(7, True)]
    worker.jobs._look_at_all()
    assert worker.work() == [(7, True)]
    worker.looks.fails.clear()
    worker.jobs._look_at_all()
    assert worker.work() == [(7, True)]
    worker.jobs._look_at_all()
    assert worker.work() == [(7, False)]


@pytest.mark.parametrize("error", [RoundError("no task"), ModelError("one label")])
def test_the_button_is_not_pressed_again_where_that_would_not_help(
    worker: Worker, error: CruxError
) -> None:
    worker.jobs.look(7, forced=True)
    worker.looks.fails[7] = error
    worker.work()
    worker.jobs.look(7)
    assert worker.work() == [(7, False)]


def test_pressing_the_button_during_a_training_is_not_forgotten(worker: Worker) -> None:
    worker.jobs.look(7, forced=True)
    worker.looks.meanwhile = lambda: (
        worker.jobs.look(7, forced=True) if len(worker.looks.asked) == 1 else None
    )
    assert worker.work() == [(7, True)]
    assert worker.work() == [(7, True)]


def test_a_worker_killed_in_the_middle_is_asked_again_by_the_next_one(
    worker: Worker, tmp_path: Path
) -> None:
    worker.jobs.look(7, forced=True)
    worker.looks.fails[7] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        worker.jobs._look(7)
    again = worker.again(tmp_path)
    again.jobs.huey.storage.flush_queue()  # its job has died with it
    again.jobs._look_at_all()
    assert again.work() == [(7, True)]


def test_a_flag_whose_job_was_lost_keeps_no_event_out_for_ever(worker: Worker) -> None:
    worker.jobs.look(7)
    worker.jobs.huey.storage.flush_queue()
    worker.jobs.look(7)
    assert worker.waiting == 0
    worker.jobs._look_at_all()
    assert worker.work() == [(7, False)]
    worker.jobs.look(7)
    assert worker.work() == [(7, False)]


@pytest.mark.parametrize(
    "error",
    [
        ProjectError("Label Studio does not have project 3"),
        StudioDown("away"),
        VersionError("damaged"),
        RuntimeError("CUDA out of memory"),
    ],
)
def test_what_goes_wrong_in_one_project_stops_no_other(
    worker: Worker, error: Exception
) -> None:
    for project in (3, 7, 9):
        worker.registry.set_training(project, TrainingState())
    worker.looks.fails[3] = error
    worker.jobs._look_at_all()
    assert worker.work() == [(3, False), (7, False), (9, False)]


def test_the_state_tells_what_failed_and_heals(worker: Worker) -> None:
    worker.registry.set_training(7, TrainingState())
    for error, state in ((StudioDown("away"), "waiting"), (ModelError("one label"), "failed")):
        worker.looks.fails[7] = error
        worker.jobs._look(7)
        assert worker.state() == (state, str(error))
    worker.looks.fails.clear()
    worker.jobs._look(7)
    assert worker.state() == ("idle", "")


def test_an_unexpected_error_is_not_shown_as_a_training_under_way(worker: Worker) -> None:
    worker.looks.fails[7] = RuntimeError("CUDA out of memory")
    worker.looks.meanwhile = lambda: worker.registry.set_training(7, TrainingState("training", "x", 3, 90))
    with pytest.raises(RuntimeError):
        worker.jobs._look(7)
    assert worker.state() == (
        "failed", "The worker met an unexpected error; its log has the details."
    )  # fmt: skip


def test_the_same_failure_is_logged_once(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.registry.set_training(7, TrainingState())
    worker.looks.fails[7] = ProjectError("Label Studio does not have project 7")
    for _ in range(5):
        worker.jobs._look(7)
    assert caplog.text.count("does not have project 7") == 1
    worker.looks.fails[7] = ProjectError("the label config does not fit")
    worker.jobs._look(7)
    assert caplog.text.count("does not fit") == 1


def test_a_second_worker_of_the_same_home_is_refused(on_file: Worker, tmp_path: Path) -> None:
    refused = pytest.raises(BackendError, match="Another worker is at work in")
    with on_file.jobs.lease, refused:
        Worker(tmp_path).jobs.work()
    with Worker(tmp_path).jobs.lease:
        pass


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match=r"Cannot write the queue .*file/home/queue\.db"):
        Jobs(Settings(home=tmp_path / "file" / "home"))


def test_a_full_disk_is_said_to_who_asks_for_a_look(on_file: Worker) -> None:
    with full_disk(0), pytest.raises(BackendError, match="Cannot write the queue"):
        on_file.jobs.look(7)
    on_file.jobs.look(7)
    assert on_file.work() == [(7, False)]


def test_a_look_outlives_the_kill_of_the_process_that_asked_for_it(
    worker: Worker, tmp_path: Path
) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from backend.config import Settings; "
        "from backend.worker import Jobs; home, url = sys.argv[1:]; "
        "Jobs(Settings(home=Path(home), queue_url=url)).look(7, True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), worker.url], check=False)
    assert done.returncode == -signal.SIGKILL
    assert worker.work() == [(7, True)]


# strangers


@pytest.mark.parametrize("error", [StudioLacks("not there"), StudioRefused("not yours")])
def test_a_number_that_is_no_project_leaves_no_folder(worker: Worker, error: StudioError) -> None:
    worker.jobs.look(404)
    worker.looks.fails[404] = error
    assert worker.work() == [(404, False)]
    assert not worker.registry.folder(404).exists()
    worker.jobs._look_at_all()
    assert worker.work() == []


def test_a_project_first_heard_of_while_label_studio_is_down_is_asked_about_again(
    worker: Worker,
) -> None:
    worker.jobs.look(7, forced=True)
    worker.looks.fails[7] = StudioDown("away")
    assert worker.work() == [(7, True)]
    worker.looks.fails.clear()
    worker.jobs._look_at_all()
    assert worker.work() == [(7, True)]
    worker.jobs._look_at_all()
    assert worker.work() == [(7, False)]  # it has a folder now


def test_strangers_cannot_fill_the_queue_and_keep_no_known_project_out(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.worker.MOST_WAITING", 20)
    worker.registry.set_training(7, TrainingState())
    for stranger in range(100, 120):
        worker.jobs.look(stranger)
    with pytest.raises(BackendError, match="20 looks wait for the worker already"):
        worker.jobs.look(120)
    worker.jobs.look(7)
    assert worker.waiting == 21


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def test_a_planted_pickle_is_dropped_and_never_loaded(
    worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    planted = pickle.dumps(Trap(tmp_path / "sprung"))
    worker.jobs.huey.storage.enqueue(planted)
    worker.jobs.huey.storage.add_to_schedule(planted, datetime(2020, 1, 1))
    worker.jobs.look(7)
    for task in worker.jobs.huey.read_schedule():
        worker.jobs.huey.enqueue(task)
    assert worker.work() == [(7, False)]
    dropped = f"dropped {len(planted)} bytes from the queue that are no message of Crux"
    assert caplog.text.count(dropped) == 2
    assert not (tmp_path / "sprung").exists()
    pickle.loads(planted)  # noqa: S301 - the trap is a real one
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "message",
    [
        b"", b"{}", b"[]", b"\xff\xfe", b'{"id": "a", "task": "look"}',
        b'{"id": "a", "task": "look", "project": -1}',
        b'{"id": "a", "task": "look", "project": "7"}',
        b'{"id": "a", "task": "look", "project": 1000000000000000000}',
        b'{"id": "a", "task": "look", "project": 7, "retries": 9}',
        b'{"id": "a", "task": "os.system", "project": 7}',
        b'{"id": "a", "task": "look-at-all", "project": 7}',
        b'{"id": "a", "task": "look", "project": 7, "due": "2026-01-01T00:00:00+05:00"}',
    ],
)  # fmt: skip
def test_a_message_that_is_not_one_of_ours_does_nothing(worker: Worker, message: bytes) -> None:
    worker.jobs.huey.storage.enqueue(message)
    assert worker.work() == []


def test_messages_are_json_that_names_task_and_project(worker: Worker) -> None:
    worker.jobs.look(7)
    found = json.loads(bytes(worker.jobs.huey.storage.enqueued_items()[0]))
    assert set(found) == {"id", "task", "project", "due"}
    assert (found["task"], found["project"]) == ("look", 7)


# Redis


def test_a_redis_that_is_away_is_said_in_a_sentence_without_its_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = RedisServer(tmp_path)
    worker = Worker(tmp_path, server.url)
    with pytest.raises(BackendError, match="queue at redis 127.0.0.1:.* cannot be used") as told:
        worker.jobs.look(7)
    worker.jobs._look(7)
    everything = f"{told.value!r} {caplog.text} {worker.jobs.settings!r}"
    assert PASSWORD not in everything
    assert QUOTED not in everything
    assert worker.looks.asked == []


def test_a_wrong_password_is_said_and_not_shown(server: RedisServer, tmp_path: Path) -> None:
    worker = Worker(tmp_path, server.url.replace(QUOTED, "guessed"))
    with pytest.raises(BackendError, match="invalid username-password") as told:
        worker.jobs.look(7)
    assert "guessed" not in str(told.value)


@pytest.mark.parametrize("url", ["http://:secret@host", "redis://:sec/ret@host:6379/0", "nonsense"])
def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingError, match="CRUX_QUEUE_URL is not the address") as told:
        Worker(tmp_path, url)
    assert "sec" not in str(told.value)


def test_a_queue_that_comes_back_is_used_again_and_the_log_has_two_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = RedisServer(tmp_path)
    worker = Worker(tmp_path, server.url)
    for _ in range(5):
        assert worker.work() == []
        assert worker.jobs.huey.read_schedule() == []
    server.start()
    worker.jobs.look(7)
    assert worker.work() == [(7, False)]
    server.stop()
    server.start()  # pooled connections are dead now
    worker.jobs.look(8)
    assert worker.work() == [(8, False)]
    server.stop()
    close_brokers()
    assert caplog.text.count("does not answer; waiting for it") == 1
    assert caplog.text.count("answers again") == 1
    assert "Traceback" not in caplog.text


def test_a_redis_that_answers_nothing_keeps_no_event_waiting(tmp_path: Path) -> None:
    for server in redis_server(tmp_path):
        worker = Worker(tmp_path, server.url)
        worker.jobs.look(7)
        server.freeze()
        with pytest.raises(BackendError, match="cannot be used: Timeout reading from socket"):
            worker.jobs.look(8)


def test_a_worker_that_was_replaced_changes_no_pointer(
    server: RedisServer, tmp_path: Path
) -> None:
    server.client.flushall()
    broker = open_broker(Settings(queue_url=server.url).queue_url)  # type: ignore[arg-type]
    assert broker is not None
    lost: list[str] = []
    with RedisLease(broker, lambda: lost.append("a")) as lease:
        registry = Registry(tmp_path, confirm=lease.confirm)
        put(registry, BASE)
        registry.promote(7, BASE.version)
        server.client.delete("crux:worker")  # as if Redis had forgotten it: nobody else took it
        registry.save_record(7, {"round": 0})
        server.client.set("crux:worker", "another")
        with pytest.raises(BackendError, match="Another worker has taken over"):
            registry.save_record(7, {"round": 1})
        with pytest.raises(BackendError, match="Another worker has taken over"):
            registry.promote(7, BASE.version)
    assert [record.round for record in registry.records(7)] == [0]
    assert "a" in lost
    assert server.client.get("crux:worker") == b"another"


def test_a_look_logs_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = "c0ffee" * 6 + "c0de"
    settings = Settings(home=tmp_path, studio_url="http://127.0.0.1:9", studio_token=token)  # type: ignore[arg-type]
    Registry(tmp_path).set_training(7, TrainingState())
    jobs = Jobs(settings)
    jobs._look(7)
    assert Registry(tmp_path).training(7).state == "waiting"
    assert token not in caplog.text + str(Registry(tmp_path).training(7)) + repr(settings)
