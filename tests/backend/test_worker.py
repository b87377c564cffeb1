import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from backend import worker as module
from backend.config import BackendSettings
from backend.versions.registry import Registry
from backend.worker import GATHER, LONGEST, NICE, SWEEP, Worker, work_beside
from selection.errors import (
    BackendError,
    CruxError,
    ModelError,
    ProjectError,
    RoundError,
    StorageError,
    StudioDown,
    StudioError,
    StudioLacks,
    StudioRefused,
    VersionError,
)
from selection.record import TrainingState
from tests.backend.eventually import until
from tests.backend.queue.redis_server import PASSWORD, QUOTED, RedisServer, redis_server
from tests.fakes import FakeScorer


class Looks:
    """A composer that notes what it was asked, and fails as it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []
        self.swept: list[int] = []
        self.fails: dict[int, BaseException] = {}
        self.meanwhile: Any = None

    def run(self, project: int, forced: bool = False, only_if_changed: bool = False) -> None:
        self.asked.append((project, forced))
        if only_if_changed:
            self.swept.append(project)
        if self.meanwhile:
            self.meanwhile()
        if project in self.fails:
            raise self.fails[project]


class Place:
    """One home with a worker whose clock stands still until it is moved."""

    def __init__(self, home: Path, url: str = "") -> None:
        self.home, self.url = home, url
        self.looks, self.now = Looks(), 1_000.0
        settings = BackendSettings(home=home, queue_url=url)  # type: ignore[arg-type]
        self.worker = Worker(settings, self.looks, lambda: self.now)  # type: ignore[arg-type]
        self.jobs, self.registry = self.worker.jobs, self.worker.registry
        self.worker.turn()  # the sweep of its start

    def again(self) -> "Place":
        """Another worker process of the same installation."""
        return Place(self.home, self.url)

    def after(self, seconds: float) -> list[tuple[int, bool]]:
        """What is looked at when so much time has passed."""
        before = len(self.looks.asked)
        self.worker.turn()  # sees what is flagged
        self.now += seconds
        self.worker.turn()
        return self.looks.asked[before:]

    def work(self) -> list[tuple[int, bool]]:
        """What is looked at as soon as the events are gathered."""
        return self.after(GATHER)

    def knows(self, *projects: int) -> None:
        """These projects have a folder."""
        for project in projects:
            self.registry.set_training(project, TrainingState())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from redis_server(tmp_path_factory.mktemp("redis"))


@pytest.fixture(params=["folder", pytest.param("Redis", marks=pytest.mark.server)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Place(tmp_path)
    server: RedisServer = request.getfixturevalue("server")
    server.client.flushall()
    return Place(tmp_path, server.url)


# events


def test_ten_thousand_events_are_one_look_a_project(place: Place) -> None:
    for _ in range(10_000):
        place.jobs.look(7)
    place.jobs.look(8)
    assert place.jobs.waiting() == 2
    assert place.work() == [(7, False), (8, False)]
    assert (place.jobs.waiting(), place.work()) == (0, [])


def test_the_events_of_two_seconds_make_one_look_and_the_button_none_wait(place: Place) -> None:
    place.jobs.look(7)
    assert place.after(GATHER - 0.1) == []
    place.jobs.look(8, forced=True)
    assert place.after(0.0) == [(8, True)]
    assert place.after(0.1) == [(7, False)]


def test_a_clock_of_the_machine_that_is_set_back_holds_up_no_event(place: Place) -> None:
    place.jobs.look(7)
    if not place.url:
        os.utime(place.home / "queue" / "7.look", (4e9, 4e9))  # written "in the year 2096"
    assert place.work() == [(7, False)]


def test_an_event_while_the_project_is_read_makes_another_look(place: Place) -> None:
    place.jobs.look(7)
    place.looks.meanwhile = lambda: place.jobs.look(7) if len(place.looks.asked) == 1 else None
    assert place.work() == [(7, False)]
    assert place.work() == [(7, False)]


def test_the_button_wins_over_an_event_that_waits_already(place: Place) -> None:
    place.jobs.look(7)
    place.jobs.look(7, forced=True)
    assert place.work() == [(7, True)]
    place.jobs.look(7)
    assert place.work() == [(7, False)]


def test_pressing_the_button_during_a_training_is_not_forgotten(place: Place) -> None:
    place.jobs.look(7, forced=True)
    place.looks.meanwhile = lambda: (
        place.jobs.look(7, forced=True) if len(place.looks.asked) == 1 else None
    )
    assert place.after(0.0) == [(7, True), (7, True)]
    assert place.after(SWEEP) == []


def test_a_worker_killed_in_the_middle_of_a_look_is_asked_again_by_the_next_one(
    place: Place,
) -> None:
    place.jobs.look(7, forced=True)
    place.looks.fails[7] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        place.work()
    again = place.again()
    assert again.looks.asked == [(7, True)]


def test_a_look_outlives_the_kill_of_the_process_that_asked_for_it(place: Place) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from backend.config import BackendSettings; from backend.queue.jobs import Jobs; "
        "home, url = sys.argv[1:]; "
        "Jobs(BackendSettings(home=Path(home), queue_url=url)).look(7, True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    argv = [sys.executable, "-c", program, str(place.home), place.url]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    assert place.work() == [(7, True)]


# the sweep


def test_every_minute_all_projects_are_swept_and_only_those_that_changed_are_read(
    place: Place,
) -> None:
    place.knows(7, 9)
    assert place.after(SWEEP - 1) == []
    assert place.after(1) == [(7, False), (9, False)]
    assert place.looks.swept == [7, 9]
    place.jobs.look(9)
    assert place.after(SWEEP) == [(9, False), (7, False)]
    assert place.looks.swept == [7, 9, 7]  # an event is a look in earnest


# what goes wrong


@pytest.mark.parametrize(
    "error", [StudioDown("away"), VersionError("damaged"), StorageError("the disk is full")]
)
def test_the_button_is_remembered_until_what_can_heal_has_healed(
    place: Place, error: CruxError
) -> None:
    place.knows(7)
    place.jobs.look(7, forced=True)
    place.looks.fails[7] = error
    assert place.work() == [(7, True)]
    assert place.after(SWEEP - 5) == []
    assert place.after(5) == [(7, True)]
    place.looks.fails.clear()
    assert place.after(2 * SWEEP) == [(7, True)]
    assert place.after(SWEEP) == [(7, False)]


@pytest.mark.parametrize("error", [RoundError("no task"), ModelError("one label")])
def test_the_button_is_not_pressed_again_where_that_would_not_help(
    place: Place, error: CruxError
) -> None:
    place.knows(7)
    place.jobs.look(7, forced=True)
    place.looks.fails[7] = error
    place.work()
    place.jobs.look(7)
    assert place.work() == [(7, False)]


def fails_in_training(place: Place, error: Exception) -> None:
    """The next looks at project 7 begin a training that fails."""
    training = TrainingState("training", "round1: loss 0.5", 3, 90)
    place.looks.meanwhile = lambda: place.registry.set_training(7, training)
    place.looks.fails[7] = error


@pytest.mark.parametrize("error", [ModelError("the loss is no number"), RuntimeError("CUDA")])
def test_a_training_that_fails_is_repeated_ever_more_rarely(
    place: Place, error: Exception
) -> None:
    place.knows(7)
    fails_in_training(place, error)
    tries = []
    for second in range(0, 6_000, 10):
        place.jobs.look(7)  # experts go on meanwhile
        place.now = 1_000.0 + second
        before = len(place.looks.asked)
        try:
            place.worker.turn()
        except RuntimeError:
            assert isinstance(error, RuntimeError)
        if len(place.looks.asked) > before:
            tries.append(second)
    assert tries == [10, 70, 190, 430, 910, 1870, 3790]
    assert min(SWEEP * 2**6, LONGEST) == LONGEST


def test_start_training_tries_at_once_and_a_success_forgets_the_failures(place: Place) -> None:
    place.knows(7)
    fails_in_training(place, ModelError("too little memory"))
    place.jobs.look(7, forced=True)
    assert place.after(0.0) == [(7, True)]
    place.jobs.look(7)
    assert place.work() == []
    place.looks.fails.clear()
    place.looks.meanwhile = None
    place.jobs.look(7, forced=True)
    assert place.after(0.0) == [(7, True)]
    assert place.registry.training(7) == TrainingState()
    fails_in_training(place, ModelError("too little memory"))
    place.jobs.look(7, forced=True)
    place.work()
    assert place.registry.training(7).failures == 1


def test_the_state_tells_how_often_it_failed_and_when_the_next_try_is(place: Place) -> None:
    place.knows(7)
    fails_in_training(place, ModelError("too little memory"))
    for failures in (1, 2):
        place.jobs.look(7, forced=True)
        place.work()
        told = place.registry.training(7)
        assert (told.state, told.message) == ("failed", "too little memory")
        assert told.failures == failures
        wait = datetime.fromisoformat(told.next_try) - datetime.now(UTC)
        assert wait.total_seconds() == pytest.approx(SWEEP * failures, abs=5.0)


def test_events_bring_the_next_look_forward_where_no_training_was_begun(place: Place) -> None:
    place.knows(7)
    place.looks.fails[7] = ProjectError("the label config does not fit")
    place.jobs.look(7)
    assert place.work() == [(7, False)]
    place.jobs.look(7)
    assert place.work() == [(7, False)]


@pytest.mark.parametrize(
    "error",
    [ProjectError("there is no project 3"), StudioDown("away"), VersionError("damaged")],
)
def test_what_goes_wrong_in_one_project_stops_no_other(place: Place, error: Exception) -> None:
    place.knows(3, 7, 9)
    place.looks.fails[3] = error
    assert place.after(SWEEP) == [(3, False), (7, False), (9, False)]


def test_after_an_unexpected_error_the_next_turn_goes_on_with_the_others(place: Place) -> None:
    for project in (3, 7):
        place.jobs.look(project)
    place.looks.fails[3] = RuntimeError("CUDA out of memory")
    with pytest.raises(RuntimeError):
        place.work()
    assert place.after(0.0) == [(7, False)]
    assert place.looks.asked == [(3, False), (7, False)]


def test_the_state_tells_what_failed_and_heals(place: Place) -> None:
    place.knows(7)
    for error, state in ((StudioDown("away"), "waiting"), (ModelError("one label"), "failed")):
        place.looks.fails[7] = error
        place.jobs.look(7)
        place.work()
        told = place.registry.training(7)
        assert (told.state, told.message) == (state, str(error))
    place.looks.fails.clear()
    place.jobs.look(7)
    place.work()
    assert place.registry.training(7) == TrainingState()


def test_an_unexpected_error_is_not_shown_as_a_training_under_way(place: Place) -> None:
    fails_in_training(place, RuntimeError("CUDA out of memory"))
    place.jobs.look(7)
    with pytest.raises(RuntimeError):
        place.work()
    told = place.registry.training(7)
    assert told.state == "failed"
    assert told.message == "The worker met an unexpected error; its log has the details."


def test_the_same_failure_is_logged_once(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.knows(7)
    for message, times in (("the label config is none", 5), ("it does not fit", 1)):
        place.looks.fails[7] = ProjectError(message)
        for _ in range(times):
            place.jobs.look(7)
            place.work()
        assert caplog.text.count(message) == 1


# strangers


@pytest.mark.parametrize("error", [StudioLacks("not there"), StudioRefused("not yours")])
def test_a_number_that_is_no_project_leaves_no_folder(place: Place, error: StudioError) -> None:
    place.jobs.look(404)
    place.looks.fails[404] = error
    assert place.work() == [(404, False)]
    assert not place.registry.folder(404).exists()
    assert place.after(SWEEP) == []


def test_a_project_first_heard_of_while_label_studio_is_down_is_asked_about_again(
    place: Place,
) -> None:
    place.jobs.look(7)
    place.looks.fails[7] = StudioDown("away")
    assert place.work() == [(7, False)]
    assert place.after(SWEEP - 1) == []
    assert not place.registry.folder(7).exists()
    again = place.again()  # and a worker that is started meanwhile has not forgotten it
    assert again.work() == [(7, False)]
    assert again.work() == []


# the process


def test_a_second_worker_of_the_same_home_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path)
    refused = pytest.raises(BackendError, match="Another worker is at work in")
    with place.jobs.lease, refused:
        place.again().worker.work()
    with place.again().jobs.lease:
        pass


def test_a_server_that_is_to_train_beside_a_worker_says_so_and_serves(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = BackendSettings(home=tmp_path, studio_token=SecretStr("a-token"))
    with Place(tmp_path).jobs.lease:
        work_beside(settings, FakeScorer)  # type: ignore[arg-type]
        until(lambda: "This server trains nothing: Another worker is at work in" in caplog.text)


def test_a_server_that_trains_does_so_with_the_model_that_serves(tmp_path: Path) -> None:
    scorer = FakeScorer()
    settings = BackendSettings(home=tmp_path, studio_token=SecretStr("a-token"))
    worker = Worker(settings, scorer=lambda: scorer)  # type: ignore[arg-type, return-value]
    assert worker.fit._predictor.scorer is scorer


def test_the_priority_does_not_fall_further_when_the_worker_starts_itself_anew() -> None:
    program = (
        "import os; from backend.worker import step_back\n"
        "for nice in (0, 0, 5):\n"
        "    os.nice(nice); step_back(); print(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    lowered = max(NICE, os.getpriority(os.PRIO_PROCESS, 0))
    assert done.stdout.split() == [str(lowered), str(lowered), str(lowered + 5)]


def test_a_project_that_was_in_training_when_the_worker_was_killed_is_named(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.registry.set_training(7, TrainingState("training", "round1: loss 0.5", 3, 90))
    place.worker._begin()
    assert "project 7: the worker ended in the middle of training (round1: loss 0.5)" in caplog.text
    assert place.registry.training(7) == TrainingState()


# a queue that is away


def test_a_queue_that_comes_back_is_used_again_and_the_log_has_two_lines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server = RedisServer(tmp_path)
    place = Place(tmp_path, server.url)
    for _ in range(5):
        assert place.work() == []
    server.start()
    place.jobs.look(7)
    assert place.work() == [(7, False)]
    server.stop()
    server.start()  # pooled connections are dead now
    place.jobs.look(8)
    assert place.work() == [(8, False)]
    server.stop()
    assert caplog.text.count("The worker waits for it.") == 1
    assert caplog.text.count("answers again") == 1
    assert "Traceback" not in caplog.text
    assert PASSWORD not in caplog.text and QUOTED not in caplog.text


def test_a_look_logs_no_token(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = "c0ffee" * 6 + "c0de"
    settings = BackendSettings(home=tmp_path, studio_url="http://127.0.0.1:9", studio_token=token)  # type: ignore[arg-type]
    Registry(tmp_path).set_training(7, TrainingState())
    worker = module.Worker(settings)
    worker.turn()
    assert Registry(tmp_path).training(7).state == "waiting"
    assert token not in caplog.text + str(Registry(tmp_path).training(7)) + repr(settings)
