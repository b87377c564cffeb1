"""What takes a minute by its nature: it begins with the folder's first test and is seen here."""

from tests.faults.conftest import Begun
from tests.faults.proxy import name
from tests.faults.waiting import wait_for

LOOK = "The worker looks again within a minute."


def test_a_worker_that_met_a_sick_label_studio_looks_again_by_itself(begun: Begun) -> None:
    work = begun.alone
    work.check(0)
    assert work.stage.log("worker").count(LOOK) == 1
    work.stage.check_logs()


def test_a_training_ends_although_label_studio_is_ten_seconds_late_in_every_call(
    begun: Begun,
) -> None:
    work = begun.late
    work.check(0)
    assert len(work.stage.proxy.calls) >= 6
    assert name("GET", "/api/tasks/") in work.stage.proxy.calls
    assert not work.stage.says("worker", LOOK)
    work.stage.check_logs()


def test_an_event_before_the_clock_is_set_back_by_an_hour_is_heard_as_any_other(
    begun: Begun,
) -> None:
    work = begun.set_back()
    work.check(0)
    said = work.stage.log("worker")
    times = [line[:19] for line in said.splitlines() if line[:4].isdigit()]
    assert times != sorted(times)  # so the worker's clock was really set back
    # and what comes later is done at once
    work.push(1)
    work.start_training()
    work.check(1)
    assert work.stage.log("worker").count("training round0-") == 1
    wait_for(lambda: work.stage.queued() == 0, "an empty queue")
    work.stage.check_logs()
