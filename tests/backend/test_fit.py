"""Rounds of eight training tasks, the last two of them blind, and four audited ones, of which two
experts are asked about each; the answer is the colour."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend import fit as module
from backend.config import BackendSettings
from backend.examples import training_examples
from backend.fit import Fit
from backend.publish import open_tasks
from backend.versions.manifest import Manifest, describe
from selection.card import Card
from selection.collect import Collected, collect
from selection.errors import ModelError, ProjectError, RoundError, StudioDown, VersionError
from selection.policy import policy_hash
from selection.push import tab_title
from selection.record import Record
from selection.studio.schema import Schema
from tests.fakes import SCHEMA, FakeScorer, FakeStudio, fake_train

ROLES = ["train"] * 6 + ["blind"] * 2 + ["audit"] * 4
TRUTH = {"green": "yes", "red": "no"}


def card_of(name: str, round: int, order: int, role: str, **more: Any) -> Card:
    """role: 'blind' is a training text whose pre-annotation nobody sees.

    Its version believed 'yes' of every text.
    """
    return Card(
        name, round, order, "train" if role == "blind" else role, name,
        0.5 if role == "audit" else None, 2 if role == "audit" else 1, "v",
        {"yes": 0.75, "no": 0.25}, "why", 0, 0.25, **{"hidden": role == "blind", **more},
    )  # fmt: skip


class Killed(BaseException):
    """kill -9 at this very moment."""


class Loop:
    """A project with pushed rounds, its experts, and workers that come and go."""

    def __init__(self, home: Path) -> None:
        self.settings = BackendSettings(home=home, llm="tiny", learning_rate=1e-3, resamples=100)
        self.studio = FakeStudio()
        self.scorer = FakeScorer()
        self.trained: list[int] = []
        self.fit = self.worker()

    def worker(self, **changes: Any) -> Fit:
        """A new worker process; what it knows is on disk."""
        self.settings = self.settings.model_copy(update=changes)
        self.fit = Fit(self.settings, self.studio, lambda: self.scorer, self.train)  # type: ignore[arg-type]
        return self.fit

    def train(self, *args: Any, **kwargs: Any) -> Any:
        self.trained.append(len(args[3]))
        return fake_train(*args, **kwargs)

    def push(self, round: int, tab: bool = True) -> list[int]:
        ids = []
        for i, role in enumerate(ROLES):
            name = f"{round}-{i}"
            card = card_of(name, round, i, role)
            text = f"{('green', 'red')[i % 2]} {'x' * i} {round}"
            body = {"data": {"text": text}, "meta": card.as_meta()}
            ids += self.studio.import_tasks(7, [body])
        if tab:
            self.studio.titles.append(tab_title(round))
        return ids

    def answer(self, ids: Sequence[int], only: str | None = None) -> None:
        """Experts 1 and 2 answer what they are asked; `only`: always the same."""
        for task in ids:
            body = self.studio.bodies[task]
            label = only or TRUTH[body["data"]["text"].split()[0]]
            for expert in (1, 2)[: body["meta"]["crux"]["experts"]]:
                self.studio.answer(task, label, expert)

    @property
    def current(self) -> str | None:
        return self.fit.registry.current(7)

    @property
    def records(self) -> list[Record]:
        return self.fit.registry.records(7)

    def predictions(self) -> dict[int, list[str]]:
        return {
            number: [p["model_version"] for p in body["predictions"]]
            for number, body in self.studio.bodies.items()
            if body["predictions"]
        }


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


def run(loop: Loop) -> Record:
    record = loop.fit.run(7)
    assert record is not None
    return record


def trained(loop: Loop, round: int = 0) -> Record:
    loop.answer(loop.push(round))
    return run(loop)


# when


def test_nothing_is_done_before_the_last_verdict_of_the_round(loop: Loop) -> None:
    ids = loop.push(0)
    loop.answer(ids[:-1])
    assert loop.fit.run(7) is None
    loop.answer(ids[-1:])
    record = loop.fit.run(7)
    assert record is not None
    assert (record.round, record.complete, record.promoted) == (0, True, True)
    assert (record.labels, record.labels_bought) == (8, 8 + 8)
    assert (loop.current, loop.trained) == (record.version, [8])


def test_looking_again_does_nothing_again(loop: Loop) -> None:
    record = trained(loop)
    before = len(loop.scorer.asked)
    assert loop.fit.run(7) is None
    assert loop.worker().run(7) is None
    assert (loop.records, loop.trained, len(loop.scorer.asked)) == ([record], [8], before)


def test_a_round_whose_push_is_not_finished_is_not_trained_on(loop: Loop) -> None:
    loop.answer(loop.push(0, tab=False))
    assert loop.fit.run(7) is None
    loop.studio.titles.append(tab_title(0))
    assert loop.fit.run(7) is not None


def test_start_training_trains_early_and_completion_trains_again(loop: Loop) -> None:
    ids = loop.push(0)
    loop.answer(ids[:4])
    early = loop.fit.run(7, forced=True)
    assert early is not None
    assert (early.complete, early.labels, early.labels_bought) == (False, 4, 4)
    assert loop.fit.run(7) is None
    loop.answer(ids[4:])
    late = loop.fit.run(7)
    assert late is not None
    assert (late.complete, late.labels) == (True, 8)
    assert loop.records == [late]
    assert loop.trained == [4, 8]
    assert loop.fit.run(7) is None


def test_training_starts_by_itself_after_so_many_new_verdicts(loop: Loop) -> None:
    loop.worker(train_after=3)
    ids = loop.push(0)
    loop.answer(ids[:2])
    assert loop.fit.run(7) is None
    loop.answer(ids[2:4])
    assert run(loop).labels_bought == 4
    assert loop.fit.run(7) is None
    loop.answer(ids[4:])
    assert run(loop).complete is True
    assert loop.fit.run(7) is None


def test_a_deleted_task_does_not_hold_up_its_round(loop: Loop) -> None:
    ids = loop.push(0)
    loop.answer(ids[:-1])
    loop.studio.delete_tasks(7, ids[-1:])
    assert run(loop).labels_bought == 14


def test_a_skipped_text_waits_for_the_other_expert(loop: Loop) -> None:
    ids = loop.push(0)
    loop.answer(ids[1:])
    loop.studio.answer(ids[0], None, 1)
    assert loop.fit.run(7) is None
    loop.studio.answer(ids[0], "yes", 2)
    assert run(loop).labels == 8


def test_a_text_that_everybody_skipped_is_given_up_and_teaches_nothing(loop: Loop) -> None:
    ids = loop.push(0)
    loop.answer(ids[1:])
    for expert in (1, 2):
        loop.studio.answer(ids[0], None, expert)
    assert run(loop).labels == 7


def test_start_training_without_any_pushed_task_says_so(loop: Loop) -> None:
    assert loop.fit.run(7) is None
    with pytest.raises(RoundError, match="Run crux round first"):
        loop.fit.run(7, forced=True)


# one label only


def test_start_training_on_one_label_says_what_is_missing(loop: Loop) -> None:
    ids = loop.push(0)
    with pytest.raises(RoundError, match="two labels at least, and there are none. Label more"):
        loop.fit.run(7, forced=True)
    loop.answer(ids[:3], only="no")
    with pytest.raises(RoundError, match="two labels at least, and all 3 are 'no'. Label more"):
        loop.fit.run(7, forced=True)
    assert loop.records == []


@pytest.mark.parametrize("only", ["no", None])
def test_a_finished_round_of_one_label_is_measured_so_that_the_next_one_can_be_bought(
    loop: Loop, only: str | None
) -> None:
    ids = loop.push(0)
    if only:
        loop.answer(ids, only=only)
    else:
        for task in ids:
            for expert in (1, 2):
                loop.studio.answer(task, None, expert)
    record = loop.fit.run(7)
    assert record is not None
    assert (record.settled, record.promoted, record.complete) == (True, False, True)
    assert record.version.startswith("prompted-")
    assert "two labels at least" in record.promotion
    assert (loop.trained, loop.current) == ([], None)
    assert loop.fit.run(7) is None
    assert trained(loop, 1).promoted is True


# kill -9


STEPS = [
    "trained", "built", "measured", "record", "pointer", "pointed", "imported", "model version",
    "settled",
]  # fmt: skip


def killing(loop: Loop, fit: Fit, step: str) -> None:
    """The worker dies right after `step`."""

    def after(
        thing: Any, name: str, when: Callable[..., bool] = lambda *a: True, once: bool = False
    ) -> None:
        real = getattr(thing, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done = real(*args, **kwargs)
            if when(*args):
                setattr(thing, name, real)
                raise Killed
            return done

        setattr(thing, name, call)

    def saved(stage: str) -> Callable[..., bool]:
        def is_it(project: int, record: Record) -> bool:
            now = (record.pointed, record.settled)
            return now == {"record": (False, False), "pointed": (True, False),
                           "settled": (True, True)}[stage]  # fmt: skip

        return is_it

    if step == "trained":
        after(fit._candidates, "_train")
    elif step == "built":
        after(fit.registry, "build", lambda project, version, fill: version.startswith("round"))
    elif step == "measured":
        after(module, "compare")
    elif step in ("record", "pointed", "settled"):
        after(fit.registry, "save_record", saved(step))
    elif step == "pointer":
        after(fit.registry, "promote")
    elif step == "imported":
        after(loop.studio, "import_predictions")
    else:
        after(loop.studio, "set_model_version")


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_killed_after_any_step_carries_on_and_does_nothing_twice(
    tmp_path: Path, step: str
) -> None:
    def state(loop: Loop) -> Any:
        registry = loop.fit.registry
        registry.sweep(7)
        return (
            loop.records,
            loop.current,
            loop.predictions(),
            loop.studio.model_version,
            [m.version for m in registry.versions(7)],
        )

    def story(home: Path, step: str | None) -> Loop:
        loop = Loop(home)
        loop.answer(loop.push(0))
        # a task of somebody else, still open
        loop.studio.import_tasks(7, [{"data": {"text": "green other"}}])
        if step is not None:
            killing(loop, loop.fit, step)
            with pytest.raises(Killed):
                loop.fit.run(7)
            loop.worker()
        loop.fit.run(7)
        assert loop.fit.run(7) is None
        return loop

    calm, killed = story(tmp_path / "calm", None), story(tmp_path / "killed", step)
    assert state(killed) == state(calm)
    assert len(killed.trained) == (2 if step == "trained" else 1)
    assert killed.predictions() == {13: [killed.current]}


@pytest.mark.parametrize("step", ["record", "pointer", "pointed", "imported"])
def test_a_worker_killed_after_the_button_imports_no_prediction_twice(
    loop: Loop, step: str
) -> None:
    loop.answer(loop.push(0))
    loop.studio.import_tasks(7, [{"data": {"text": "green other"}}])
    killing(loop, loop.fit, step)
    with pytest.raises(Killed):
        loop.fit.run(7, forced=True)
    loop.worker().run(7, forced=True)  # the button is remembered until it has been answered
    assert loop.predictions() == {13: [loop.current]}
    assert (loop.trained, len(loop.records)) == ([8], 1)


def test_an_import_that_is_cut_off_leaves_the_record_unsettled(loop: Loop) -> None:
    loop.answer(loop.push(0))
    loop.studio.import_tasks(7, [{"data": {"text": f"red {i}"}} for i in range(4)])
    loop.studio.cut, loop.studio.down_after = 2, 4
    with pytest.raises(StudioDown):
        loop.fit.run(7)
    assert list(loop.predictions()) == [13, 14]
    assert [r.settled for r in loop.records] == [False]
    loop.studio.up()
    assert loop.worker().run(7) is None
    assert loop.predictions() == {n: [loop.current] for n in (13, 14, 15, 16)}
    assert (loop.records[-1].settled, loop.trained) == (True, [8])


# who is in force


def test_a_rollback_between_two_looks_is_not_undone(loop: Loop) -> None:
    start = trained(loop).version
    prompted = next(m.version for m in loop.fit.registry.versions(7) if m.kind == "prompted")
    loop.fit.registry.promote(7, prompted)
    assert loop.fit.run(7) is None
    assert loop.worker().run(7) is None
    assert loop.current == prompted != start


def test_a_rollback_while_the_record_is_not_settled_is_not_undone_either(loop: Loop) -> None:
    loop.answer(loop.push(0))
    loop.studio.import_tasks(7, [{"data": {"text": "red"}}])
    loop.studio.down_after = 3
    with pytest.raises(StudioDown):
        loop.fit.run(7)
    prompted = next(m.version for m in loop.fit.registry.versions(7) if m.kind == "prompted")
    loop.fit.registry.promote(7, prompted)
    loop.studio.bodies[13]["predictions"].clear()
    loop.studio.up()
    loop.fit.run(7)
    assert loop.current == prompted
    assert loop.predictions() == {13: [prompted]}
    assert loop.records[-1].settled is True


def test_open_tasks_follow_the_version_that_somebody_promotes_and_new_imports_too(
    loop: Loop,
) -> None:
    record = trained(loop)
    ids = loop.studio.import_tasks(7, [{"data": {"text": "green other"}}])
    loop.fit.run(7)
    assert loop.predictions()[ids[0]] == [record.version]
    prompted = next(m.version for m in loop.fit.registry.versions(7) if m.kind == "prompted")
    loop.fit.registry.promote(7, prompted)
    loop.fit.run(7)
    loop.fit.run(7)
    assert loop.predictions()[ids[0]] == [record.version, prompted]
    assert loop.studio.model_version == prompted


def test_the_next_round_is_compared_with_what_was_promoted_by_hand(loop: Loop) -> None:
    trained(loop)
    prompted = next(m.version for m in loop.fit.registry.versions(7) if m.kind == "prompted")
    loop.fit.registry.promote(7, prompted)
    record = trained(loop, 1)
    assert (record.promoted, record.start) == (True, prompted)
    assert f"in place of {prompted}, which was never trained" in record.promotion


def test_a_few_items_replace_no_trained_version(loop: Loop) -> None:
    old = trained(loop).version
    record = trained(loop, 1)
    assert (record.promoted, record.version, loop.current) == (False, old, old)
    assert record.candidate.startswith("round1-")
    assert f"{old} stays, since whether {record.candidate} is worse cannot be told" in (
        record.promotion
    )


def test_a_significantly_worse_version_is_refused_and_the_old_one_stays(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = trained(loop).version
    for round in range(1, 6):  # a handful of audited texts could not tell
        trained(loop, round)
    loop.fit.registry.promote(7, good)

    def backwards(*args: Any, **kwargs: Any) -> Any:
        return fake_train(*args[:4], 1 - args[4], *args[5:], **kwargs)

    loop.fit = Fit(loop.settings, loop.studio, lambda: loop.scorer, backwards)  # type: ignore[arg-type]
    record = trained(loop, 6)
    assert (record.promoted, record.version, loop.current) == (False, good, good)
    assert "refused: it is worse than" in record.promotion
    assert record.candidate != good
    assert record.production_kappa.value is not None
    assert record.production_kappa.value > 0.9


def test_the_record_has_the_figures_of_the_version_in_force(loop: Loop) -> None:
    record = trained(loop)
    assert record.expert_kappa.value == 1.0
    # four texts on which all agree are no proof, so the value is below 1
    assert record.production_kappa.value == pytest.approx(0.74, abs=0.05)
    assert record.production_kappa.items == 4
    assert record.boundary_kappa.items == 2
    assert record.prevalence == {"yes": 0.5, "no": 0.5}
    assert record.gain is None
    second = trained(loop, 1)
    assert second.gain is not None
    assert second.gain.items == 8
    (again,) = second.earlier
    assert (again.round, again.version, again.kappa.items) == (0, record.version, 8)
    body = json.dumps(second.as_json(), allow_nan=False)
    assert Record.from_json(json.loads(body)) == second


def test_the_boundary_is_what_the_version_that_chose_believed_and_later_versions_learn_it(
    loop: Loop,
) -> None:
    """The cards say yes of every text: of the two blind ones that is right about one."""
    first, second = trained(loop), trained(loop, 1)
    for record in (first, second):
        assert (record.boundary_kappa.value, record.boundary_kappa.items) == (0.0, 2)
    taught = [name for name, _ in loop.fit.registry.get(7, second.candidate).examples]
    assert taught == [f"{round}-{i}" for round in (0, 1) for i in range(8)]


def test_audited_texts_teach_nothing_and_blind_ones_get_no_prediction(loop: Loop) -> None:
    record = trained(loop)
    examples = loop.fit.registry.get(7, record.version).examples
    assert examples == tuple((f"0-{i}", ("yes", "no")[i % 2]) for i in range(8))
    ids = loop.push(1)
    loop.fit.run(7, forced=True)
    assert sorted(loop.predictions()) == ids[:6]


def test_a_pair_that_an_older_crux_kept_from_teaching_teaches_now(loop: Loop) -> None:
    ids = loop.push(0)
    meta = loop.studio.bodies[ids[6]]["meta"]["crux"]
    meta |= {"role": "boundary", "experts": 2, "hidden": False, "blind": True}
    del meta["second"]
    loop.answer(ids)
    record = run(loop)
    examples = loop.fit.registry.get(7, record.version).examples
    assert [name for name, _ in examples] == [f"0-{i}" for i in range(8)]
    assert (record.labels, record.labels_bought) == (8, 17)
    assert record.boundary_kappa.items == 2
    assert loop.predictions() == {}


def test_the_balance_of_the_pool_is_told_by_the_audit(loop: Loop) -> None:
    record = trained(loop)
    made = loop.fit.registry.get(7, record.version)
    assert made.pool_prior == pytest.approx((0.5, 0.5))
    # audited texts, each with the same chance, and the one that is imagined
    assert made.drawn == pytest.approx(4 + 1)


def test_where_a_second_expert_is_asked_on_a_part_the_model_is_measured_on_all(
    loop: Loop,
) -> None:
    ids = loop.push(0)
    for task, experts in zip(ids[8:], (1, 2, 1, 2), strict=True):
        loop.studio.bodies[task]["meta"]["crux"] |= {"experts": experts, "second": 0.5}
    loop.answer(ids)
    record = run(loop)
    assert (record.complete, record.labels_bought) == (True, 8 + 6)
    assert record.production_kappa.items == 4
    assert record.expert_kappa.items == record.gap.items == 2
    assert record.production_kappa.value == pytest.approx(0.74, abs=0.05)


def test_experts_of_one_training_task_are_one_example_by_majority_and_ties_are_counted(
    loop: Loop,
) -> None:
    ids = loop.push(0)
    loop.answer(ids)
    loop.studio.answer(ids[0], "no", 2)  # tie
    loop.studio.answer(ids[1], "no", 2)
    record = loop.fit.run(7)
    assert record is not None
    assert (record.ties, record.labels, record.labels_bought) == (1, 7, 18)


# projects that change


def test_a_label_added_to_the_config_starts_from_the_prompted_model_again(loop: Loop) -> None:
    old = trained(loop).version
    loop.studio.schema = Schema(("yes", "no", "maybe"), "verdict", "text", "text")
    record = trained(loop, 1)
    assert record.promoted is True
    assert record.version != old
    assert loop.fit.registry.get(7, record.version).labels == ("yes", "no", "maybe")
    assert f"in place of {record.start}" in record.promotion
    assert record.labels == 16


def test_versions_of_other_labels_are_never_compared_with_those_of_now(loop: Loop) -> None:
    trained(loop)
    trained(loop, 1)
    loop.studio.schema = Schema(("no", "yes"), "verdict", "text", "text")
    third = trained(loop, 2)  # round 0's version is `patience` rounds back and says 0 for yes
    assert third.gain is None
    assert third.earlier == ()
    assert third.production_kappa.value == pytest.approx(0.92, abs=0.05)


def test_a_renamed_label_leaves_old_verdicts_out_and_the_loop_alive(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    trained(loop)
    loop.studio.schema = Schema(("good", "no"), "verdict", "text", "text")
    ids = loop.push(1)
    for task in ids:
        colour = loop.studio.bodies[task]["data"]["text"].split()[0]
        for expert in (1, 2):
            loop.studio.answer(task, {"green": "good", "red": "no"}[colour], expert)
    record = loop.fit.run(7)
    assert record is not None
    assert record.labels == 4 + 8  # the old "yes" are none of the labels
    assert "does not have (any more): it has good, no" in caplog.text
    caplog.clear()
    for _ in range(3):
        loop.fit.run(7)
    assert "does not have" not in caplog.text  # once, and not at every look


def test_labels_that_change_while_a_version_is_trained_get_none_of_its_predictions(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def train(*args: Any, **kwargs: Any) -> Any:
        loop.studio.schema = Schema(("yes", "no", "maybe"), "verdict", "text", "text")
        return fake_train(*args, **kwargs)

    loop.answer(loop.push(0))
    loop.studio.import_tasks(7, [{"data": {"text": "green other"}}])
    loop.fit._candidates._train = train
    record = loop.fit.run(7)
    assert record is not None
    assert (record.settled, loop.predictions()) == (True, {})
    for _ in range(3):
        loop.fit.run(7)
    said = f"the labels of {record.version} are yes, no, and those of the label config yes, no, "
    assert caplog.text.count(f"{said}maybe. The prompted model answers until Start") == 1


def test_a_config_that_changes_before_the_record_is_settled_does_not_block_the_loop(
    loop: Loop,
) -> None:
    loop.answer(loop.push(0))
    loop.studio.import_tasks(7, [{"data": {"text": "red"}}])
    loop.studio.down_after = 3
    with pytest.raises(StudioDown):
        loop.fit.run(7)
    loop.studio.up()
    loop.studio.bodies[13]["predictions"].clear()
    loop.studio.schema = Schema(("good", "bad"), "verdict", "text", "text")
    loop.fit.run(7)
    assert loop.records[-1].settled is True
    assert loop.predictions() == {}


def test_a_changed_policy_makes_new_versions_and_keeps_the_current_one_in_force(
    loop: Loop,
) -> None:
    old = trained(loop).version
    loop.studio.policy = "Is the text really good?"
    record = trained(loop, 1)
    assert (record.version, loop.current) == (old, old)
    assert loop.fit.registry.get(7, record.candidate).policy == "Is the text really good?"


def test_another_base_model_starts_from_its_own_prompted_version(loop: Loop) -> None:
    trained(loop)
    trained(loop, 1)
    loop.worker(llm="larger")
    record = trained(loop, 2)
    assert loop.fit.registry.get(7, record.version).model == "larger"
    assert f"in place of {record.start}" in record.promotion
    assert record.gain is None


def test_without_a_policy_training_says_where_to_write_one(loop: Loop) -> None:
    loop.answer(loop.push(0))
    loop.studio.policy = " "
    with pytest.raises(ProjectError, match="has no policy. Write it into"):
        loop.fit.run(7)
    assert loop.trained == []


# damage


def test_a_version_deleted_before_its_record_is_settled_is_trained_again(loop: Loop) -> None:
    loop.answer(loop.push(0))
    killing(loop, loop.fit, "record")
    with pytest.raises(Killed):
        loop.fit.run(7)
    version = loop.records[0].version
    shutil.rmtree(loop.worker().registry.path(7, version))
    record = loop.fit.run(7)
    assert record is not None
    assert (record.version, record.settled, loop.current) == (version, True, version)
    assert loop.trained == [8, 8]


def test_a_damaged_current_version_is_named_and_holds_up_no_round(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = trained(loop), trained(loop, 1).candidate
    loop.fit.registry.promote(7, second)
    folder = loop.fit.registry.path(7, second)
    (folder / "adapter_model.safetensors").write_text("{}")
    loop.answer(loop.push(2))
    record = loop.fit.run(7)
    assert record is not None
    assert (record.round, record.settled, loop.current) == (2, True, record.version)
    # what served meanwhile is what the new version is compared with
    assert f"in place of {first.version}, which answers in place of the one" in record.promotion
    assert f"The adapter of version {second!r} is missing or damaged" in caplog.text


def test_start_training_makes_a_damaged_version_again(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    version = trained(loop).version
    (loop.fit.registry.path(7, version) / "adapter_model.safetensors").write_text("{}")
    record = loop.fit.run(7, forced=True)
    assert record is not None
    assert (record.version, record.settled, loop.current) == (version, True, version)
    assert loop.fit.registry.adapter(7, loop.fit.registry.get(7, version)) is not None
    assert loop.trained == [8, 8]
    assert "It is made again now." in caplog.text


@pytest.mark.parametrize("body", ["", '{"versi', "[]"])
def test_start_training_sets_a_damaged_pointer_again(loop: Loop, body: str) -> None:
    version = trained(loop).version
    (loop.fit.registry.folder(7) / "current").write_text(body)
    with pytest.raises(VersionError, match="The pointer .* is damaged"):
        loop.fit.run(7)
    record = loop.fit.run(7, forced=True)
    assert record is not None
    assert (record.version, loop.current, loop.trained) == (version, version, [8])


def test_training_that_fails_leaves_everything_as_it_was(loop: Loop) -> None:
    before = trained(loop)

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise ModelError("The loss is no longer a number.")

    loop.answer(loop.push(1))
    broken = Fit(loop.settings, loop.studio, lambda: loop.scorer, fails)  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        broken.run(7)
    assert (loop.records, loop.current) == ([before], before.version)
    assert run(loop).round == 1


# parts


def test_open_tasks_are_those_that_an_expert_may_still_see_a_suggestion_for() -> None:
    studio = FakeStudio()
    said = {"result": [], "score": 0.5, "model_version": "v1"}
    bodies: list[dict[str, Any]] = [
        {"data": {"text": "open"}},
        {"data": {"text": "has it"}, "predictions": [said]},
        {"data": {"text": "blind"}, "meta": {"crux": {"blind": True}}},
        {"data": {"text": " "}},
        {"data": {"text": 7}},
        {"data": {}},
        {"data": {"text": "older one"}, "predictions": [{**said, "model_version": "v0"}]},
        {"data": {"text": "answered"}},
    ]
    studio.import_tasks(7, bodies)
    studio.answer(8, "yes", 1)
    assert [t.id for t in open_tasks(studio.tasks(7), "text", "v1")] == [1, 7]


def test_the_pools_balance_comes_from_the_tasks_drawn_at_random() -> None:
    studio = FakeStudio()
    drawn = [("a", "yes", 0.5), ("b", "no", 0.05), ("c", "no", 0.05), ("d", "yes", None)]
    for i, (name, label, chance) in enumerate(drawn):
        card = Card(name, 0, i, "train", name, chance, 1, "v", {"yes": 1.0}, "", 0, 0.25)
        studio.import_tasks(7, [{"data": {"text": name}, "meta": card.as_meta()}])
        studio.answer(i + 1, label, 1)
    examples = training_examples(collect(studio.tasks(7), SCHEMA))
    # by the weights 2, 20, 20, and one of 14 that is imagined
    assert examples.prior == pytest.approx([(2 + 7) / 56, (40 + 7) / 56])
    p = 9 / 56
    variance = ((2 * (1 - p)) ** 2 + 2 * (20 * p) ** 2 + 7**2) / 56**2
    assert examples.drawn == pytest.approx(p * (1 - p) / variance)
    only = [replace(item, card=replace(item.card, inclusion=None)) for item in examples.items]
    alone = training_examples(Collected(tuple(only), SCHEMA.labels, ()))
    assert (alone.prior.tolist(), alone.drawn) == (pytest.approx([3 / 6, 3 / 6]), 0.0)


def test_training_reads_as_much_of_a_text_as_scoring_does(loop: Loop) -> None:
    loop.worker(max_tokens=17)
    version = trained(loop).version
    assert loop.fit.registry.get(7, version).recipe["max_tokens"] == 17


def test_a_version_is_described_without_its_examples() -> None:
    manifest = Manifest("v", "trained", 0, "m", "p", ("a", "b"), examples=(("x", "a"), ("y", "b")))
    assert describe(manifest).examples == 2
    assert describe(manifest).labels == ("a", "b")
    assert describe(manifest).policy_hash == policy_hash("p", ("a", "b"))


def test_no_text_and_no_token_is_logged(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    trained(loop)
    assert "green" not in caplog.text
    assert "promoted" in caplog.text
