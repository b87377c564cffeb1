from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection.budget import WIDTH, budget

NONE = np.zeros(0, dtype=np.int64)


def unit(rng: np.random.Generator, n: int, d: int = 4) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def alone(rows: Iterable[int]) -> np.ndarray:
    """Candidates that are one row each."""
    return np.repeat(np.array(list(rows), dtype=np.int64)[:, None], 2, axis=1)


class World:
    """50 rows; 40 candidates, of which some share a row and some are single; 30 rows to cover."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.vectors = unit(rng, 50)
        self.members = np.stack([rng.choice(50, 2, replace=False) for _ in range(40)])
        single = rng.random(40) < 0.3
        self.members[single, 1] = self.members[single, 0]
        self.space = rng.permutation(50)[:30]
        self.weight = rng.random(30)

    def choose(self, most: int, covered: np.ndarray = NONE) -> list[int]:
        return budget(
            self.vectors, self.members, self.space, self.weight, most=most, covered=covered
        ).tolist()

    def coverage(self, rows: Iterable[int]) -> float:
        """By the definition, in double precision."""
        by = self.vectors[sorted(set(rows))].astype(float)
        if not len(by):
            return 0.0
        near = self.vectors[self.space].astype(float) @ by.T
        return float(self.weight @ np.exp((near - 1) / WIDTH).max(axis=1))

    def rows(self, chosen: Iterable[int]) -> list[int]:
        """What the candidates buy."""
        return [row for i in chosen for row in sorted(set(self.members[i].tolist()))]


@pytest.mark.parametrize("seed", range(6))
def test_every_step_takes_the_largest_gain_for_a_row(seed: int) -> None:
    world = World(seed)
    covered = np.random.default_rng(seed + 50).permutation(50)[:3]
    chosen = world.choose(30, covered)
    assert len(chosen) > 8
    for step, best in enumerate(chosen):
        taken = world.rows(chosen[:step])
        before = [*covered.tolist(), *taken]
        gain = {
            i: (world.coverage([*before, *world.rows([i])]) - world.coverage(before))
            / len(world.rows([i]))
            for i in range(40)
            if not set(taken) & set(world.rows([i]))
        }
        assert best in gain
        assert gain[best] == pytest.approx(max(gain.values()), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_larger_budget_begins_with_the_smaller_choice_and_covers_no_less(seed: int) -> None:
    world = World(seed)
    before: list[int] = []
    reached = 0.0
    for most in range(45):
        chosen = world.choose(most)
        assert chosen[: len(before)] == before
        assert len(world.rows(chosen)) <= most
        now = world.coverage(world.rows(chosen))
        assert now >= reached - 1e-9
        before, reached = chosen, now


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 120))
def test_no_row_is_bought_twice_and_no_more_than_asked(seed: int, most: int) -> None:
    world = World(seed)
    bought = world.rows(world.choose(most))
    assert len(bought) == len(set(bought)) <= most


@pytest.mark.parametrize(
    "members", [alone(range(20)), np.arange(40).reshape(20, 2)], ids=["singles", "pairs"]
)
@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_more_than_there_is_gives_all_whatever_its_weight(
    members: np.ndarray, weight: float
) -> None:
    vectors = unit(np.random.default_rng(0), 40)
    chosen = budget(
        vectors, members, np.arange(40), np.full(40, weight), most=1_000, covered=NONE
    )
    assert sorted(chosen.tolist()) == list(range(20))


HERE_AND_THERE = np.eye(4, dtype=np.float32)[[0] * 5 + [1] * 3]  # more is to be covered here


def test_what_is_covered_repels() -> None:
    rows, ones = np.arange(8), np.ones(8)

    def first(covered: np.ndarray) -> int:
        chosen = budget(HERE_AND_THERE, alone(rows), rows, ones, most=1, covered=covered)
        return int(chosen[0])

    assert first(NONE) < 5
    assert first(np.array([2])) >= 5


def test_the_second_choice_goes_where_the_first_does_not_reach() -> None:
    rows = np.arange(8)
    one, two = budget(HERE_AND_THERE, alone(rows), rows, np.ones(8), most=2, covered=NONE)
    assert (one < 5, two >= 5) == (True, True)


def test_what_is_to_be_covered_need_not_be_for_sale() -> None:
    """Two rows for sale; what lies near the second is what is to be covered."""
    space = np.array([5, 6, 7])
    chosen = budget(
        HERE_AND_THERE, alone([0, 5]), space, np.ones(3), most=1, covered=NONE
    )
    assert chosen.tolist() == [1]


def test_unsure_rows_come_first() -> None:
    rows = np.arange(4)
    weight = np.array([0.1, 0.9, 0.5, 0.7])
    vectors = np.eye(4, dtype=np.float32)
    assert budget(vectors, alone(rows), rows, weight, most=4, covered=NONE).tolist() == [1, 3, 2, 0]


def test_a_pair_covers_what_either_of_its_rows_covers() -> None:
    """A pair between two places gains both; a pair within one place gains it once."""
    vectors = np.eye(4, dtype=np.float32)[[0, 0, 1]]
    members = np.array([[0, 1], [1, 2]])
    rows = np.arange(3)
    assert budget(vectors, members, rows, np.ones(3), most=2, covered=NONE).tolist() == [1]


def test_a_pair_must_cover_twice_as_much_as_a_single_row() -> None:
    vectors = np.eye(4, dtype=np.float32)[:3]
    members, rows = np.array([[0, 1], [2, 2]]), np.arange(3)

    def chosen(pair: float, single: float) -> list[int]:
        weight = np.array([pair / 2, pair / 2, single])
        return budget(vectors, members, rows, weight, most=3, covered=NONE).tolist()

    assert chosen(1.0, 0.6) == [1, 0]
    assert chosen(1.0, 0.4) == [0, 1]


def test_no_candidates_give_no_choice() -> None:
    members = np.zeros((0, 2), dtype=np.int64)
    chosen = budget(
        HERE_AND_THERE, members, np.arange(8), np.ones(8), most=5, covered=np.array([1])
    )
    assert chosen.tolist() == []


def test_arguments_that_do_not_fit_are_refused() -> None:
    rows = np.arange(8)
    with pytest.raises(ValueError, match="8 rows to cover, 3 weights"):
        budget(HERE_AND_THERE, alone(rows), rows, np.ones(3), most=1, covered=NONE)
    with pytest.raises(ValueError, match=r"members must be \(candidates, 2\), not \(8,\)"):
        budget(HERE_AND_THERE, rows, rows, np.ones(8), most=1, covered=NONE)
    with pytest.raises(ValueError, match="weights must not be negative"):
        budget(HERE_AND_THERE, alone(rows), rows, np.full(8, -1.0), most=1, covered=NONE)
