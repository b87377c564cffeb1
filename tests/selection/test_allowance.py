"""What a round may ask for."""

import pytest

from selection.allowance import allowance
from selection.config import Settings
from selection.second import LEAST


def settings(**changes: int) -> Settings:
    return Settings(**{"per_round": 64, "audit_per_round": 20, "budget": 400, **changes})


def test_a_round_is_whole_while_the_budget_reaches() -> None:
    whole = 64 + 20 * (1 + LEAST)
    assert whole == 89
    assert allowance(settings(), 0) == (64, 20)
    assert allowance(settings(), 400 - 89) == (64, 20)


@pytest.mark.parametrize("left", range(1, 89))
@pytest.mark.parametrize("experts", [1, 2, 3])
def test_the_last_round_asks_for_no_more_than_is_left(left: int, experts: int) -> None:
    chosen, audited = allowance(settings(experts=experts), 400 - left)
    assert chosen >= 1
    assert chosen + audited <= max(left, 1)
    expected = chosen + audited * (1 + LEAST * (experts - 1))
    assert left - 10 * experts <= expected <= max(left, 1)


def test_who_goes_on_without_a_budget_gets_a_whole_round() -> None:
    assert allowance(settings(), 400) == (64, 20)
    assert allowance(settings(), 500) == (64, 20)
