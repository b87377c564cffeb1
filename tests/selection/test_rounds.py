"""A pool of 120 texts in a circle; the model is sure far from the boundary and wrong nowhere."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selection.cache import Cache
from selection.collect import collect
from selection.config import Settings
from selection.embed import folder_of
from selection.errors import (
    BackendError,
    PoolError,
    ProjectError,
    RoundError,
    SettingError,
    StudioDown,
)
from selection.lock import alone
from selection.outcome import Outcome
from selection.permanent import permanent
from selection.push import PAUSES, tab_title
from selection.record import TrainingState, Version
from selection.rounds import Rounds
from selection.second import LEAST, MOST, asks_all
from selection.status import status
from selection.studio.schema import Schema
from selection.studio.task import prediction
from selection.twin import push_twins
from selection.types import Estimate
from selection.words import definitions, phrases
from tests.fakes import SCHEMA, FakeBackend, FakeStudio
from tests.selection.test_status import record

SIZE = 120


class Killed(BaseException):
    """kill -9 at this very moment."""


def rule(text: str) -> Sequence[float]:
    angle = float(text.split()[1]) / SIZE * 2 * np.pi
    yes = 1 / (1 + np.exp(-3 * np.sin(angle)))
    return yes, 1 - yes


class Loop:
    """A project, a pool file and the one who runs `crux round`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.studio = FakeStudio()
        self.backend = FakeBackend(rule)
        self.said: list[tuple[str, int, int]] = []
        self.pool = home / "pool.csv"
        self.write(range(SIZE))
        self.changes: dict[str, Any] = {}

    def write(self, rows: Sequence[int]) -> None:
        with self.pool.open("w", newline="") as out:
            csv.writer(out).writerows([("id", "text"), *((f"r{i:03d}", f"text {i}") for i in rows)])
        angle = np.array(rows) / SIZE * 2 * np.pi
        vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
        # what the embedder would say, so that none is loaded
        cache = Cache(self.home / "vectors" / folder_of("offline"))
        cache.put([f"text {i}" for i in rows], vectors)

    def know_words(self) -> None:
        """What the embedder would say of the labels: yes is at the top of the circle."""
        said = definitions(self.studio.policy, self.studio.schema.labels)
        cache = Cache(self.home / "vectors" / folder_of("offline"))
        for one, up in zip(said, (1.0, -1.0), strict=True):
            texts = [*dict.fromkeys((one, *phrases(one)))]
            cache.put(texts, np.array([[0.0, up]] * len(texts), dtype=np.float32))

    @property
    def rounds(self) -> Rounds:
        settings = Settings(
            **{"project": 7, "home": self.home, "pool": str(self.pool), "per_round": 8,
               "audit_per_round": 6, "max_rounds": 9, "preannotate_above": -1.0, "blind_share": 0.0,
               **self.changes}
        )  # fmt: skip
        studio: Any = self.studio
        backend: Any = self.backend
        return Rounds(settings, studio, backend, self.say)

    def say(self, step: str, done: int, total: int) -> None:
        self.said.append((step, done, total))

    def round(self, **changes: Any) -> Outcome:
        said = {name: changes.pop(name) for name in ("anyway", "new_policy") if name in changes}
        self.changes |= changes
        self.know_words()
        return self.rounds.round(**said)

    def cards(self, round: int | None = None) -> list[dict[str, Any]]:
        cards = [body["meta"]["crux"] for body in self.studio.bodies.values() if body["meta"]]
        return [c for c in cards if not c["twin"] and (round is None or c["round"] == round)]

    def answer(self) -> None:
        """Experts 1 and 2 answer; the second one gets twins, as the worker pushes them."""
        for expert in (1, 2):
            for number, body in self.studio.bodies.items():
                if not body["is_labeled"]:
                    yes = rule(body["data"]["text"])[0] > 0.5
                    self.studio.answer(number, "yes" if yes else "no", expert)
            studio: Any = self.studio
            push_twins(studio, studio.project(7), collect(studio.tasks(7), SCHEMA))

    def train(self, **changes: Any) -> None:
        """What the worker does once all verdicts are there."""
        round = max(card["round"] for card in self.cards())
        self.backend.records.append(record(round, **changes))
        if not self.backend.listed:  # the version that answers has learned something by now
            labels = self.backend.labels
            made = Version(self.backend.version, "trained", round, "llm", "policy", labels)
            self.backend.listed.append(made)

    def complete(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            assert self.round().state == "pushed"
            self.answer()
            self.train()


@pytest.fixture
def loop(tmp_path: Path) -> Loop:
    return Loop(tmp_path)


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a retry would have waited."""
    naps: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", naps.append)
    return naps


# from state to state


def test_the_first_round_is_pushed_and_then_waits_trains_and_is_followed_by_the_next(
    loop: Loop,
) -> None:
    first = loop.round()
    assert (first.state, first.round, first.tasks) == ("pushed", 0, len(loop.studio.bodies))
    assert loop.studio.titles == ["Crux round 0"]
    asked = sum(card["experts"] for card in loop.cards())
    assert f"{asked} verdicts are asked for" in first.message
    waits = loop.round()
    assert (waits.state, waits.tasks) == ("waiting", 0)
    assert f"still waits for {asked} of {asked} verdicts" in waits.message
    loop.answer()
    trains = loop.round()
    assert (trains.state, trains.message) == (
        "training", "All verdicts are there; the worker has not begun yet."
    )  # fmt: skip
    loop.train()
    second = loop.round()
    assert (second.state, second.round) == ("pushed", 1)
    names = [card["id"] for card in loop.cards()]
    assert len(set(names)) == len(names)


def test_what_is_pushed_says_why_and_what_the_model_thought(loop: Loop) -> None:
    loop.complete()
    loop.round()
    for body in loop.studio.bodies.values():
        card = body["meta"]["crux"]
        yes = rule(body["data"]["text"])[0]
        assert card["belief"] == {"yes": round(yes, 4), "no": round(1 - yes, 4)}
        assert (body["overlap"], bool(body["predictions"])) == (
            (1, card["role"] == "train")
        )
    assert {card["role"] for card in loop.cards(0)} == {"train", "audit"}
    assert {card["role"] for card in loop.cards(1)} == {"train", "audit"}
    assert loop.studio.model_version == "v1"


def test_every_round_draws_exactly_as_many_audited_texts_as_the_setting_says(loop: Loop) -> None:
    loop.complete(rounds=3)
    for round in range(3):
        roles = [card["role"] for card in loop.cards(round)]
        assert (roles.count("train"), roles.count("audit")) == (8, 6)


def test_the_backend_gets_drawn_texts_of_the_pool_with_their_weights(loop: Loop) -> None:
    loop.round()
    sample = loop.backend.sampled
    pool = {f"text {i}" for i in range(SIZE)}
    teaching = {
        body["data"]["text"]
        for body in loop.studio.bodies.values()
        if body["meta"]["crux"]["role"] == "train"
    }
    assert teaching
    assert len(sample.texts) > 20
    assert set(sample.texts) <= pool
    assert all(weight >= 1 for weight in sample.weight)
    # what is bought to teach is never among them
    ids = np.array([f"r{int(text.split()[1]):03d}" for text in sample.texts], dtype=object)
    assert (permanent(ids, 0) < 0.25).all()
    loop.answer()
    loop.train()
    loop.round()
    assert not teaching & set(loop.backend.sampled.texts)


# second verdicts


def audited(loop: Loop, round: int) -> list[dict[str, Any]]:
    return [card for card in loop.cards(round) if card["role"] == "audit"]


def test_a_second_expert_is_asked_on_a_part_of_the_audit_and_the_card_says_the_chance(
    loop: Loop,
) -> None:
    loop.round(audit_per_round=20)
    cards = audited(loop, 0)
    assert len(cards) == 20
    assert {card["second"] for card in cards} == {LEAST}
    expected = [2 if asks_all(card["id"], LEAST) else 1 for card in cards]
    assert [card["experts"] for card in cards] == expected
    assert {1, 2} == set(expected)
    assert {(c["experts"], c["second"]) for c in loop.cards(0) if c["role"] == "train"} == {(1, 1)}


def test_more_second_verdicts_are_asked_while_the_experts_kappa_is_not_known_well(
    loop: Loop,
) -> None:
    # the width is twice of what is wanted, so that 8 texts lack 24, and half of those are asked: 12
    loop.round(experts_width=0.4)
    loop.answer()
    loop.train(expert_kappa=Estimate(0.5, 0.1, 0.9, 8))
    loop.round(audit_per_round=25)
    assert {card["second"] for card in audited(loop, 1)} == {12 / 25}
    loop.answer()
    loop.train(expert_kappa=Estimate(0.8, 0.7, 0.9, 40))
    loop.round(audit_per_round=5)
    assert {card["second"] for card in audited(loop, 2)} <= {LEAST}


def test_a_width_that_no_round_reaches_asks_all_experts_about_half_of_the_audit(
    loop: Loop,
) -> None:
    loop.complete()
    loop.round(experts_width=0.01)
    assert {card["second"] for card in audited(loop, 1)} == {MOST}


def test_a_failed_training_is_told(loop: Loop) -> None:
    loop.round()
    loop.answer()
    loop.backend.training = TrainingState("failed", "one label")
    assert loop.round().message == "Training failed: one label"


def test_the_stop_rule_holds_the_next_round_unless_told_otherwise(loop: Loop) -> None:
    loop.complete()
    outcome = loop.round(max_rounds=1)
    assert (outcome.state, outcome.message) == ("stop", "The last planned round is done: 1 of 1.")
    assert outcome.decision is not None and outcome.decision.rule == "budget"
    assert loop.round(anyway=True).state == "pushed"
    assert loop.round(anyway=True).state == "waiting"


def test_a_round_trained_early_is_not_finished(loop: Loop) -> None:
    loop.round()
    loop.answer()
    loop.train(complete=False)
    assert loop.round().state == "training"
    loop.backend.records[-1] = record(0)
    assert loop.round().state == "pushed"


def test_a_task_deleted_can_be_bought_again_and_holds_nothing_up(loop: Loop) -> None:
    loop.round(per_round=60, audit_reserve=0.2)
    deleted = next(n for n, b in loop.studio.bodies.items() if b["meta"]["crux"]["role"] == "train")
    name = loop.studio.bodies[deleted]["meta"]["crux"]["id"]
    loop.studio.delete_tasks(7, [deleted])
    loop.answer()
    loop.train()
    assert loop.round(per_round=100).state == "pushed"
    assert name in [card["id"] for card in loop.cards(1)]


def test_rows_added_to_the_pool_are_seen_and_copies_of_bought_texts_are_not_bought(
    loop: Loop,
) -> None:
    loop.complete()
    bought = {card["id"] for card in loop.cards()}
    text = next(iter(loop.studio.bodies.values()))["data"]["text"]
    with loop.pool.open("a", newline="") as out:
        csv.writer(out).writerows([("a-copy", text), ("added", "text 0.5")])
    Cache(loop.home / "vectors" / folder_of("offline")).put(
        ["text 0.5"], np.array([[1.0, 0.0]], dtype=np.float32)
    )
    loop.round(per_round=200, audit_reserve=loop.changes.get("audit_reserve", 0.25))
    new = {card["id"] for card in loop.cards(1)}
    bodies = loop.studio.bodies.values()
    texts = [body["data"]["text"] for body in bodies if body["meta"]["crux"]["twin"] == 0]
    assert len(set(texts)) == len(texts)
    assert not bought & new
    assert "a-copy" not in new


# what is read


def test_a_round_reads_the_projects_tasks_once(loop: Loop) -> None:
    loop.complete(rounds=2)
    known = len(loop.studio.bodies)
    loop.studio.read.clear()
    assert loop.round().state == "pushed"
    # beside all tasks: what has come in before the import, which is nothing, and after it
    assert loop.studio.read == [known, 0, len(loop.studio.bodies) - known]


@pytest.mark.parametrize("state", ["waiting", "training", "stop"])
def test_a_round_that_pushes_nothing_reads_the_tasks_once(loop: Loop, state: str) -> None:
    loop.round()
    if state != "waiting":
        loop.answer()
    if state == "stop":
        loop.train()
    loop.studio.calls.clear()
    assert loop.round(max_rounds=1).state == state
    assert loop.studio.calls == ["project", "tasks", "tabs"]


def test_status_and_report_read_the_tasks_once(loop: Loop) -> None:
    loop.complete()
    for look in (loop.rounds.status, loop.rounds.everything, loop.rounds.progress):
        loop.studio.calls.clear()
        look()
        assert loop.studio.calls == ["project", "tasks"]


# cut off


@pytest.mark.parametrize("step", ["order", "import_tasks", "create_tab"])
def test_a_round_killed_at_any_step_is_the_same_round_in_the_end(tmp_path: Path, step: str) -> None:
    calm = Loop(tmp_path / "calm") if (tmp_path / "calm").mkdir() is None else None
    assert calm is not None
    calm.round()
    (tmp_path / "killed").mkdir()
    loop = Loop(tmp_path / "killed")
    thing: Any = loop.studio
    if step == "order":
        loop.studio.before_import = lambda: _raise()
    elif step == "import_tasks":
        real = thing.import_tasks

        def some(project: int, tasks: Sequence[Any]) -> list[int]:
            thing.import_tasks = real
            real(project, tasks[:5])
            raise Killed

        thing.import_tasks = some
    else:
        real = getattr(thing, step)

        def last(*args: Any) -> None:
            setattr(thing, step, real)
            raise Killed

        setattr(thing, step, last)
    try:
        loop.round()
    except Killed:
        asked = loop.backend.read
        assert loop.round().state == "resumed"
        assert loop.backend.read == asked  # nothing is chosen anew
    assert loop.cards() == calm.cards()
    assert loop.studio.titles == ["Crux round 0"]
    assert loop.studio.model_version == "v1"
    assert loop.round().state == "waiting"


def _raise() -> None:
    raise Killed


def test_a_label_studio_that_fails_once_during_a_push_is_asked_again(
    loop: Loop, naps: list[float]
) -> None:
    def fail() -> None:
        raise StudioDown("Label Studio answered 500.")

    loop.studio.before_import = fail
    outcome = loop.round()
    assert (outcome.state, outcome.tasks) == ("pushed", len(loop.cards()))
    assert loop.studio.titles == ["Crux round 0"]
    assert ("Label Studio answered 500. Trying again in 1 s.", 0, 0) in loop.said
    assert naps == [1.0]


def test_a_label_studio_that_stays_down_ends_the_push_and_says_how_to_go_on(
    loop: Loop, naps: list[float]
) -> None:
    loop.studio.down_after = 4
    with pytest.raises(StudioDown, match="answer. What is pushed stays; run crux round again"):
        loop.round()
    assert naps == list(PAUSES)


def test_a_cut_off_round_whose_file_is_lost_is_what_has_arrived(loop: Loop) -> None:
    loop.studio.down_after, loop.studio.cut = 4, 5
    with pytest.raises(StudioDown):
        loop.round()
    loop.studio.up()
    assert len(loop.studio.bodies) == 5
    (loop.home / "rounds/7/round-0.json").unlink()
    outcome = loop.round()
    assert (outcome.state, outcome.tasks) == ("resumed", 0)
    assert (len(loop.studio.bodies), loop.studio.titles) == (5, ["Crux round 0"])
    assert loop.round().state == "waiting"


def test_a_choice_for_other_labels_that_never_arrived_is_made_anew(loop: Loop) -> None:
    loop.studio.before_import = _raise
    with pytest.raises(Killed):
        loop.round()
    loop.studio.schema = Schema(("good", "bad"), "verdict", "text", "text")
    loop.backend.labels = ("good", "bad")
    loop.backend.versions = ("v2",)
    assert loop.round().state == "pushed"
    assert {tuple(card["belief"]) for card in loop.cards()} == {("good", "bad")}


def test_a_damaged_file_is_named(loop: Loop) -> None:
    loop.studio.before_import = _raise
    with pytest.raises(Killed):
        loop.round()
    (loop.home / "rounds/7/round-0.json").write_text("{")
    with pytest.raises(RoundError, match=r"round-0\.json is damaged .* Delete it"):
        loop.round()


def test_two_at_once_are_one(loop: Loop) -> None:
    message = "Another crux round is at work on project 7. Wait for it, or end it."
    with alone(loop.rounds.folder, 7), pytest.raises(RoundError, match=message):
        loop.round()
    assert loop.round().state == "pushed"


# what cannot be


def test_labels_of_the_backend_that_are_not_the_projects_buy_nothing(loop: Loop) -> None:
    loop.backend.labels = ("no", "yes")
    with pytest.raises(ProjectError, match="Run the command again in a minute"):
        loop.round()
    assert loop.studio.bodies == {}


def test_a_pool_that_is_bought_up_says_so(loop: Loop) -> None:
    loop.write(range(6))
    loop.complete()
    while True:
        try:
            loop.complete()
        except PoolError as error:
            assert "Add rows to" in str(error)
            break
    names = [card["id"] for card in loop.cards()]
    assert len(set(names)) == len(names)


def test_a_budget_larger_than_the_pool_buys_what_there_is(loop: Loop) -> None:
    outcome = loop.round(per_round=5_000, audit_per_round=5_000)
    assert outcome.tasks == len({card["id"] for card in loop.cards()}) <= SIZE


def test_a_round_larger_than_one_request_is_read_in_parts(loop: Loop) -> None:
    loop.round(per_round=100, audit_per_round=20, audit_reserve=0.1)
    assert max(len(texts) for texts in loop.backend.asked) <= 64


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"pool": ""}, SettingError, "No pool is set"),
        ({"pool": "project:7"}, SettingError, "must name another project than 7"),
        ({"pool": "project:x"}, SettingError, "must name another project"),
        ({"pool": "project:²"}, SettingError, "must name another project"),
        ({"pool": "project:"}, SettingError, "must name another project"),
        ({"pool": "nowhere.csv"}, PoolError, "There is no pool at 'nowhere.csv'"),
        ({"text_column": "tekst"}, PoolError, "has no column 'tekst'"),
    ],
)
def test_a_wrong_setting_is_named_before_anything_is_bought(
    loop: Loop, changes: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        loop.round(**changes)
    assert loop.studio.bodies == {}


def test_without_a_project_nothing_can_be_done(loop: Loop) -> None:
    with pytest.raises(SettingError, match="No project is set"):
        loop.round(project=0)


def test_a_home_that_cannot_be_written_is_named(loop: Loop) -> None:
    (loop.home / "file").write_text("")
    with pytest.raises(SettingError, match="Choose another folder with the setting home"):
        loop.round(home=loop.home / "file" / "crux")


def test_a_backend_that_is_down_loses_nothing(loop: Loop) -> None:
    loop.backend.down = True
    with pytest.raises(BackendError):
        loop.round()
    loop.backend.down = False
    assert loop.round().state == "pushed"


def test_rows_that_cannot_be_used_are_kept_aside_and_told(loop: Loop) -> None:
    with loop.pool.open("a", newline="") as out:
        csv.writer(out).writerows([("empty", " "), ("none",)])
    loop.round()
    aside = (loop.home / "rounds/7/aside.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in aside] == [
        "the text is empty", "the text is missing (or the line has too few columns)",
    ]  # fmt: skip
    assert any("2 rows of the pool cannot be used" in step for step, _, _ in loop.said)


def test_the_pool_may_be_another_project(loop: Loop) -> None:
    class Two(FakeStudio):
        """Project 12 holds the texts, 7 is where experts label."""

        def __init__(self) -> None:
            super().__init__()
            self.other = FakeStudio()
            self.other.import_tasks(12, [{"data": {"text": f"text {i}"}} for i in range(SIZE)])
            self.other.import_tasks(12, [{"data": {"text": 7}}, {"data": {}}])

        def tasks(self, project_id: int, *rest: Any, **named: Any) -> Any:
            told = self.other if project_id == 12 else super()
            return told.tasks(project_id, *rest, **named)

    loop.studio = Two()
    assert loop.round(pool="project:12").state == "pushed"
    assert all(card["id"].startswith("task-") for card in loop.cards())
    assert any("2 rows of the pool cannot be used, first task 121" in s for s, _, _ in loop.said)


# while it waits


def test_progress_tells_what_the_newest_round_waits_for(loop: Loop) -> None:
    assert loop.rounds.progress().finished
    loop.round()
    asked = sum(card["experts"] for card in loop.cards())
    waiting = loop.rounds.progress()
    assert (waiting.step, waiting.done, waiting.total) == ("verdicts of experts", 0, asked)
    loop.answer()
    assert loop.rounds.progress().step == "the worker begins"
    loop.backend.training = TrainingState("training", "round0-a: loss 0.5", 3, 9)
    training = loop.rounds.progress()
    assert (training.step, training.done, training.total) == (
        "training, round0-a: loss 0.5", 3, 9,
    )  # fmt: skip
    loop.backend.training = TrainingState("failed", "one label", 3, 9)
    failed = loop.rounds.progress()
    assert (failed.failed, failed.message) == (True, "Training failed: one label")
    loop.train()
    assert loop.rounds.progress().finished


# the end


def test_the_loop_ends_with_a_version_that_learns_from_everything(loop: Loop) -> None:
    with pytest.raises(RoundError, match="nothing to learn from yet. Run crux round first"):
        loop.rounds.finish()
    loop.round()
    assert loop.rounds.finish().state == "waiting"
    loop.answer()
    assert loop.rounds.finish().state == "training"
    assert loop.backend.lasted == []
    loop.train()
    said = loop.rounds.finish()
    assert (said.state, said.round, loop.backend.lasted) == ("finishing", 0, [7])
    verdicts = sum(card["experts"] for card in loop.cards())
    assert said.message == (
        f"The loop ends after round 0. One last version learns from all {verdicts} verdicts, the "
        f"audit's too; nothing is left to measure it with, so its kappa is quoted as that of v1."
    )
    assert not loop.rounds.finishing().finished
    loop.backend.training = TrainingState("training", "final0-a: loss 0.5", 3, 9)
    assert loop.rounds.finishing().step == "training, final0-a: loss 0.5"
    loop.backend.training = TrainingState("failed", "one label")
    failed = loop.rounds.finishing()
    assert (failed.failed, failed.message) == (True, "one label")
    loop.backend.training = TrainingState()
    loop.backend.records[-1] = record(0, final="final0-a")
    made = loop.rounds.finishing()
    assert (made.finished, made.message) == (True, "final0-a")


def test_everything_is_the_project_what_was_bought_and_the_table(loop: Loop) -> None:
    loop.complete()
    project, collected, now = loop.rounds.everything()
    assert project.id == 7
    assert collected.labels_bought == sum(card["experts"] for card in loop.cards())
    assert now == status(loop.rounds.settings, project, collected, loop.backend.project(7))
    assert now == loop.rounds.status()


def test_a_kept_prediction_is_one_that_label_studio_takes(loop: Loop) -> None:
    loop.round()
    body = next(b for b in loop.studio.bodies.values() if b["predictions"])
    card = body["meta"]["crux"]
    best = max(card["belief"], key=card["belief"].__getitem__)
    (shown,) = body["predictions"]
    assert shown == {"id": shown["id"], **prediction(SCHEMA, best, card["belief"][best], "v1")}
    assert tab_title(0) in loop.studio.titles
