from typing import Any

import pytest

from selection.card import Card
from selection.collect import Collected
from selection.config import Settings
from selection.forecast import texts_needed
from selection.item import Item
from selection.record import ProjectState, Record, TrainingState
from selection.status import OpenRound, Status, status
from selection.types import Estimate
from tests import records
from tests.fakes import FakeStudio


def kappa(
    value: float | None, low: float | None = None, high: float | None = None, items: int = 64
) -> Estimate:
    if value is None:
        return Estimate.undefined(items, "one label only")
    return Estimate(value, low, high, items)


def record(round: int, **changes: Any) -> Record:
    """A round far from parity that still gains."""
    measured: dict[str, Any] = {
        "labels": 6 * (round + 1), "labels_bought": 18 * (round + 1), "train_seconds": 9.0,
        "expert_kappa": kappa(0.8, 0.7, 0.9), "expert_agreement": 0.9,
        "prevalence": {"yes": 0.2, "no": 0.8}, "boundary_kappa": kappa(0.3, 0.1, 0.5),
        "production_kappa": kappa(0.4, 0.2, 0.6),
        "start_kappa": kappa(0.1, -0.1, 0.3), "gap": kappa(-0.4, -0.6, -0.2),
    }  # fmt: skip
    return records.record(round, **{**measured, **changes})


def item(i: int, round: int, answered: int, experts: int = 1, role: str = "train") -> Item:
    chance = 0.1 if role == "audit" else None
    card = Card(f"i{i}", round, i, role, f"i{i}", chance, experts, "v", {"yes": 1.0}, "", 0, 0.25)
    return Item.judged(i, f"text {i}", card, {str(e): 0 for e in range(answered)})


def look(
    items: tuple[Item, ...] = (),
    rounds: tuple[Record, ...] = (),
    training: TrainingState | None = None,
    **more: Any,
) -> Status:
    backend = ProjectState(7, "round0-a", rounds=rounds, training=training or TrainingState())
    collected = Collected(items, ("yes", "no"), ("odd",))
    return status(Settings(project=7, **more), FakeStudio().project(7), collected, backend)


def test_an_empty_project_goes_on() -> None:
    now = look()
    assert (now.open_round, now.forecast, now.labels_bought) == (None, "", 0)
    assert now.as_json() == {
        "project": 7, "current": "round0-a", "labels_bought": 0, "rounds": [], "open": None,
        "stop": False, "decision": "go on", "reason": "No round is finished yet, so go on.",
        "training": TrainingState().as_json(), "forecast": "", "gained": "",
        "problems": ["odd"], "budget": 1000, "people": [], "preselections": [],
        "policy": {"now": "dde4f5f3", "pushed": "", "verdicts": {}, "version": ""},
        "seconds_a_verdict": None, "verdicts_that_teach": 0, "verdicts_that_measure": 0,
        "regions": [],
    }  # fmt: skip


def test_every_round_keeps_its_figures_and_gets_the_decision_of_its_time() -> None:
    rounds = (record(0), record(1), record(2))
    now = look((item(0, 2, 1),), rounds, max_rounds=2)
    assert [one.decision.rule for one in now.rounds] == ["go on", "budget", "budget"]
    assert [one.decision.stop for one in now.rounds] == [False, True, True]
    for before, after in zip(rounds, now.as_json()["rounds"], strict=True):
        assert Record.from_json(after) == before
        assert set(after) >= {
            "round", "labels", "version", "expert_kappa", "boundary_kappa", "production_kappa",
            "decision", "reason",
        }  # fmt: skip


def test_the_decision_now_counts_what_is_bought_now() -> None:
    items = tuple(item(i, 0, 2, 2) for i in range(10))
    assert look(items, (record(0, labels_bought=18),), budget=20).decision.rule == "budget"
    now = look(items, (record(0, labels_bought=18),), budget=21)
    assert (now.decision.stop, now.rounds[0].decision.stop) == (False, False)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"gap": kappa(0.0, -0.04, 0.04)}, "parity"),
        ({"gain": kappa(0.0, -0.04, 0.04)}, "plateau"),
        ({"expert_kappa": kappa(0.2, 0.1, 0.3)}, "policy"),
        ({"gap": kappa(None, None, None)}, "go on"),
        ({"gain": kappa(0.2, 0.1, 0.3)}, "go on"),
    ],
)
def test_each_rule_reads_its_figure_of_the_record(changes: dict[str, Any], rule: str) -> None:
    assert look((item(0, 0, 1),), (record(0, **changes),)).decision.rule == rule


def test_the_open_round_is_the_newest_with_what_it_lacks() -> None:
    items = (item(0, 0, 1), item(1, 1, 1), item(2, 1, 1, 2), item(3, 1, 3, 2))
    assert look(items, (record(0),)).open_round == OpenRound(
        1, 5, 1, False, "0 is done, 1 has 1 left and 2 has 1 left."
    )


@pytest.mark.parametrize(
    ("records", "measured"),
    [
        ((), False),
        ((record(0, settled=False),), False),
        ((record(0, complete=False),), False),
        ((record(0),), True),
        ((record(1),), False),
    ],
)
def test_a_round_is_measured_once_its_complete_record_is_settled(
    records: tuple[Record, ...], measured: bool
) -> None:
    now = look((item(0, 0, 1),), records)
    assert now.open_round is not None
    assert now.open_round.measured is measured


@pytest.mark.parametrize(
    ("training", "says"),
    [
        (TrainingState(), "All verdicts are there; the worker has not begun yet."),
        (TrainingState("failed", "one label."), "Training failed: one label."),
        (TrainingState("failed", "No memory.", failures=1, next_try="2026-11-24T22:41:07+00:00"),
         "Training failed: No memory. The next try is at 22:41 UTC; Start Training tries at once."),
        (TrainingState("failed", "No memory.", failures=3, next_try="2026-11-24T22:41:07+00:00"),
         "Training failed: No memory. It has failed 3 times in a row. The next try is at 22:41 "
         "UTC; Start Training tries at once."),
        (TrainingState("waiting", "LS is down."), "The worker waits: LS is down."),
        (TrainingState("training", "x: loss 0.5", 3, 9),
         "The worker is training (x: loss 0.5, 3 of 9)."),
        (TrainingState("evaluating", "measuring x"),
         "The worker is evaluating (measuring x)."),
    ],
)  # fmt: skip
def test_the_worker_is_told_in_a_sentence(training: TrainingState, says: str) -> None:
    assert look(training=training).training_sentence == says


def test_verdicts_are_counted_by_what_they_are_for() -> None:
    items = (
        item(0, 0, 1), item(1, 0, 2), item(2, 0, 0),
        item(3, 0, 1, role="audit"), item(4, 0, 2, 2, role="audit"), item(5, 1, 1, 2, role="audit"),
    )  # fmt: skip
    now = look(items)
    assert (now.taught, now.measured, now.labels_bought) == (3, 4, 7)
    body = now.as_json()
    assert (body["verdicts_that_teach"], body["verdicts_that_measure"]) == (3, 4)


@pytest.mark.parametrize(("experts", "verdicts"), [(1, 192), (2, 240), (3, 288)])
def test_the_forecast_counts_a_second_verdict_on_a_part_of_the_texts(
    experts: int, verdicts: int
) -> None:
    # half of [0.2, 0.6] is 0.2, twice of what is aimed at: four times the 64 items, 192 more;
    # of a quarter of them more than one expert is asked
    assert look(rounds=(record(0, prevalence={}),), experts=experts).forecast == (
        f"About 192 more audited texts ({verdicts} verdicts) to know production kappa to within "
        f"0.1."
    )


def test_the_forecast_is_the_larger_of_law_and_plan_and_says_what_it_costs() -> None:
    planned = texts_needed(0.2, 0.4, 0.1)
    assert planned is not None and planned > 256
    more = planned - 64
    assert f"About {more} more audited texts ({round(1.5 * more)} verdicts)" in (
        look(rounds=(record(0),), experts=3).forecast
    )
    wide = record(0, production_kappa=kappa(0.4, 0.0, 0.8, 64))
    assert "About 960 more audited texts (1,200 verdicts; the budget has 1,000 left) to know" in (
        look(rounds=(wide,)).forecast
    )


def test_the_forecast_ends_where_production_is_known() -> None:
    sure = record(0, production_kappa=kappa(0.4, 0.35, 0.45))
    assert look(rounds=(sure,)).forecast == "Production kappa is known to within 0.1."


def test_without_an_interval_the_forecast_is_what_was_planned() -> None:
    unknown = kappa(None, None, None, 20)
    planned = texts_needed(0.1, 0.6, 0.1)
    assert planned is not None and planned > 100
    more = planned - 20
    now = look(rounds=(record(0, production_kappa=unknown, prevalence={"yes": 0.1, "no": 0.9}),))
    assert now.forecast == (
        f"About {more} more audited texts ({round(1.25 * more)} verdicts) to know production kappa "
        "to within 0.1."
    )
    nobody = record(0, production_kappa=kappa(None, None, None, 0), prevalence={})
    assert look(rounds=(nobody,)).forecast == ""
