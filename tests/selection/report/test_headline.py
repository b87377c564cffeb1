from typing import Any

import pytest

from selection.record import TrainingState
from selection.report.headline import next_step
from selection.status import OpenRound
from selection.stop import Decision
from tests.selection.report.reading import body, one, text
from tests.selection.report.sample import drawn, measured, state, undefined


def test_the_headline_says_what_was_decided_and_what_comes_next() -> None:
    page = body(drawn())
    assert text(one(page, "verdict")) == "Go onThe model's kappa less the experts' is -0.13 " + (
        "[-0.24, -0.02], 98 %, on 96 items, and the lower bound must rise above -0.05 before it "
        "counts as reached."
    )
    assert [(text(e[0]), text(e[1])) for e in one(page, "facts")] == [
        ("Model version", "round2-5f3a9c1e"),
        ("Labels bought", "364"),
        ("Next", "Run crux round: it chooses the next texts and puts them into Label Studio."),
        ("Forecast", "About 58 more audited texts to know production kappa to within 0.1."),
    ]


def test_three_big_numbers_compare_model_start_and_experts() -> None:
    figures = [[text(part) for part in e if text(part)] for e in one(body(drawn()), "big")]
    assert figures == [
        ["Model in production, now", "0.66", "0.54 to 0.78, 96 texts"],
        ["Starting model", "0.31", "0.18 to 0.44, 96 texts"],
        ["Experts with each other", "0.79", "0.69 to 0.89, 96 texts"],
    ]


def test_a_big_number_that_is_undefined_gives_the_reason_and_no_figure() -> None:
    rounds = (measured(0, 64, production_kappa=undefined("nothing was audited")),)
    figure = one(body(drawn(state(rounds=rounds))), "big")[0]
    assert [text(part) for part in figure] == [
        "Model in production, now", "undefined", "nothing was audited",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "badge", "sentence"),
    [
        ("parity", "Stop: parity", "Use the model: experts cannot teach it more about this policy "
         "than they agree on."),
        ("plateau", "Stop: plateau", "Use the model as it is, or change the policy, the base model "
         "or the pool: more labels of this kind do not help."),
        ("budget", "Stop: budget", "Use the model as it is, or raise the settings budget or "
         "max_rounds and run crux round."),
        ("policy", "Stop: policy", "Talk with the experts about the texts on which they disagree, "
         "make the labeling instruction clearer, and have those texts judged again."),
    ],
)  # fmt: skip
def test_each_rule_that_stops_has_its_badge_and_its_advice(
    rule: Any, badge: str, sentence: str
) -> None:
    status = state(decision=Decision(True, rule, "Because."))
    assert text(one(body(drawn(status)), "verdict")) == f"{badge}Because."
    assert next_step(status) == sentence


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"open_round": None}, "Run crux round: it chooses the first texts and puts them into "
         "Label Studio."),
        ({"open_round": OpenRound(3, 96, 5, False)}, "5 of 96 answers of round 3 are missing: "
         "experts give them in Label Studio, tab 'Crux round 3'."),
        ({"open_round": OpenRound(3, 96, 0, False), "training": TrainingState(
            "training", "step", 3, 9)},
         "The worker is training (step, 3 of 9)."),
        ({"training": TrainingState("failed", "disk full")},
         "Training failed: disk full. Mend that first."),
    ],
)  # fmt: skip
def test_the_next_step_follows_the_state_of_the_round(
    changed: dict[str, Any], sentence: str
) -> None:
    assert next_step(state(**changed)) == sentence
