from dataclasses import replace

from selection.align import PARITY_CONFIDENCE, PLATEAU_CONFIDENCE
from selection.record import Measurement
from selection.stop import Decision, decide
from selection.types import Estimate
from tests.records import record


def gap(value: float, low: float, high: float, items: int = 150) -> Estimate:
    return Estimate(value, low, high, items, confidence=PARITY_CONFIDENCE)


def gain(value: float, low: float, high: float, items: int = 150) -> Estimate:
    return Estimate(value, low, high, items, confidence=PLATEAU_CONFIDENCE)


NONE = Estimate.undefined(0, "no item was judged by two experts.")
FAR = record(
    2,
    expert_kappa=Estimate(0.78, 0.70, 0.85, 150),
    boundary_kappa=Estimate(0.56, 0.45, 0.66, 150),
    production_kappa=Estimate(0.40, 0.20, 0.60, 90),
    gap=gap(-0.22, -0.31, -0.13),
    gain=gain(0.10, 0.02, 0.18),
)
NEAR = replace(FAR, gap=gap(-0.01, -0.04, 0.03))
FLAT = replace(FAR, gain=gain(0.0, -0.05, 0.04))
SPLIT = replace(FAR, expert_kappa=Estimate(0.31, 0.20, 0.39, 60))


def decided(
    *history: Measurement, labels: int = 180, budget: int = 400, rounds: int = 6
) -> Decision:
    return decide(history, labels_bought=labels, budget=budget, max_rounds=rounds)


def test_a_model_behind_its_experts_goes_on() -> None:
    assert decided(FAR) == Decision(
        False,
        "go on",
        "Go on: the model's kappa less the experts' is -0.22 [-0.31, -0.13], 98 %, on 150 items, "
        "so it is still more than 0.05 behind.",
    )


def test_a_gap_that_is_not_yet_certain_goes_on_and_says_what_is_missing() -> None:
    unsure = replace(FAR, gap=gap(-0.03, -0.12, 0.06))
    assert decided(unsure).reason == (
        "Go on: the model's kappa less the experts' is -0.03 [-0.12, 0.06], 98 %, on 150 items, "
        "and the lower bound must rise above -0.05 before it counts as reached."
    )


def test_parity_is_a_lower_bound_above_minus_delta() -> None:
    assert decided(NEAR) == Decision(
        True,
        "parity",
        "The model agrees with the experts as well as they agree with each other: its kappa less "
        "theirs is -0.01 [-0.04, 0.03], 98 %, on 150 items, so it is less than 0.05 behind.",
    )
    at_delta = replace(FAR, gap=gap(0.0, -0.05, 0.05))
    assert decided(at_delta).rule == "go on"


def test_a_plateau_is_an_upper_bound_of_the_gain_below_delta() -> None:
    assert decided(FLAT) == Decision(
        True,
        "plateau",
        "More labels no longer help: over the last 2 rounds the model's kappa changed by "
        "0.00 [-0.05, 0.04], 99 %, on 150 items, and a gain of 0.05 is ruled out.",
    )
    at_delta = replace(FAR, gain=gain(0.0, -0.05, 0.05))
    assert decided(at_delta).rule == "go on"
    assert decided(replace(FAR, gain=None)).rule == "go on"


def test_experts_who_do_not_agree_stop_the_loop_before_anything_else() -> None:
    both = replace(NEAR, expert_kappa=SPLIT.expert_kappa)
    assert decided(both, labels=400) == Decision(
        True,
        "policy",
        "Experts agree only with kappa 0.31 [0.20, 0.39] on 60 items: fix the policy first, "
        "because a model cannot learn what experts do not agree on.",
    )
    assert decided(replace(FAR, expert_kappa=Estimate(0.31, 0.2, 0.40, 60))).rule == "go on"


def test_the_rules_speak_in_their_order() -> None:
    everything = replace(NEAR, expert_kappa=SPLIT.expert_kappa, gain=FLAT.gain)
    assert decided(everything, labels=400).rule == "policy"
    assert decided(replace(everything, expert_kappa=FAR.expert_kappa), labels=400).rule == "parity"
    assert decided(FLAT, labels=400).rule == "plateau"
    assert decided(FAR, labels=400).rule == "budget"


def test_the_budget_is_labels_or_rounds() -> None:
    assert decided(FAR, labels=400) == Decision(
        True, "budget", "The label budget is used up: 400 of 400 labels are bought."
    )
    assert decided(FAR, FAR, rounds=2) == Decision(
        True, "budget", "The last planned round is done: 2 of 2."
    )
    assert decided(FAR, labels=399, rounds=2).rule == "go on"


def test_a_sentence_names_a_confidence_that_is_not_95_per_cent() -> None:
    usual = replace(FAR, gap=Estimate(-0.22, -0.31, -0.13, 150))
    assert "is -0.22 [-0.31, -0.13] on 150 items, so" in decided(usual).reason
    other = replace(FAR, gap=Estimate(-0.22, -0.31, -0.13, 150, confidence=1 - 0.05 / 3))
    assert "is -0.22 [-0.31, -0.13], 98.3 %, on 150 items, so" in decided(other).reason


def test_only_the_last_round_counts() -> None:
    assert decided(NEAR, FAR).rule == "go on"
    assert decided(FAR, NEAR).rule == "parity"


def test_what_is_undefined_stops_nothing_but_the_budget_does() -> None:
    blind = replace(record(1), gap=NONE, gain=NONE)
    assert decided(blind) == Decision(
        False,
        "go on",
        "Go on: model and experts cannot be compared yet (no item was judged by two experts).",
    )
    assert decided(blind, labels=400).rule == "budget"


def test_a_value_without_an_interval_stops_nothing() -> None:
    bare = Estimate(0.1, None, None, 40, "all answers are the same label in 1500 of 2000 resamples")
    decision = decided(replace(FAR, expert_kappa=bare, gap=bare, gain=bare))
    assert decision == Decision(
        False,
        "go on",
        "Go on: the model's kappa less the experts' is 0.10 on 40 items, but it has no interval "
        "yet (all answers are the same label in 1500 of 2000 resamples).",
    )


def test_a_handful_of_items_stops_nothing() -> None:
    few = replace(
        FAR,
        expert_kappa=Estimate(0.1, 0.0, 0.2, 29),
        gap=gap(0.0, 0.0, 0.0, 29),
        gain=gain(0.0, 0.0, 0.0, 29),
    )
    assert decided(few) == Decision(
        False,
        "go on",
        "Go on: the model's kappa less the experts' is 0.00 [0.00, 0.00], 98 %, on 29 items, and "
        "at least 30 items that two experts judged are needed to tell.",
    )


def test_before_the_first_round_there_is_nothing_to_say() -> None:
    assert decided() == Decision(False, "go on", "No round is finished yet, so go on.")
    assert decided(labels=400).rule == "budget"


def test_the_thresholds_are_the_callers() -> None:
    limits = {"labels_bought": 180, "budget": 400, "max_rounds": 6}
    assert decide([FAR], delta=0.35, **limits).rule == "parity"
    assert decide([FAR], policy_floor=0.9, **limits).rule == "policy"
    assert decide([NEAR], minimum_items=151, **limits).rule == "go on"
    assert "over the last 1 round the" in decide([replace(FLAT, patience=1)], **limits).reason
    assert "over the last 3 rounds the" in decide([replace(FLAT, patience=3)], **limits).reason


def test_no_sentence_shows_a_minus_zero() -> None:
    assert "0.00 [-0.04, 0.03]" in decided(replace(FAR, gap=gap(-0.001, -0.04, 0.03))).reason
