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
        "The model is still 0.22 behind the experts (0.13 to 0.31, 150 texts); less than 0.05 "
        "counts as level.",
    )


def test_a_gap_that_is_not_yet_certain_goes_on_and_says_what_is_missing() -> None:
    unsure = replace(FAR, gap=gap(-0.03, -0.12, 0.06))
    assert decided(unsure).reason == (
        "Too few audited texts to tell model and experts apart: the model is 0.03 behind, and "
        "anything from 0.12 behind to 0.06 ahead is possible (150 texts). Surely less than 0.05 "
        "behind counts as level."
    )
    level = replace(FAR, gap=gap(0.004, -0.3, 0.3))
    assert ": the model is level, and anything from 0.30 behind to 0.30 ahead is" in (
        decided(level).reason
    )


def test_parity_is_a_lower_bound_above_minus_delta() -> None:
    assert decided(NEAR) == Decision(
        True,
        "parity",
        "The model agrees with the experts as well as they agree with each other: it is 0.04 "
        "behind to 0.03 ahead (150 texts), and less than 0.05 behind counts as level.",
    )
    at_delta = replace(FAR, gap=gap(0.0, -0.05, 0.05))
    assert decided(at_delta).rule == "go on"


def test_a_plateau_is_an_upper_bound_of_the_gain_below_delta() -> None:
    assert decided(FLAT) == Decision(
        True,
        "plateau",
        "More verdicts no longer help: over the last 2 rounds the model's kappa changed by "
        "0.00 (-0.05 to 0.04, 150 texts), and a gain of 0.05 is ruled out.",
    )
    at_delta = replace(FAR, gain=gain(0.0, -0.05, 0.05))
    assert decided(at_delta).rule == "go on"
    assert decided(replace(FAR, gain=None)).rule == "go on"


def test_experts_who_do_not_agree_stop_the_loop_before_anything_else() -> None:
    both = replace(NEAR, expert_kappa=SPLIT.expert_kappa)
    assert decided(both, labels=400) == Decision(
        True,
        "policy",
        "Experts agree with each other at only kappa 0.31 (0.20 to 0.39, 60 texts): make the "
        "policy clearer first, because a model cannot learn what experts do not agree on.",
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
        True, "budget", "The budget is used up: 400 of 400 verdicts are bought."
    )
    assert decided(FAR, FAR, rounds=2) == Decision(
        True, "budget", "The last planned round is done: 2 of 2."
    )
    assert decided(FAR, labels=399, rounds=2).rule == "go on"


def test_a_model_that_is_surely_behind_is_not_called_unknown() -> None:
    near = replace(FAR, gap=gap(-0.13, -0.24, -0.02))
    assert decided(near).reason == (
        "The model is still 0.13 behind the experts (0.02 to 0.24, 150 texts); less than 0.05 "
        "counts as level."
    )


def test_only_the_last_round_counts() -> None:
    assert decided(NEAR, FAR).rule == "go on"
    assert decided(FAR, NEAR).rule == "parity"


def test_what_is_undefined_stops_nothing_but_the_budget_does() -> None:
    blind = replace(record(1), gap=NONE, gain=NONE)
    assert decided(blind) == Decision(
        False,
        "go on",
        "Model and experts cannot be compared yet: no item was judged by two experts.",
    )
    assert decided(blind, labels=400).rule == "budget"


def test_a_value_without_an_interval_stops_nothing() -> None:
    bare = Estimate(0.1, None, None, 40, "all answers are the same label in 1500 of 2000 resamples")
    decision = decided(replace(FAR, expert_kappa=bare, gap=bare, gain=bare))
    assert decision == Decision(
        False,
        "go on",
        "Too few audited texts to tell model and experts apart: the model is 0.10 ahead on 40 "
        "texts, and how sure that is cannot be said yet (all answers are the same label in 1500 of "
        "2000 resamples).",
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
        "Too few audited texts to tell model and experts apart: two experts judged 29 of them, and "
        "at least 30 are needed.",
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
    small = replace(FAR, gain=gain(-0.001, -0.05, 0.04))
    assert "changed by 0.00 (-0.05 to 0.04" in decided(small).reason
    near = replace(FAR, gap=gap(-0.01, -0.04, -0.001))
    assert "it is 0.04 behind to level (" in decided(near).reason
