"""Events: ten thousand of them, and the button pressed twice."""

import threading
import time

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.stage import SECRET, Stage
from tests.faults.waiting import wait_for
from tests.faults.webhook_load import events, said, storm


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.start_backend()
    return stage


def test_ten_thousand_webhooks_are_one_flag_and_every_verdict_counts_once(stage: Stage) -> None:
    work = stage.project("storm")
    work.push(0)
    version = work.answers()

    def click() -> None:
        """Meanwhile the experts go on: a second opinion on each, and the first expert again."""
        for task in work.tasks():
            if task["meta"] and task["meta"]["crux"]["role"] == "train":
                label = "yes" if task["data"]["text"].startswith("green") else "no"
                for by in (stage.second, stage.admin):
                    work.annotate(task["id"], label, by)

    clicks = threading.Thread(target=click)
    clicks.start()
    begun = time.perf_counter()
    statuses, took = storm(stage.state.backend_port, SECRET, events(work.id, 10_000))
    print(f"{said(took)}, in {time.perf_counter() - begun:.1f} s")
    clicks.join()
    assert statuses == [201] * 10_000
    assert stage.queued() == 1
    assert work.answers() == version
    stage.start_worker()
    record = work.check(0)
    assert record.labels_bought == 6 * 2 + 3 * 2
    assert stage.log("worker").count("training round0-") == 1
    stage.check_logs()


def test_events_are_taken_in_the_middle_of_a_training_too(stage: Stage) -> None:
    work = stage.project("busy")
    work.push(0)
    with stage.hold(r'training\.json\n.*"training"') as wait:
        work.start_training()
        wait()
        statuses, took = storm(stage.state.backend_port, SECRET, events(work.id, 1_000))
        print(said(took))
        assert statuses == [201] * 1_000
        assert stage.queued() == 2  # what is being trained, and the events since then
    work.check(0)
    assert stage.log("worker").count(f"project {work.id}: training round0-") == 1
    stage.check_logs()


def test_two_people_who_press_start_training_at_once_get_one_training(stage: Stage) -> None:
    work = stage.project("two buttons")
    work.push(0)
    made = stage.studio.connect_backend(
        work.id, stage.state.backend_url, "Crux", ("crux", SECRET)
    )
    with stage.hold(r'training\.json\n.*"training"') as wait:
        people = [
            threading.Thread(target=stage.studio.train_backend, args=(made.id,)) for _ in range(2)
        ]
        for person in people:
            person.start()
        for person in people:
            person.join()
        wait()
        stage.studio.train_backend(made.id)  # and once more while it trains
    work.check(0)
    wait_for(lambda: stage.queued() == 0, "an empty queue")
    record = work.check(0)
    assert record.promoted
    assert stage.log("worker").count(f"project {work.id}: training round0-") == 1
    assert len(stage.registry.records(work.id)) == 1
    assert [m.kind for m in stage.registry.versions(work.id)] == ["prompted", "trained"]
    stage.check_logs()
