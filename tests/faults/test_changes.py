"""The project changes while the worker trains for it: its labels, or that it is there at all."""

import pytest

from tests.faults.conftest import MakeStage
from tests.faults.stage import Stage
from tests.faults.waiting import wait_for
from tests.faults.work import BLIND, TRAIN

TRAINING = r'training\.json\n.*"training"'


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    stage = make_stage()
    stage.start_backend()
    stage.start_worker()
    return stage


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("yes", "no"), ("yes", "no", "maybe")),
        (("yes", "no", "maybe"), ("yes", "no")),
        (("yes", "no", "maybe"), ("yes", "no", "perhaps")),
        (("yes", "no"), ("no", "yes")),
    ],
    ids=["added", "removed", "renamed", "in another order"],
)
def test_labels_that_change_during_a_training_lose_no_verdict(
    stage: Stage, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    work = stage.project(f"{before} -> {after}")
    work.configure(*before)
    work.push(0)
    with stage.hold(TRAINING) as wait:
        work.start_training()
        wait()
        work.configure(*after)
        assert work.webhook("PROJECT_UPDATED") == 201
    record = work.settled(0)
    assert record.labels_bought == work.verdicts()
    # the version answers by labels that are no longer asked for, so the prompted model does
    assert work.answers().startswith("prompted-")
    assert work.labels() == list(after)
    assert all(not task["predictions"] for task in work.tasks())
    assert stage.says(
        "worker",
        f"project {work.id}: the labels of {record.version} are {', '.join(before)}, and those "
        f"of the label config {', '.join(after)}. The prompted model answers until Start Training "
        f"is pressed or the next round is done.",
    )
    # and that is what heals it
    work.start_training()
    wait_for(lambda: work.settled(0).version != record.version, "a version of these labels")
    work.check(0)
    stage.check_logs()


def test_a_label_that_is_renamed_after_experts_used_it_is_named_and_comes_back(
    stage: Stage,
) -> None:
    work = stage.project("used")
    work.push(0)
    work.start_training()
    version = work.check(0).version
    work.configure("yes", "nein")
    work.webhook("PROJECT_UPDATED")
    work.start_training()
    wait_for(lambda: work.state()[0] == "failed", "the worker's word")
    assert work.state()[1] == (
        "training needs verdicts of two labels at least, and all 3 are 'yes'. Label more tasks, "
        "then train again."
    )
    assert stage.says("worker", "of labels that the project does not have (any more): it has yes, ")
    assert work.answers().startswith("prompted-")
    assert work.verdicts() == TRAIN + 2 * BLIND  # nothing was deleted
    work.configure("yes", "no")
    work.webhook("PROJECT_UPDATED")
    work.start_training()
    assert work.check(0).version == version
    stage.check_logs()


def test_a_project_that_is_deleted_in_the_middle_stops_no_other(stage: Stage) -> None:
    gone, other = stage.project("to be deleted"), stage.project("the other")
    for work in (gone, other):
        work.push(0)
    with stage.hold(TRAINING) as wait:
        gone.start_training()
        wait()
        assert stage.api.delete(f"/api/projects/{gone.id}/").status_code == 204
        other.start_training()
    other.check(0)
    assert gone.state() == (
        "failed",
        f"Label Studio at {stage.proxy.url} does not have project {gone.id}: "
        "No Project matches the given query.",
    )
    gone.start_training()
    wait_for(lambda: stage.queued() == 0, "another look at it")
    assert stage.log("worker").count(gone.state()[1]) == 1
    assert other.answers() == stage.registry.current(other.id)
    stage.check_logs()
