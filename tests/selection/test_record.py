import json
from dataclasses import replace
from typing import Any

import pytest

from selection.align import PLATEAU_CONFIDENCE
from selection.record import (
    ProjectState,
    Record,
    Remeasured,
    TrainingState,
    Version,
    WeakExpert,
)
from selection.types import Estimate
from tests.records import record

# as the first releases kept a round: no patience, no confidence, no reason where one is not needed
OLD: dict[str, Any] = {
    "round": 1, "complete": True, "labels": 114, "labels_bought": 411,
    "version": "round1-16bc8b0c1d2e", "candidate": "round1-16bc8b0c1d2e", "promoted": True,
    "promotion": "round1-16bc8b0c1d2e is promoted: not worse.", "ties": 0, "train_seconds": 101.5,
    "settled": True, "pointed": True,
    "expert_kappa": {"value": 0.83, "low": 0.61, "high": 0.94, "items": 134},
    "expert_agreement": 0.96, "prevalence": {"harsh": 0.13, "fine": 0.87},
    "boundary_kappa": {"value": None, "low": None, "high": None, "items": 0, "reason": "nobody"},
    "boundary_expert_kappa": {"value": 0.5, "low": 0.1, "high": 0.8, "items": 14},
    "production_kappa": {"value": 0.72, "low": 0.48, "high": 0.86, "items": 134},
    "start_kappa": {"value": 0.17, "low": 0.03, "high": 0.36, "items": 134},
    "gap": {"value": -0.11, "low": -0.3, "high": 0.1, "items": 134, "confidence": 0.98},
    "gain": None, "weakest_expert": {"expert": "carl", "kappa": 0.2, "others": 0.9},
}  # fmt: skip


def test_a_record_of_an_older_crux_is_read_whole_and_written_as_it_was_but_for_one() -> None:
    found = Record.from_json(OLD)
    assert (found.round, found.labels, found.pointed, found.patience) == (1, 114, True, 2)
    assert found.production_kappa == Estimate(0.72, 0.48, 0.86, 134)
    assert found.boundary_kappa == Estimate.undefined(0, "nobody")
    assert (found.gap.confidence, found.gain) == (0.98, None)
    assert found.weakest_expert == WeakExpert("carl", 0.2, 0.9)
    # nobody measures the experts on the boundary any more, and what was measured there is dropped
    kept = {key: value for key, value in OLD.items() if key != "boundary_expert_kappa"}
    assert json.loads(json.dumps(found.as_json())) == {
        **kept, "patience": 2, "policy": "", "verdicts": "",
    }  # fmt: skip
    assert Record.from_json(kept) == found


def test_a_record_comes_back_as_it_was_written() -> None:
    gain = Estimate(0.1, -0.1, 0.3, 90, confidence=PLATEAU_CONFIDENCE)
    full = record(
        3, gain=gain, patience=3, settled=False, expert_agreement=0.9, train_seconds=12.5,
        prevalence={"yes": 0.25, "no": 0.75}, weakest_expert=WeakExpert("carl", 0.1, 0.8),
        earlier=(Remeasured(0, "round0-a", Estimate(0.3, 0.1, 0.5, 90), gain),),
    )  # fmt: skip
    for one in (full, record(0), replace(full, pointed=True), replace(full, start="prompted-a")):
        assert Record.from_json(json.loads(json.dumps(one.as_json()))) == one
    assert {"pointed", "start", "weakest_expert", "earlier"}.isdisjoint(record(0).as_json())


def test_what_a_newer_crux_added_is_passed_over() -> None:
    assert Record.from_json({**OLD, "mood": "good"}) == Record.from_json(OLD)
    state = {**TrainingState("training", "x", 1, 2).as_json(), "mood": "good"}
    assert TrainingState.from_json(state) == TrainingState("training", "x", 1, 2)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ([], "not an object"), ({}, "expert_kappa"), ({**OLD, "round": "1"}, "round is '1'"),
        ({**OLD, "gap": {"value": 1}}, "low"), ({**OLD, "gap": None}, "gap"),
        ({key: OLD[key] for key in OLD if key != "version"}, "version"),
    ],
)  # fmt: skip
def test_what_is_no_record_is_an_error_that_names_what_is_wrong(body: Any, what: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError), match=what):
        Record.from_json(body)


def test_the_workers_state_of_an_older_crux_plans_no_try() -> None:
    old = {"state": "failed", "message": "one label", "done": 0, "total": 0}
    assert TrainingState.from_json(old) == TrainingState("failed", "one label")
    assert [TrainingState(s).busy for s in ("idle", "training", "evaluating", "waiting")] == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_projects_state_comes_back_as_it_was_sent() -> None:
    version = Version(
        "round0-a", "trained", 0, "a/base-llm", "Is it good?", ("yes", "no"), (0.1, -0.1),
        (0.25, 0.75), {"rank": 16}, 64, {"yes": 20, "no": 44},
        policy_hash="c0ffee00",
    )  # fmt: skip
    state = ProjectState(
        7, "round0-a", (version,), (record(0),), TrainingState("training", "x", 3, 9), True
    )
    assert ProjectState.from_json(json.loads(json.dumps(state.as_json()))) == state
    older = {key: value for key, value in state.as_json().items() if key != "worker"}
    assert ProjectState.from_json(older).worker is None
