from typing import Any

import pytest

from selection.gained import by_now, gained
from selection.record import Record, Remeasured
from selection.types import Estimate
from tests.records import NONE, record


def change(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, 97)


def rounds(gain: Estimate, count: int = 4, **newest: Any) -> list[Record]:
    """Rounds of 60 verdicts; the newest has measured all earlier versions again."""
    told = Estimate(0.7, 0.3, 0.9, 20)
    found = [record(n, labels_bought=60 * (n + 1), production_kappa=told) for n in range(count)]
    again = tuple(
        Remeasured(one.round, one.version, Estimate(one.round / 10, 0.0, 0.9, 97), gain)
        for one in found[:-1]
    )
    start = Estimate(0.05, -0.1, 0.2, 97)
    changes = {"earlier": again, "start_kappa": start, "production_kappa": told, **newest}
    return [*found[:-1], record(count - 1, labels_bought=60 * count, **changes)]


SINCE = "Since round 1 (120 verdicts) the model's kappa changed by "


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (change(0.2, 0.03, 0.4), "+0.20 (+0.03 to +0.40), both versions measured on 97 audited "
         "texts: verdicts teach it."),
        (change(0.1, -0.03, 0.3), "+0.10 (-0.03 to +0.30), both versions measured on 97 audited "
         "texts: a gain of 0.05 is neither shown nor ruled out."),
        (change(-0.001, -0.05, 0.04), "+0.00 (-0.05 to +0.04), both versions measured on 97 "
         "audited texts: a gain of 0.05 is unlikely, so another round hardly pays."),
        (change(0.1), "+0.10."),
    ],
)  # fmt: skip
def test_who_pays_reads_what_the_latest_rounds_have_brought(gain: Estimate, said: str) -> None:
    assert gained(rounds(gain), "round3-a", 0.05) == SINCE + said


def test_with_fewer_rounds_than_patience_the_first_one_is_compared() -> None:
    said = gained(rounds(change(0.2, 0.1, 0.4), 2), "round1-a", 0.05)
    assert said.startswith("Since round 0 (60 verdicts) the model's kappa changed by +0.20")


def test_a_version_that_stayed_in_force_is_not_compared_with_itself() -> None:
    history = rounds(change(0.0, -0.1, 0.1), version="round1-a")
    assert gained(history, "round1-a", 0.05) == (
        "Since round 1 (120 verdicts) no version has taken over from round1-a."
    )


@pytest.mark.parametrize(
    ("history", "current"),
    [
        ([], "a"),  # nothing is measured
        (rounds(change(0.1), 1), "round0-a"),  # nothing to compare with
        (rounds(change(0.1)), "round0-a"),  # somebody has put an older version into force
        (rounds(NONE), "round3-a"),  # one label only
        (rounds(change(0.1))[2:], "round3-a"),  # somebody has deleted the records of older rounds
    ],
)
def test_where_nothing_can_be_compared_nothing_is_said(history: list[Record], current: str) -> None:
    assert gained(history, current, 0.05) == ""


def test_the_last_version_is_told_by_the_one_before_it() -> None:
    assert gained(rounds(change(0.1), final="final3-a"), "final3-a", 0.05) == f"{SINCE}+0.10."


def test_every_version_stands_as_the_verdicts_of_today_measure_it() -> None:
    history = by_now(rounds(change(0.1)))
    assert [one.production_kappa.value for one in history] == [0.0, 0.1, 0.2, 0.7]
    assert [one.production_kappa.items for one in history] == [97, 97, 97, 20]
    assert {one.start_kappa.value for one in history} == {0.05}
    assert by_now([]) == []


def test_a_version_that_was_not_measured_again_keeps_what_was_told() -> None:
    history = rounds(change(0.1))
    another = Remeasured(0, "round0-b", change(0.3), change(0.1))  # the round was trained again
    kept = by_now([*history[:-1], record(3, earlier=(another,))])
    assert [one.production_kappa.value for one in kept[:3]] == [0.7, 0.7, 0.7]
