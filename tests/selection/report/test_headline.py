from selection.status import OpenRound
from selection.stop import Decision
from tests.selection.report.reading import body, one, text
from tests.selection.report.sample import drawn, measured, state, undefined


def test_the_head_says_how_good_the_model_is_and_what_comes_next() -> None:
    page = body(drawn())
    badge, says = one(page, "verdict")
    assert text(badge) == "Go on"
    assert [text(e) for e in says] == [
        "The model agrees with experts at kappa 0.66 (0.54 to 0.78, 96 audited texts); experts "
        "with each other at 0.79 (0.69 to 0.89).",
        "The model is still 0.13 behind the experts (0.02 to 0.24, 96 texts); less than 0.05 "
        "counts as level.",
        "Since round 0 (236 verdicts) the model's kappa changed by +0.22.",
        "Next: Round 3, about 96 verdicts, of 636 left, about 22 minutes of work at 14 s each. Run "
        "crux round: it chooses the texts and puts them into Label Studio.",
    ]
    assert [(text(e[0]), text(e[1])) for e in one(page, "facts")] == [
        ("Budget", "364 of 1,000 verdicts are bought, 636 are left."),
        (
            "Forecast",
            "About 58 more audited texts (116 verdicts) to know production kappa to within 0.1.",
        ),
        ("Version in force", "round2-5f3a9c1e"),
    ]


def test_the_first_screen_names_no_confidence_and_the_small_print_does() -> None:
    page = body(drawn())
    assert "%" not in text(one(page, "verdict")) + text(one(page, "facts"))
    assert text(one(page, "small-print")).endswith(
        "what is possible with 95 % confidence. How far model and experts are apart is given with "
        "98 %, since the rule that ends the loop looks at it after every round."
    )
    rounds = (measured(0, 64, gap=undefined("nobody")),)
    assert text(one(body(drawn(state(rounds=rounds))), "small-print")).endswith("95 % confidence.")


def test_three_big_numbers_compare_model_start_and_experts() -> None:
    figures = [[text(part) for part in e if text(part)] for e in one(body(drawn()), "big")]
    assert figures == [
        ["Model with experts", "0.66", "0.54 to 0.78, 96 texts"],
        ["Starting model with experts", "0.31", "0.18 to 0.44, 96 texts"],
        ["Experts with each other", "0.79", "0.69 to 0.89, 96 texts"],
    ]


def test_after_a_rollback_the_big_numbers_are_those_of_the_version_in_force() -> None:
    figures = one(body(drawn(state(current="round0-5f3a9c1e"))), "big")
    assert [text(part) for part in figures[0] if text(part)][1] == "0.47"


def test_a_version_that_no_round_measured_is_not_given_anothers_number() -> None:
    figures = one(body(drawn(state(current="round9-0000"))), "big")
    assert text(figures[0][0]) == "round2-5f3a9c1e with experts"


def test_a_big_number_that_is_undefined_gives_the_reason_and_no_figure() -> None:
    rounds = (measured(2, 64, production_kappa=undefined("nothing was audited")),)
    figure = one(body(drawn(state(rounds=rounds))), "big")[0]
    assert [text(part) for part in figure] == [
        "Model with experts", "undefined", "nothing was audited",
    ]  # fmt: skip


def test_a_rule_that_stops_has_its_badge() -> None:
    status = state(decision=Decision(True, "parity", "Because."))
    badge, says = one(body(drawn(status)), "verdict")
    assert text(badge) == "Stop: parity"
    assert text(says[1]) == "Because."


def test_who_has_what_left_stands_in_the_head() -> None:
    waiting = OpenRound(3, 96, 5, False, "anna is done and ben has 5 left.")
    says = one(body(drawn(state(open_round=waiting))), "verdict")[1]
    assert text(says[3]).endswith("tab 'Crux round 3'. anna is done and ben has 5 left.")
