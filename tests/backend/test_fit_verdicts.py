"""What fit does with verdicts that come one after another, are corrected, or go."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.fit import SETTLE
from backend.versions import ledger
from selection.collect import collect
from selection.errors import RoundError
from selection.policy import policy_hash
from selection.push import tab_title, task_body
from selection.record import Paid, Record
from selection.studio.schema import Schema
from tests.backend.test_fit import ROLES, TRUTH, Loop, card_of
from tests.fakes import SCHEMA

LONG_AGO = "2024-01-01T12:00:00+00:00"


def ago(time: timedelta) -> str:
    return (datetime.now(UTC) - time).isoformat()


class Project(Loop):
    """As in test_fit.py, with a task for each expert: 2 and 3 answer what the queue serves them."""

    def push(self, round: int, tab: bool = True) -> list[int]:
        bodies = []
        for i, role in enumerate(ROLES):
            card = card_of(f"{round}-{i}", round, i, role, hidden=role != "audit", twin=0)
            text = f"{('green', 'red')[i % 2]} {'x' * i} {round}"
            bodies.append(task_body(self.studio.project(7), card, text))
        if tab:
            self.studio.titles.append(tab_title(round))
        return self.studio.import_tasks(7, bodies)

    def label(self, user: int, most: int = 99) -> int:
        """The user labels what the queue serves, `most` texts at most; return how many."""
        for done in range(most):
            task = self.studio.next_task(user)
            if task is None:
                return done
            colour = self.studio.bodies[task]["data"]["text"].split()[0]
            self.studio.answer(task, TRUTH[colour], user, at=LONG_AGO)
        return most

    def finish(self) -> Record:
        """Both label until nothing is left, with the worker's look between."""
        self.label(2)
        assert self.fit.run(7) is None
        self.label(3)
        record = self.fit.run(7)
        assert record is not None
        return record

    def annotation(self, task: int) -> int:
        return int(self.studio.bodies[task]["annotations"][-1]["id"])

    def correct(self, task: int, label: str, time: timedelta) -> None:
        self.studio.correct(self.annotation(task), label, ago(time))

    @property
    def paid(self) -> Paid:
        return ledger.paid(self.fit.registry, 7)


@pytest.fixture
def loop(tmp_path: Path) -> Project:
    return Project(tmp_path)


LATE, SOON = SETTLE * 2, SETTLE / 2


# twins


def test_each_look_asks_the_next_person_about_what_was_answered_since(loop: Project) -> None:
    loop.push(0)
    loop.label(2, most=10)  # all training texts and half of the audit
    assert loop.fit.run(7) is None
    assert len(loop.studio.bodies) == 12 + 2
    loop.label(2)
    assert (loop.studio.next_task(2), loop.fit.run(7)) == (None, None)
    assert len(loop.studio.bodies) == 12 + 4
    assert loop.fit.run(7) is None
    assert len(loop.studio.bodies) == 12 + 4
    assert loop.label(3) == 4
    record = loop.fit.run(7)
    assert record is not None
    assert (record.round, record.complete, record.labels, record.labels_bought) == (0, True, 8, 16)
    assert record.expert_kappa.items == 4


def test_a_look_that_is_only_a_sweep_sees_that_a_twin_was_pushed(loop: Project) -> None:
    loop.push(0)
    loop.label(2)
    for _ in range(2):
        assert loop.fit.run(7, only_if_changed=True) is None
    loop.label(3)
    assert loop.fit.run(7, only_if_changed=True) is not None


def test_a_record_names_the_policy_and_the_verdicts_behind_it(loop: Project) -> None:
    loop.push(0)
    record = loop.finish()
    assert record.policy == policy_hash(loop.studio.policy, SCHEMA.labels)
    assert record.verdicts == collect(loop.studio.tasks(7), SCHEMA).digest
    loop.studio.policy = "Is the text really good?"
    loop.push(1)
    second = loop.finish()
    assert second.policy == policy_hash("Is the text really good?", SCHEMA.labels) != record.policy
    assert loop.paid == Paid(32, 0, {record.policy: 16, second.policy: 16})


# corrections


def test_a_corrected_verdict_measures_the_round_again_once_it_has_settled(loop: Project) -> None:
    ids = loop.push(0)
    before = loop.finish()
    assert before.expert_kappa.value == 1.0
    loop.correct(ids[8], "no", SOON)
    assert loop.fit.run(7) is None  # more may be corrected in this minute
    assert loop.records == [before]
    loop.correct(ids[8], "no", LATE)
    after = loop.fit.run(7)
    assert after is not None
    assert (after.round, after.complete, after.settled) == (0, True, True)
    assert after.expert_kappa.value is not None and after.expert_kappa.value < 1.0
    assert loop.records == [after]
    assert after.labels_bought == before.labels_bought  # a correction is no new verdict
    for _ in range(2):
        assert loop.fit.run(7) is None
        assert loop.worker().run(7, only_if_changed=True) is None


def test_a_corrected_lesson_trains_another_version(loop: Project) -> None:
    ids = loop.push(0)
    before = loop.finish()
    loop.correct(ids[0], "no", LATE)
    after = loop.fit.run(7)
    assert after is not None
    assert after.candidate != before.candidate
    assert len(loop.trained) == 2


def test_a_verdict_corrected_while_a_newer_round_is_open_counts_when_that_is_measured(
    loop: Project,
) -> None:
    ids = loop.push(0)
    before = loop.finish()
    loop.push(1)
    loop.correct(ids[8], "no", LATE)
    assert loop.fit.run(7) is None
    assert loop.records == [before]
    record = loop.finish()
    assert record.round == 1
    assert record.verdicts == collect(loop.studio.tasks(7), SCHEMA).digest
    assert loop.records[0] == before
    assert loop.fit.run(7) is None


def test_a_renamed_label_is_no_correction(loop: Project) -> None:
    loop.push(0)
    before = loop.finish()
    loop.studio.schema = Schema(("good", "no"), "verdict", "text", "text")
    assert loop.fit.run(7) is None
    assert loop.records == [before]


def test_start_training_while_a_label_is_renamed_keeps_what_was_measured(loop: Project) -> None:
    loop.push(0)
    measured = loop.finish()
    loop.studio.schema = Schema(("good", "no"), "verdict", "text", "text")
    with pytest.raises(RoundError, match="two labels at least, and all 4 are 'no'"):
        loop.fit.run(7, forced=True)
    assert loop.records == [measured]


def test_a_deleted_verdict_is_asked_again_and_the_round_is_measured_then(loop: Project) -> None:
    ids = loop.push(0)
    before = loop.finish()
    loop.studio.delete_annotation(loop.annotation(ids[8]))
    assert loop.fit.run(7) is None
    assert loop.records == [before]
    assert loop.studio.next_task(2) == ids[8]
    loop.studio.answer(ids[8], "no", 2, at=ago(LATE))
    after = loop.fit.run(7)
    assert after is not None
    assert (after.complete, after.labels_bought, loop.paid.gone) == (True, 17, 1)
    assert after.verdicts != before.verdicts


def test_what_comes_in_after_an_early_training_measures_nothing_before_the_round_is_complete(
    loop: Project,
) -> None:
    loop.push(0)
    loop.label(2)
    early = loop.fit.run(7, forced=True)
    assert early is not None and not early.complete
    loop.label(3, most=3)
    assert loop.fit.run(7) is None
    assert loop.records == [early]
    loop.label(3)
    late = loop.fit.run(7)
    assert late is not None and late.complete


# what was paid


def delete(loop: Project, ids: Sequence[int]) -> None:
    loop.studio.delete_tasks(7, ids)
    loop.fit.run(7)


def test_verdicts_of_deleted_tasks_stay_bought(loop: Project) -> None:
    ids = loop.push(0)
    loop.label(2)
    assert loop.fit.run(7) is None
    delete(loop, ids[:2])
    loop.label(3)
    record = loop.fit.run(7)
    assert record is not None
    assert (record.labels, record.labels_bought) == (6, 16)
    assert loop.paid == Paid(16, 2, {record.policy: 14})


def test_verdicts_of_deleted_tasks_delay_no_training_that_starts_by_itself(loop: Project) -> None:
    loop.worker(train_after=5)
    ids = loop.push(0)
    loop.label(2, most=5)
    first = loop.fit.run(7)
    assert first is not None and first.labels_bought == 5
    delete(loop, ids[:3])
    loop.label(2, most=4)
    assert loop.fit.run(7) is None
    loop.label(2, most=1)
    second = loop.fit.run(7)
    assert second is not None and second.labels_bought == 10


def test_a_project_all_of_whose_tasks_are_deleted_was_paid_for_all_the_same(loop: Project) -> None:
    loop.push(0)
    loop.label(2)
    assert loop.fit.run(7) is None
    delete(loop, list(loop.studio.bodies))
    assert loop.paid == Paid(12, 12, {})


# what does not count


@pytest.mark.parametrize("imported", [False, True])
def test_imported_verdicts_complete_a_round_only_if_the_setting_says_so(
    loop: Project, imported: bool
) -> None:
    loop.worker(count_imported=imported)
    loop.push(0)
    for user in (2, 3):
        while (task := loop.studio.next_task(user)) is not None:
            colour = loop.studio.bodies[task]["data"]["text"].split()[0]
            said = {"updated_by": None, "lead_time": None}
            loop.studio.answer(task, TRUTH[colour], user, at=LONG_AGO, **said)
        if user == 2:
            loop.fit.run(7)
    record = loop.fit.run(7)
    assert (record is not None, loop.paid.verdicts) == ((True, 16) if imported else (False, 0))


def test_annotations_made_of_predictions_teach_nothing_and_the_text_is_asked_again(
    loop: Project, caplog: pytest.LogCaptureFixture
) -> None:
    ids = loop.push(0)
    said = {"result": [], "score": 0.5, "model_version": "v"}
    for task in ids[:6]:
        loop.studio.import_predictions(7, [{"task": task, **said}])
        loop.studio.accept(task, by=1)
    assert loop.fit.run(7) is None
    assert loop.paid == Paid()
    assert "made from predictions by the action Create Annotations From Predictions" in caplog.text
    record = loop.finish()
    assert (record.labels, record.labels_bought) == (8, 16)
