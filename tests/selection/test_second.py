from math import ceil

import numpy as np
import pytest

from selection.record import Record
from selection.second import LEAST, asks_all, second_chance
from selection.types import Estimate
from tests import records

NAMES = [f"id {i}" for i in range(20_000)]


def after(low: float | None, high: float | None, items: int) -> Record:
    """A round whose experts' kappa has this interval."""
    if low is None or high is None:
        return records.record(0, expert_kappa=Estimate(None, low, high, items, "few"))
    return records.record(0, expert_kappa=Estimate((low + high) / 2, low, high, items))


# who is asked


@pytest.mark.parametrize("chance", [0.05, 0.25, 0.5, 0.9])
def test_all_experts_are_asked_about_as_many_texts_as_the_chance_says(chance: float) -> None:
    share = np.mean([asks_all(name, chance) for name in NAMES])
    assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / len(NAMES))


def test_a_chance_of_one_asks_about_every_text_and_none_about_no_text() -> None:
    assert all(asks_all(name, 1.0) for name in NAMES)
    assert not any(asks_all(name, 0.0) for name in NAMES)


def test_a_larger_chance_asks_about_the_same_texts_and_more() -> None:
    few = {name for name in NAMES if asks_all(name, 0.25)}
    more = {name for name in NAMES if asks_all(name, 0.6)}
    assert few < more


def test_what_is_asked_twice_depends_on_the_text_alone() -> None:
    assert [asks_all(name, 0.5) for name in NAMES[:8]] == [
        asks_all(name, 0.5) for name in reversed(NAMES[:8])
    ][::-1]


# how many


def test_before_anything_is_measured_a_quarter_is_asked_twice() -> None:
    assert LEAST == 0.25
    assert second_chance(None, 20, 0.4) == LEAST


@pytest.mark.parametrize("bounds", [(None, None), (1.0, 1.0)])
def test_an_interval_that_tells_nothing_asks_for_the_least(
    bounds: tuple[float | None, float | None],
) -> None:
    assert second_chance(after(*bounds, 10), 20, 0.4) == LEAST


def test_a_round_without_an_audit_asks_nobody_twice_as_often_as_ever() -> None:
    assert second_chance(after(0.0, 1.0, 10), 0, 0.4) == LEAST


def test_where_the_experts_kappa_is_known_well_enough_the_least_is_asked() -> None:
    assert second_chance(after(0.6, 0.95, 30), 20, 0.4) == LEAST
    assert second_chance(after(0.6, 1.0, 30), 20, 0.4) == LEAST


@pytest.mark.parametrize(
    ("low", "high", "items", "audited", "width"),
    [(0.4, 0.9, 20, 20, 0.4), (0.5, 1.0, 16, 12, 0.4), (0.6, 1.0, 40, 30, 0.3)],
)
def test_half_of_what_the_interval_lacks_is_asked_in_the_next_round(
    low: float, high: float, items: int, audited: int, width: float
) -> None:
    # an interval is as wide as 1 / sqrt(n)
    needed = items * ((high - low) / width) ** 2
    lacks = ceil(needed - items - 1e-6)
    share = ceil(lacks / 2) / audited
    assert LEAST < share < 1
    assert second_chance(after(low, high, items), audited, width) == pytest.approx(share)


def test_no_more_than_all_can_be_asked_twice() -> None:
    assert second_chance(after(0.0, 0.95, 6), 20, 0.2) == 1.0
    assert second_chance(after(0.5, 0.95, 6), 20, 0.01) == 1.0


def test_a_narrower_width_never_asks_fewer() -> None:
    newest = after(0.3, 0.9, 15)
    found = [second_chance(newest, 20, width) for width in (2.0, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (LEAST, 1.0)
