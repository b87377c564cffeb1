"""kill -9, at an exact moment: each phase of a training is a round of one project.

The worker is held before the write (hold/) or in the call to Label Studio (proxy.py) that begins
the phase, killed there, and started again as a supervisor does. Nothing else is done to heal it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.servers import running
from tests.faults.conftest import MakeStage
from tests.faults.proxy import Kind
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import Work

Held = Callable[[], Any]


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage(CRUX_EPOCHS="4")
    stage.start_backend()
    stage.start_worker()
    return stage


@pytest.fixture(scope="module")
def work(stage: Stage) -> Work:
    return stage.project("killed")


@contextmanager
def in_call(stage: Stage, call: str, kind: Kind = "slow") -> Iterator[Held]:
    """Worker and Label Studio are in the middle of this call."""
    with stage.proxy.broken(kind, call, seconds=60) as fault:
        yield lambda: wait_for(lambda: fault.hits, f"the call {call}")


STEP = r'/training\.json\n.*"state": "training".*"done": 2'
IMPORT = "POST /api/projects/{}/import/predictions"
PHASES: list[tuple[str, int, Callable[[Stage], Any]]] = [
    # what is going on, how often the version is trained in all, how the worker is held in it
    ("collecting", 1, lambda s: in_call(s, "GET /api/tasks/")),
    ("a training step", 2, lambda s: s.hold(STEP)),
    ("building the version", 2, lambda s: s.hold(r"/\.building-\w+/manifest\.json\n")),
    ("moving it to its place", 2, lambda s: s.hold(r"/versions/round\d+-\w+\n$")),
    ("evaluating", 1, lambda s: s.hold(r'training\.json\n.*"evaluating".* reads"')),
    ("saving the record", 1, lambda s: s.hold(r'/rounds/\d+\.json\n.*"settled": false')),
    ("after the record, before the pointer", 1, lambda s: s.hold(r"/current\n")),
    ("before the predictions are imported", 1, lambda s: in_call(s, IMPORT)),
    ("after Label Studio took them", 1, lambda s: in_call(s, IMPORT, "unanswered")),
    ("before the project's version is set", 1, lambda s: in_call(s, "PATCH /api/projects/{}/")),
    ("settling the record", 1, lambda s: s.hold(r'/rounds/\d+\.json\n.*"settled": true')),
]  # fmt: skip
ROUND = {name: i for i, (name, _, _) in enumerate(PHASES)}


@pytest.mark.parametrize(("phase", "times", "held"), PHASES, ids=[name for name, _, _ in PHASES])
def test_a_worker_killed_in_any_phase_goes_on_where_it_stopped(
    stage: Stage, work: Work, phase: str, times: int, held: Callable[[Stage], Any]
) -> None:
    round = ROUND[phase]
    before = stage.registry.current(work.id)
    work.push(round)
    with held(stage) as wait:
        assert work.start_training() == 201
        wait()
        stage.kill("worker")
        # the last good version answers; from the pointer's write on it is the new one
        assert work.answers() == stage.registry.current(work.id) or before is None
    stage.start_worker()
    work.check(round)
    assert stage.log("worker").count(f"training round{round}-") == times
    assert not list(stage.registry.folder(work.id).glob("versions/.building-*"))
    stage.check_logs()


def test_a_killed_serving_process_is_replaced_and_what_it_had_taken_is_done(
    stage: Stage, work: Work
) -> None:
    round = len(PHASES)
    work.push(round)
    version = work.answers()
    stage.kill("worker")  # so that the event waits in the queue
    assert work.start_training() == 201
    stage.kill("backend")
    with pytest.raises(httpx.TransportError):
        work.answers()
    stage.start_backend()
    assert work.answers() == version
    stage.start_worker()
    work.check(round)
    stage.check_logs()


def test_gunicorn_starts_another_process_for_a_killed_one_and_says_so(
    stage: Stage, work: Work
) -> None:
    version = work.answers()
    child = _child(stage)
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: _child(stage) not in (0, child), "another process")

    def again() -> str:
        try:
            return work.answers()
        except httpx.TransportError:
            return ""

    assert wait_for(again, "an answer") == version
    assert stage.says("backend", f"(pid:{child}) was sent SIGKILL!")
    stage.check_logs()


def test_after_a_kill_of_everything_in_the_middle_both_come_back_by_themselves(
    stage: Stage, work: Work
) -> None:
    round = len(PHASES) + 1
    work.push(round)
    version = work.answers()
    failed: list[str] = []

    def annotator() -> None:
        try:
            work.answers()
        except httpx.TransportError as error:
            failed.append(type(error).__name__)

    with stage.hold(r'training\.json\n.*"training"') as wait:
        work.start_training()
        wait()
        asking = threading.Thread(target=annotator)
        asking.start()
        stage.kill("backend", "worker")
        asking.join()
    stage.start_worker(by_command=True)
    stage.start_backend(by_command=True)
    assert work.seen()["current"] in (version, stage.registry.current(work.id))
    work.check(round)
    stage.check_logs()


def test_the_first_look_ever_at_a_project_survives_a_kill(stage: Stage) -> None:
    work = stage.project("never served")
    work.push(0)
    with in_call(stage, "GET /api/tasks/") as wait:
        assert work.start_training() == 201
        wait()
        stage.kill("worker")
    stage.start_worker()
    work.settled(0)


def test_the_log_says_in_one_sentence_that_a_worker_was_killed(stage: Stage) -> None:
    work = stage.project("said")
    work.push(0)
    with stage.hold(STEP) as wait:
        work.start_training()
        wait()
        stage.kill("worker")
    stage.start_worker()
    work.settled(0)
    assert stage.says("worker", f"project {work.id}: the worker ended in the middle of")


def _child(stage: Stage) -> int:
    """gunicorn's one serving process; 0 while there is none."""
    master = running(stage.services.pid("backend"))
    assert master is not None
    found = Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    return int(found[0]) if found else 0
