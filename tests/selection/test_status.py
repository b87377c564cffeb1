from typing import Any

import pytest

from selection.card import Card
from selection.collect import Collected, Item
from selection.config import Settings
from selection.forecast import texts_needed
from selection.status import OpenRound, Status, estimate, status
from selection.types import Estimate


def kappa(value: float | None, low: float | None, high: float | None, items: int = 64) -> Any:
    if value is None:
        return Estimate.undefined(items, "one label only").as_json()
    return Estimate(value, low, high, items).as_json()


def record(round: int, **changes: Any) -> dict[str, Any]:
    """A round's record as the backend keeps it: far from parity, and still gaining."""
    return {
        "round": round, "complete": True, "labels": 6 * (round + 1),
        "labels_bought": 18 * (round + 1), "version": f"round{round}-a",
        "candidate": f"round{round}-a", "promoted": True, "promotion": "it is not worse.",
        "ties": 0, "train_seconds": 9.0, "settled": True,
        "expert_kappa": kappa(0.8, 0.7, 0.9), "expert_agreement": 0.9,
        "prevalence": {"yes": 0.2, "no": 0.8}, "boundary_kappa": kappa(0.3, 0.1, 0.5),
        "boundary_expert_kappa": kappa(0.5, 0.3, 0.7), "production_kappa": kappa(0.4, 0.2, 0.6),
        "start_kappa": kappa(0.1, -0.1, 0.3), "gap": kappa(-0.4, -0.6, -0.2), "gain": None,
        **changes,
    }  # fmt: skip


def item(i: int, round: int, answered: int, experts: int = 1) -> Item:
    card = Card(
        f"i{i}", round, i, "train", f"i{i}", None, "no", experts, "v", {"yes": 1.0}, "", 0, 0.25
    )
    return Item(i, f"text {i}", card, {str(e): 0 for e in range(answered)}, answered)


def look(
    items: tuple[Item, ...] = (), rounds: tuple[dict[str, Any], ...] = (), **more: Any
) -> Status:
    training = more.pop("training", {"state": "idle", "message": "", "done": 0, "total": 0})
    backend = {"project": 7, "current": "round0-a", "rounds": list(rounds), "training": training}
    return status(Settings(project=7, **more), Collected(items, ("yes", "no"), ("odd",)), backend)


def test_an_empty_project_goes_on() -> None:
    now = look()
    assert (now.open_round, now.forecast, now.labels_bought) == (None, "", 0)
    assert now.as_json() == {
        "project": 7, "current": "round0-a", "labels_bought": 0, "rounds": [], "open": None,
        "stop": False, "decision": "go on", "reason": "No round is finished yet, so go on.",
        "training": {"state": "idle", "message": "", "done": 0, "total": 0}, "forecast": "",
        "problems": ["odd"],
    }  # fmt: skip


def test_every_round_keeps_its_figures_and_gets_the_decision_of_its_time() -> None:
    rounds = (record(0), record(1), record(2))
    now = look((item(0, 2, 1),), rounds, max_rounds=2)
    assert [r["decision"] for r in now.rounds] == ["go on", "budget", "budget"]
    assert [r["stop"] for r in now.rounds] == [False, True, True]
    for before, after in zip(rounds, now.as_json()["rounds"], strict=True):
        assert {key: after[key] for key in before} == before
        assert set(after) >= {
            "round", "labels", "version", "expert_kappa", "boundary_kappa", "production_kappa",
            "decision", "reason",
        }  # fmt: skip


def test_the_decision_now_counts_what_is_bought_now() -> None:
    items = tuple(item(i, 0, 2, 2) for i in range(10))
    assert look(items, (record(0, labels_bought=18),), budget=20).decision.rule == "budget"
    now = look(items, (record(0, labels_bought=18),), budget=21)
    assert (now.decision.stop, now.rounds[0]["stop"]) == (False, False)


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
    assert look(items, (record(0),)).open_round == OpenRound(1, 5, 1, False)


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
    records: tuple[dict[str, Any], ...], measured: bool
) -> None:
    now = look((item(0, 0, 1),), records)
    assert now.open_round is not None
    assert now.open_round.measured is measured


@pytest.mark.parametrize(
    ("training", "says"),
    [
        ({}, "All verdicts are there; the worker has not begun yet."),
        ({"state": "failed", "message": "one label."}, "Training failed: one label."),
        ({"state": "waiting", "message": "LS is down."}, "The worker waits: LS is down."),
        ({"state": "training", "message": "x: loss 0.5", "done": 3, "total": 9},
         "The worker is training (x: loss 0.5, 3 of 9)."),
        ({"state": "evaluating", "message": "measuring x", "done": 0, "total": 0},
         "The worker is evaluating (measuring x)."),
    ],
)  # fmt: skip
def test_the_worker_is_told_in_a_sentence(training: dict[str, Any], says: str) -> None:
    assert look(training=training).training_sentence == says


def test_the_forecast_is_the_larger_of_law_and_plan() -> None:
    # half of [0.2, 0.6] is 0.2, twice of what is aimed at: four times the 64 items, 192 more
    assert "About 192 more audited texts" in look(rounds=(record(0, prevalence={}),)).forecast
    planned = texts_needed(0.2, 0.4, 0.1)
    assert planned is not None and planned > 256
    assert f"About {planned - 64} more audited texts" in look(rounds=(record(0),)).forecast
    wide = record(0, production_kappa=kappa(0.4, 0.0, 0.8, 64))
    assert "About 960 more audited texts" in look(rounds=(wide,)).forecast


def test_the_forecast_ends_where_production_is_known() -> None:
    sure = record(0, production_kappa=kappa(0.4, 0.35, 0.45))
    assert look(rounds=(sure,)).forecast == "Production kappa is known to within 0.1."


def test_without_an_interval_the_forecast_is_what_was_planned() -> None:
    unknown = kappa(None, None, None, 20)
    planned = texts_needed(0.1, 0.6, 0.1)
    assert planned is not None and planned > 100
    now = look(rounds=(record(0, production_kappa=unknown, prevalence={"yes": 0.1, "no": 0.9}),))
    assert now.forecast == (
        f"About {planned - 20} more audited texts to know production kappa to within 0.1."
    )
    nobody = record(0, production_kappa=kappa(None, None, None, 0), prevalence={})
    assert look(rounds=(nobody,)).forecast == ""


def test_an_estimate_comes_back_as_it_was_written() -> None:
    whole, unknown = Estimate(0.5, 0.4, 0.6, 9), Estimate.undefined(3, "why")
    few = Estimate(1.0, None, None, 2, "few", 0.99)
    for one in (whole, unknown, few, Estimate(0.5, 0.4, 0.6, 9, confidence=0.98)):
        assert estimate(one.as_json()) == one


def test_an_estimate_of_which_no_confidence_is_kept_has_95_per_cent() -> None:
    assert estimate({"value": 0.5, "low": 0.4, "high": 0.6, "items": 9}).confidence == 0.95


def test_the_reason_names_the_confidence_that_the_record_keeps() -> None:
    kept = Estimate(-0.4, -0.6, -0.2, 64, confidence=0.98).as_json()
    reason = look(rounds=(record(0, gap=kept),)).decision.reason
    assert "is -0.40 [-0.60, -0.20], 98 %, on 64 items" in reason
