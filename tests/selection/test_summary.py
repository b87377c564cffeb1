from dataclasses import replace
from typing import Any

import pytest

from selection.policy import PolicyState
from selection.record import TrainingState
from selection.status import OpenRound, RoundStatus, Status
from selection.stop import Decision
from selection.summary import next_step, summary
from selection.types import Estimate
from tests.records import record

FEW = (
    "Too few audited texts to tell model and experts apart: the model is 0.09 behind, and anything "
    "from 0.56 behind to 0.18 ahead is possible (64 texts)."
)
MODEL = Estimate(0.56, 0.29, 0.77, 64)
EXPERTS = Estimate(0.65, 0.41, 0.83, 64)
BEHIND = Estimate(-0.09, -0.56, 0.18, 64, confidence=0.98)
NOBODY = Estimate.undefined(0, "no item was judged by two experts")
SAME = PolicyState("aa", "aa", "aa", {"aa": 296})
GO_ON = Decision(False, "go on", FEW)


def measured(round: int = 1, decision: Decision = GO_ON, **changes: Any) -> RoundStatus:
    figures = {"production_kappa": MODEL, "expert_kappa": EXPERTS, "gap": BEHIND}
    return RoundStatus(record(round, **{**figures, **changes}), decision)


def state(**changes: Any) -> Status:
    whole = Status(
        project=7,
        current="round1-a",
        labels_bought=296,
        rounds=(measured(),),
        open_round=OpenRound(1, 96, 0, True),
        decision=GO_ON,
        training=TrainingState(),
        forecast="",
        problems=(),
        budget=1_000,
        policy=SAME,
    )
    return replace(whole, **changes)


def test_who_pays_reads_how_good_the_model_is_and_what_comes_next() -> None:
    said = summary(state(seconds=16.0))
    assert said.quality == (
        "The model agrees with experts at kappa 0.56 (0.29 to 0.77, 64 audited texts); experts "
        "with each other at 0.65 (0.41 to 0.83)."
    )
    assert said.comparison == FEW
    assert said.next == (
        "Round 2, about 96 verdicts, of 704 left, about 26 minutes of work at 16 s each. Run crux "
        "round: it chooses the texts and puts them into Label Studio."
    )
    assert said.budget == "296 of 1,000 verdicts are bought, 704 are left."
    spent = summary(state(taught=200, measured=96)).budget
    assert spent == (
        "296 of 1,000 verdicts are bought, 704 are left; 200 of them teach and 96 measure."
    )
    assert said.as_json() == {
        "quality": said.quality, "comparison": said.comparison, "next": said.next,
        "budget": said.budget,
    }  # fmt: skip


def test_experts_measured_on_other_texts_than_the_model_say_on_how_many() -> None:
    rounds = (measured(expert_kappa=replace(EXPERTS, items=40)),)
    assert summary(state(rounds=rounds)).quality.endswith("0.65 (0.41 to 0.83, 40 audited texts).")


def test_before_the_first_round_nothing_is_measured() -> None:
    reason = Decision(False, "go on", "No round is finished yet, so go on.")
    said = summary(state(rounds=(), open_round=None, labels_bought=0, decision=reason))
    assert said.quality == (
        "Nothing is measured yet: the model is measured when the first round is judged."
    )
    assert said.comparison == ""
    assert said.next == (
        "Run crux round: it chooses the first texts and puts them into Label Studio."
    )


def test_a_budget_that_is_used_up_before_the_first_measurement_is_said() -> None:
    spent = Decision(True, "budget", "The budget is used up: 9 of 9 verdicts are bought.")
    assert summary(state(rounds=(), decision=spent)).comparison == spent.reason


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"production_kappa": Estimate.undefined(0, "no item was judged by an expert")},
         "The model cannot be compared with experts yet (no item was judged by an expert); experts "
         "with each other at 0.65 (0.41 to 0.83, 64 audited texts)."),
        ({"production_kappa": Estimate(1.0, None, None, 1, "an interval needs at least two groups "
          "of items")},
         "The model agrees with experts at kappa 1.00 (no interval yet: an interval needs at least "
         "two groups of items, 1 audited text); experts with each other at 0.65 (0.41 to 0.83, 64 "
         "audited texts)."),
        ({"expert_kappa": Estimate.undefined(0, "kappa between experts needs two of them, and "
          "there is 1")},
         "The model agrees with experts at kappa 0.56 (0.29 to 0.77, 64 audited texts); how well "
         "experts agree with each other is not known (kappa between experts needs two of them, and "
         "there is 1)."),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said_with_its_reason(changes: dict[str, Any], sentence: str) -> None:
    assert summary(state(rounds=(measured(**changes),))).quality == sentence


@pytest.mark.parametrize("unknown", ["production_kappa", "expert_kappa"])
def test_why_nothing_can_be_compared_is_said_once(unknown: str) -> None:
    changes: dict[str, Any] = {"gap": NOBODY, unknown: NOBODY}
    rounds = (measured(**changes),)
    assert summary(state(rounds=rounds)).comparison == ""
    assert summary(state(rounds=(measured(gap=NOBODY),))).comparison == FEW


def test_a_stop_is_said_even_where_nothing_can_be_compared() -> None:
    stop = Decision(True, "budget", "The last planned round is done: 2 of 2.")
    rounds = (measured(gap=NOBODY, expert_kappa=NOBODY),)
    assert summary(state(rounds=rounds, decision=stop)).comparison == stop.reason


def test_the_prompted_model_is_called_the_starting_model() -> None:
    prompted = measured(version="prompted-0d41", promoted=False)
    said = summary(state(current="prompted-0d41", rounds=(prompted,)))
    assert said.quality.startswith("The starting model agrees with experts at kappa 0.56 (")


def test_after_a_rollback_the_figures_are_those_of_the_version_in_force() -> None:
    old = measured(0, production_kappa=Estimate(0.4, 0.1, 0.6, 32))
    said = summary(state(current="round0-a", rounds=(old, measured())))
    assert said.quality.startswith(
        "The model (round0-a, measured after round 0) agrees with experts at kappa 0.40 (0.10 to "
        "0.60, 32 audited texts); "
    )
    assert said.comparison == f"Of round1-a, which is not in force: {FEW}"
    spent = Decision(True, "budget", "The last planned round is done: 2 of 2.")
    again = state(current="round0-a", rounds=(old, measured()), decision=spent)
    assert summary(again).comparison == spent.reason


def test_a_version_that_no_round_measured_has_no_figures() -> None:
    assert summary(state(current="round9-z")).quality == (
        "No round has measured round9-z, the version in force. round1-a, measured last, agrees "
        "with experts at kappa 0.56 (0.29 to 0.77, 64 audited texts); experts with each other at "
        "0.65 (0.41 to 0.83)."
    )


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("parity", "Use the model: experts cannot teach it more about this policy than they agree "
         "on."),
        ("plateau", "Use the model as it is, or change the policy, the base model or the pool: "
         "more verdicts of this kind do not help."),
        ("budget", "Use the model as it is, or raise the settings budget or max_rounds and run "
         "crux round."),
        ("policy", "Talk with the experts about the texts on which they disagree, make the "
         "labeling instruction clearer, and have those texts judged again."),
    ],
)  # fmt: skip
def test_each_rule_that_stops_has_its_advice(rule: Any, sentence: str) -> None:
    stopped = state(decision=Decision(True, rule, "Because."))
    assert (summary(stopped).comparison, summary(stopped).next) == ("Because.", sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"open_round": OpenRound(3, 96, 5, False, "anna is done and ben has 5 left.")},
         "5 of 96 verdicts of round 3 are missing: experts give them in Label Studio, tab 'Crux "
         "round 3'. anna is done and ben has 5 left."),
        ({"open_round": OpenRound(3, 96, 1, False), "seconds": 12.0},
         "1 of 96 verdicts of round 3 is missing, about a minute of work at 12 s each: experts "
         "give them in Label Studio, tab 'Crux round 3'."),
        ({"open_round": OpenRound(3, 96, 0, False), "training": TrainingState(
            "training", "step", 3, 9)},
         "The worker is training (step, 3 of 9)."),
        ({"open_round": OpenRound(3, 96, 0, False)},
         "All verdicts are there; the worker has not begun yet."),
        ({"training": TrainingState("failed", "disk full")},
         "Training failed: disk full. Mend that first."),
        ({"training": TrainingState("failed", "one label."),
          "open_round": OpenRound(0, 96, 5, False)},
         "Training failed: one label. Mend that first. 5 of 96 verdicts of round 0 are missing: "
         "experts give them in Label Studio, tab 'Crux round 0'."),
    ],
)  # fmt: skip
def test_the_next_step_follows_the_state_of_the_round(
    changes: dict[str, Any], sentence: str
) -> None:
    assert next_step(state(**changes)) == sentence


def test_a_round_that_costs_more_than_is_left_says_so() -> None:
    assert next_step(state(labels_bought=940)).startswith(
        "Round 2, about 96 verdicts, more than the 60 left. Run crux round"
    )


def test_long_work_is_told_in_hours() -> None:
    assert ", about 2 hours of work at 80 s each. Run" in next_step(state(seconds=80.0))


def test_a_changed_policy_is_decided_before_the_next_round_and_said_once() -> None:
    policy = PolicyState("bb", "aa", "aa", {"aa": 296})
    said = summary(state(policy=policy, problems=(policy.sentence, "3 annotations do not count.")))
    assert said.next == policy.sentence
    assert "crux round --new-policy" in said.next
    assert said.problems == ("3 annotations do not count.",)


def test_a_changed_policy_stays_among_the_problems_while_the_round_is_open() -> None:
    policy = PolicyState("bb", "aa", "aa", {"aa": 296})
    open_round = OpenRound(2, 96, 5, False)
    said = summary(state(policy=policy, problems=(policy.sentence,), open_round=open_round))
    assert said.next.startswith("5 of 96 verdicts of round 2 are missing")
    assert said.problems == (policy.sentence,)
