"""Label Studio stopped, answering 500, 429 and cut-off JSON, in every call that Crux makes.

A Label Studio that is slow in every call, and a worker that is left alone, are in test_waiting.py.
"""

from contextlib import ExitStack
from typing import get_args

import pytest

from selection.errors import StudioDown
from selection.record import TrainingState
from selection.studio.api import Studio
from tests.faults.conftest import MakeStage
from tests.faults.proxy import Kind
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import Work

TASKS, TABS = "GET /api/tasks/", "GET /api/dm/views/"
IMPORT = "POST /api/projects/{}/import/predictions"
CALLS = [
    "GET /api/projects/{}/", "GET /api/users/", TASKS, TABS, IMPORT, "PATCH /api/projects/{}/",
]  # fmt: skip
FAULTS = [kind for kind in get_args(Kind) if kind != "slow"]
DONE: list[Kind] = ["unanswered", "cut off", "cut short"]  # Label Studio has done what was asked
REFRESH = "POST /api/token/refresh/"


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.start_backend()
    stage.start_worker()
    return stage


@pytest.fixture(scope="module")
def work(stage: Stage) -> Work:
    work = stage.project("sick")
    work.push(0)
    assert work.webhook() == 201
    work.check(0)
    return work


def again(stage: Stage) -> None:
    """A worker looks at every project when it starts."""
    stage.kill("worker")
    stage.start_worker()


def test_these_are_all_the_calls_that_backend_and_worker_make(stage: Stage, work: Work) -> None:
    assert set(stage.proxy.calls) == set(CALLS)


@pytest.mark.parametrize(("round", "call"), list(enumerate(CALLS, 1)), ids=CALLS)
def test_whatever_a_call_of_the_worker_meets_is_said_and_healed(
    stage: Stage, work: Work, round: int, call: str
) -> None:
    work.push(round)
    # only a finished round asks for the tabs: the button, which is quicker, does not
    look = (lambda: again(stage)) if call == TABS else work.start_training
    for kind in FAULTS:
        if kind in DONE and call == IMPORT:
            continue  # what has succeeded is not asked for again: the next test is about that
        stage.registry.set_training(work.id, TrainingState())
        with stage.proxy.broken(kind, call) as fault:
            look()
            wait_for(lambda: work.state()[0] in ("waiting", "failed"), f"{kind} noticed")
            assert fault.hits
            state, message = work.state()
            assert (state, "Label Studio at" in message) == ("waiting", True), f"{kind}: {message}"
            assert stage.says("worker", f"{message} The worker looks again within a minute.")
            # the version in force answers, which is the new one once the pointer has moved
            assert work.answers() == stage.registry.current(work.id)
    look()
    work.check(round)
    assert stage.log("worker").count(f"training round{round}-") == 1
    stage.check_logs()


@pytest.mark.parametrize("kind", DONE)
def test_predictions_that_were_taken_without_an_answer_are_not_imported_again(
    stage: Stage, work: Work, kind: Kind
) -> None:
    round = len(CALLS) + 1 + DONE.index(kind)
    work.push(round)
    with stage.proxy.broken(kind, IMPORT, times=1) as fault:
        work.start_training()
        wait_for(lambda: work.state()[0] == "waiting", "the fault noticed")
    assert fault.hits == 1
    work.start_training()
    work.check(round)
    stage.check_logs()


def test_a_label_studio_that_is_away_stops_no_annotator(stage: Stage, work: Work) -> None:
    round = len(CALLS) + 4
    work.push(round)
    version = work.answers()
    with stage.proxy.away():
        assert work.start_training() == 201
        wait_for(lambda: work.state()[0] == "waiting", "the worker's word")
        assert "cannot be reached (ConnectError)" in work.state()[1]
        assert work.answers() == version
    assert work.start_training() == 201
    work.check(round)
    stage.check_logs()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_project_that_nobody_knows_yet_is_answered_with_a_sentence_and_then_served(
    stage: Stage, kind: Kind
) -> None:
    work = stage.project(f"new, {kind}")
    body = {"project": work.id, "texts": ["a green one"]}
    with stage.proxy.broken(kind, "GET /api/projects/{}/") as fault:
        answer = stage.backend.post("/score", json=body)
        assert (answer.status_code, fault.hits) == (503, 3)
        assert answer.json()["error"].startswith(f"Label Studio at {stage.proxy.url}")
    assert work.answers().startswith("prompted-")
    stage.check_logs()


@pytest.mark.filterwarnings("ignore:The `parse_obj` method:DeprecationWarning")  # of the SDK
def test_a_personal_token_that_cannot_be_renewed_is_label_studio_being_down(
    stage: Stage, personal_token: str
) -> None:
    studio = Studio(stage.proxy.url, personal_token)
    for kind in FAULTS:
        with stage.proxy.broken(kind, REFRESH) as fault:
            with pytest.raises(StudioDown) as error:
                studio.me()
            assert fault.hits == 3
            assert personal_token not in str(error.value)
    assert studio.me().email == stage.server.admin.email


def test_a_slow_label_studio_holds_up_neither_events_nor_known_projects(
    stage: Stage, work: Work
) -> None:
    version = work.answers()
    with stage.proxy.broken("slow", seconds=60) as fault, ExitStack() as stack:
        work.start_training()
        wait_for(lambda: fault.hits, "the worker in a slow call")
        # a client of its own, whose patience is Label Studio's with a webhook
        quick = stage.quick(1.0)
        stack.callback(quick.close)
        for path, body in (
            ("/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": work.id}}),
            ("/setup", {"project": work.id}),
            ("/score", {"project": work.id, "texts": ["a green one"]}),
        ):
            assert quick.post(path, json=body).is_success
        assert quick.get("/health").is_success
        assert work.answers() == version
    stage.check_logs()

