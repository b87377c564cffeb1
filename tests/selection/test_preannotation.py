from dataclasses import replace
from math import sqrt
from typing import Any

import pytest

from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.preannotation import Habit, Share, earned, habits, shown
from selection.record import ProjectState, Record
from selection.types import Estimate
from selection.verdict import Answer
from tests import records

LABELS = ("yes", "no")
CARD = Card(
    "a", 0, 0, "train", "a", None, 1, "v", {"yes": 0.7, "no": 0.3}, "", 0, 0.25, twin=0
)


# whose answers are shown


def measured(kappa: float | None, version: str = "v1", round: int = 0) -> Record:
    one = Estimate.undefined(9, "one label") if kappa is None else Estimate(kappa, 0.0, 1.0, 9)
    return records.record(round, version=version, production_kappa=one)


def state(*rounds: Record, current: str = "v1") -> ProjectState:
    return ProjectState(7, current, rounds=rounds)


@pytest.mark.parametrize(
    ("now", "above", "says"),
    [
        (state(), 0.4, False),  # the prompted version of round 0 was never measured
        (state(), -1.0, True),
        (state(measured(None)), 0.4, False),
        (state(measured(None)), -1.0, True),
        (state(measured(0.4)), 0.4, False),
        (state(measured(0.41)), 0.4, True),
        (state(measured(1.0)), 1.0, False),
        (state(measured(0.9), current="v2"), 0.4, False),  # another version was measured
        (state(measured(0.9), measured(0.1, "v2", 1)), 0.4, True),
        (state(measured(0.9), measured(0.1, round=1)), 0.4, False),  # the newest counts
        (state(measured(0.9), measured(None, round=1)), 0.4, False),
    ],
)
def test_a_version_shows_its_answers_once_its_production_kappa_is_above_the_setting(
    now: ProjectState, above: float, says: bool
) -> None:
    assert earned(now, above) is says


def test_a_fixed_share_of_all_pairs_is_blind() -> None:
    n = 10_000
    for share in (0.1, 0.25, 0.5):
        blind = sum(not shown(f"pair {i}", share) for i in range(n))
        assert abs(blind - n * share) < 4 * sqrt(n * share * (1 - share))
    assert all(shown(f"pair {i}", 0.0) for i in range(100))
    assert not any(shown(f"pair {i}", 1.0) for i in range(100))


def test_the_same_pairs_are_blind_for_ever() -> None:
    names = ["a", "a|b", "r007|r119", "x", "ein Text"]
    assert [shown(name, 0.5) for name in names] == [True, False, True, False, False]
    for name in names:  # a larger share blinds more and shows none again
        said = [shown(name, share / 20) for share in range(21)]
        assert said == sorted(said, reverse=True)


# shares


def test_the_bounds_of_a_share_are_wilsons() -> None:
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3
    for (count, of), bounds in {
        (81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():  # fmt: skip
        assert Share(count, of).bounds == pytest.approx(bounds, abs=5e-5)
    assert (Share(0, 0).value, Share(0, 0).bounds) == (0.0, (0.0, 1.0))
    assert Share(3, 4).value == 0.75


def habit(kept: tuple[int, int], agreed: tuple[int, int], right: int = 0, wrong: int = 0) -> Habit:
    return Habit("ann", Share(*kept), Share(*agreed), right, wrong)


@pytest.mark.parametrize(
    ("kept", "agreed", "low", "high"),
    [  # Newcombe 1998, Interval estimation for the difference of proportions, table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_the_sway_has_newcombes_interval(
    kept: tuple[int, int], agreed: tuple[int, int], low: float, high: float
) -> None:
    assert habit(kept, agreed).sway == pytest.approx(
        (kept[0] / kept[1] - agreed[0] / agreed[1], low, high), abs=1e-4
    )


def test_the_sway_equals_its_formula() -> None:
    def roots(count: int, of: int) -> tuple[float, float]:
        """Where |p - count / of| = z sqrt(p (1 - p) / of): a quadratic equation in p."""
        z, share = 1.959963984540054, count / of
        a, b, c = 1 + z * z / of, -(2 * share + z * z / of), share * share
        part = sqrt(max(b * b - 4 * a * c, 0.0))
        return (-b - part) / (2 * a), (-b + part) / (2 * a)

    for kept, agreed in (((7, 9), (4, 11)), ((0, 5), (5, 5)), ((30, 40), (29, 40))):
        (l1, u1), (l2, u2) = roots(*kept), roots(*agreed)
        p1, p2 = kept[0] / kept[1], agreed[0] / agreed[1]
        low = p1 - p2 - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
        high = p1 - p2 + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
        assert habit(kept, agreed).sway == pytest.approx((p1 - p2, low, high), abs=1e-6)


def test_an_expert_is_swayed_where_the_whole_interval_is_above_nothing() -> None:
    assert habit((56, 70), (48, 80)).swayed
    assert not habit((5, 56), (0, 29)).swayed
    assert not habit((40, 40), (0, 0)).swayed  # nothing to compare with
    assert not habit((0, 0), (0, 40)).swayed


def test_a_habit_is_told_with_both_shares_and_their_difference() -> None:
    assert habit((56, 70), (48, 80), 3, 1).sentence == (
        "ann let the preselected label stand on 56 of 70 texts (3 right and 1 wrong by another "
        "expert's verdict), and gave the model's label on 48 of 80 blind ones: +20 points "
        "[+5, +33]."
    )
    assert habit((3, 4), (0, 0)).sentence == (
        "ann let the preselected label stand on 3 of 4 texts; there is no blind training text to "
        "compare with yet."
    )


# habits, from what people said


def item(order: int, *said: Answer, **card: Any) -> Item:
    return Item((order,), "x", replace(CARD, id=str(order), order=order, **card), said)


def says(label: int | None, ticked: int | None = None, expert: str = "ann") -> Answer:
    kind = "skip" if label is None else "verdict"
    return Answer(expert, label, kind, ticked=ticked, user=2)  # type: ignore[arg-type]


def found(*items: Item) -> tuple[Habit, ...]:
    return habits(Collected(items, LABELS, ()))


def test_an_expert_keeps_or_changes_what_stands_preselected_and_agrees_on_blind_texts_or_not() -> (
    None
):
    assert found(
        item(0, says(0, 0)), item(1, says(0, 0)), item(2, says(1, 0)),
        item(3, says(0), hidden=True), item(4, says(1), hidden=True),
        item(5, says(1), hidden=True, belief={"yes": 0.1, "no": 0.9}),
        item(6, says(None, 0)), item(7, says(None), hidden=True),  # skips say nothing
        item(8, says(0)),  # visible, and yet nothing stood preselected
        item(9, says(0), role="audit"), item(10, says(0, 0), role="audit"),
    ) == (habit((2, 3), (2, 3)),)  # fmt: skip


def test_what_another_expert_said_tells_right_from_wrong() -> None:
    both = item(0, says(0, 0), says(0, expert="ben"))
    differ = item(1, says(0, 0), says(1, expert="ben"))
    changed = item(2, says(1, 0), says(1, expert="ben"))  # only what was accepted is judged
    (ann,) = found(both, differ, changed)
    assert (ann.right, ann.wrong, ann.kept) == (1, 1, Share(2, 3))


def test_rounds_in_which_nothing_was_visible_are_left_out() -> None:
    round_0 = item(0, says(1), hidden=True), item(1, says(1), hidden=True)
    round_1 = item(2, says(0, 0), round=1), item(3, says(0), round=1, hidden=True)
    assert found(*round_0) == ()
    assert found(*round_0, *round_1) == (habit((1, 1), (1, 1)),)


def test_each_expert_has_a_habit_of_their_own_and_only_who_met_a_preselection() -> None:
    items = (
        item(0, says(0, 0, "ben")), item(1, says(1, 0, "ann")),
        item(2, says(0, None, "cid"), hidden=True),
    )  # fmt: skip
    assert [(one.expert, one.kept.count) for one in found(*items)] == [("ann", 0), ("ben", 1)]
