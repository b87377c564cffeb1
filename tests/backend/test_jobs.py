import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backend.config import Settings
from backend.jobs import Jobs
from backend.registry import Registry
from selection.errors import (
    BackendError,
    CruxError,
    ModelError,
    ProjectError,
    RoundError,
    StudioDown,
    VersionError,
)
from tests.backend.test_registry import full_disk


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

    def __init__(self, home: Path) -> None:
        self.looks = Looks()
        self.jobs = Jobs(Settings(home=home), self.looks)  # type: ignore[arg-type]
        self.registry = Registry(home)

    @property
    def waiting(self) -> int:
        return int(self.jobs.huey.pending_count()) + int(self.jobs.huey.scheduled_count())

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


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_ten_thousand_events_are_one_job_a_project(worker: Worker) -> None:
    for _ in range(500):
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


@pytest.mark.parametrize("error", [StudioDown("away"), VersionError("the disk is full")])
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
    again = Worker(tmp_path)
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
        worker.registry.set_training(project, "idle")
    worker.looks.fails[3] = error
    worker.jobs._look_at_all()
    assert worker.work() == [(3, False), (7, False), (9, False)]


def test_the_state_tells_what_failed_and_heals(worker: Worker) -> None:
    for error, state in ((StudioDown("away"), "waiting"), (ModelError("one label"), "failed")):
        worker.looks.fails[7] = error
        worker.jobs._look(7)
        assert worker.state() == (state, str(error))
    worker.looks.fails.clear()
    worker.jobs._look(7)
    assert worker.state() == ("idle", "")


def test_an_unexpected_error_is_not_shown_as_a_training_under_way(worker: Worker) -> None:
    worker.looks.fails[7] = RuntimeError("CUDA out of memory")
    worker.looks.meanwhile = lambda: worker.registry.set_training(7, "training", "x", 3, 90)
    with pytest.raises(RuntimeError):
        worker.jobs._look(7)
    assert worker.state() == (
        "failed", "The worker met an unexpected error; its log has the details."
    )  # fmt: skip


def test_the_same_failure_is_logged_once(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    worker.looks.fails[7] = ProjectError("Label Studio does not have project 7")
    for _ in range(5):
        worker.jobs._look(7)
    assert caplog.text.count("does not have project 7") == 1
    worker.looks.fails[7] = ProjectError("the label config does not fit")
    worker.jobs._look(7)
    assert caplog.text.count("does not fit") == 1


def test_a_second_worker_of_the_same_home_is_refused(worker: Worker, tmp_path: Path) -> None:
    refused = pytest.raises(BackendError, match="Another worker is at work in")
    with worker.jobs._alone(), refused:
        Worker(tmp_path).jobs.work()
    with Worker(tmp_path).jobs._alone():
        pass


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackendError, match=r"Cannot write the queue .*file/home/queue\.db"):
        Jobs(Settings(home=tmp_path / "file" / "home"))


def test_a_full_disk_is_said_to_who_asks_for_a_look(worker: Worker) -> None:
    with full_disk(0), pytest.raises(BackendError, match="Cannot write the queue"):
        worker.jobs.look(7)
    worker.jobs.look(7)
    assert worker.work() == [(7, False)]


def test_a_look_logs_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = "c0ffee" * 6 + "c0de"
    settings = Settings(home=tmp_path, studio_url="http://127.0.0.1:9", studio_token=token)  # type: ignore[arg-type]
    jobs = Jobs(settings)
    jobs._look(7)
    assert Registry(tmp_path).training(7)["state"] == "waiting"
    assert token not in caplog.text + str(Registry(tmp_path).training(7)) + repr(settings)
