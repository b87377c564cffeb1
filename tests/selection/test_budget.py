import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selection.budget import WIDTH, budget


def unit(rng: np.random.Generator, n: int, d: int = 4) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def candidates(seed: int, n: int = 40, rows: int = 50) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, weights, and members of which some share a row and some are single."""
    rng = np.random.default_rng(seed)
    members = np.stack([rng.choice(rows, 2, replace=False) for _ in range(n)])
    members[rng.random(n) < 0.3, 1] = members[rng.random(n) < 0.3, 0][0]
    return unit(rng, n), rng.random(n), members


def cover(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """(m,) how well each point is covered by the points `by`; in double precision."""
    if not len(by):
        return np.zeros(len(points))
    return np.exp((points.astype(float) @ by.astype(float).T - 1) / WIDTH).max(axis=1)


def coverage(points: np.ndarray, weight: np.ndarray, by: np.ndarray) -> float:
    return float(weight @ cover(points, by))


@pytest.mark.parametrize("seed", range(6))
def test_every_step_takes_the_largest_gain_for_a_row(seed: int) -> None:
    points, weight, members = candidates(seed)
    covered = unit(np.random.default_rng(seed + 50), 3)
    chosen = budget(points, weight, members, most=30, covered=covered)
    assert len(chosen) > 8
    taken: set[int] = set()
    for step, best in enumerate(chosen):
        before = np.concatenate([covered, points[chosen[:step]]])
        gain = {
            i: (
                coverage(points, weight, np.concatenate([before, points[i : i + 1]]))
                - coverage(points, weight, before)
            )
            / len(set(members[i].tolist()))
            for i in range(len(points))
            if not taken & set(members[i].tolist())
        }
        assert int(best) in gain
        assert gain[int(best)] == pytest.approx(max(gain.values()), rel=1e-3, abs=1e-6)
        taken |= set(members[best].tolist())


@pytest.mark.parametrize("seed", range(6))
def test_a_larger_budget_begins_with_the_smaller_choice_and_covers_no_less(seed: int) -> None:
    points, weight, members = candidates(seed)
    before: list[int] = []
    reached = 0.0
    for most in range(45):
        chosen = budget(points, weight, members, most=most).tolist()
        assert chosen[: len(before)] == before
        rows = members[chosen] if chosen else np.zeros((0, 2), dtype=np.int64)
        assert len(set(rows.ravel().tolist())) <= most
        now = coverage(points, weight, points[chosen])
        assert now >= reached - 1e-9
        before, reached = chosen, now


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 120))
def test_no_row_is_bought_twice_and_no_more_than_asked(seed: int, most: int) -> None:
    points, weight, members = candidates(seed)
    rows = [set(members[i].tolist()) for i in budget(points, weight, members, most=most)]
    bought = [row for two in rows for row in two]
    assert len(bought) == len(set(bought)) <= most


def test_more_than_there_is_gives_all() -> None:
    points = unit(np.random.default_rng(0), 20)
    singles = np.repeat(np.arange(20)[:, None], 2, axis=1)
    pairs = np.arange(40).reshape(20, 2)
    for members in (singles, pairs):
        chosen = budget(points, np.ones(20), members, most=1_000)
        assert sorted(chosen.tolist()) == list(range(20))


def test_candidates_without_weight_are_still_bought_when_there_is_room() -> None:
    points = unit(np.random.default_rng(1), 10)
    singles = np.repeat(np.arange(10)[:, None], 2, axis=1)
    assert sorted(budget(points, np.zeros(10), singles, most=10).tolist()) == list(range(10))


def test_what_is_covered_repels() -> None:
    here, there = np.eye(4, dtype=np.float32)[:2]
    points = np.stack([here] * 5 + [there] * 3)  # more is to be covered here
    singles = np.repeat(np.arange(8)[:, None], 2, axis=1)
    assert budget(points, np.ones(8), singles, most=1)[0] < 5
    assert budget(points, np.ones(8), singles, most=1, covered=here[None])[0] >= 5


def test_the_second_choice_goes_where_the_first_does_not_reach() -> None:
    here, there = np.eye(4, dtype=np.float32)[:2]
    points = np.stack([here] * 5 + [there] * 2)
    singles = np.repeat(np.arange(7)[:, None], 2, axis=1)
    first, second = budget(points, np.ones(7), singles, most=2)
    assert (first < 5, second >= 5) == (True, True)


def test_unsure_points_come_first() -> None:
    points = np.eye(4, dtype=np.float32)
    singles = np.repeat(np.arange(4)[:, None], 2, axis=1)
    chosen = budget(points, np.array([0.1, 0.9, 0.5, 0.7]), singles, most=4)
    assert chosen.tolist() == [1, 3, 2, 0]


def test_two_rows_for_the_price_of_two_must_cover_twice_as_much() -> None:
    points = np.eye(4, dtype=np.float32)[:2]
    members = np.array([[0, 1], [2, 2]])
    assert budget(points, np.array([1.0, 0.6]), members, most=3).tolist() == [1, 0]
    assert budget(points, np.array([1.0, 0.4]), members, most=3).tolist() == [0, 1]


def test_no_candidates_give_no_choice() -> None:
    none = np.zeros((0, 4), dtype=np.float32)
    covered = np.eye(4, dtype=np.float32)
    members = np.zeros((0, 2), dtype=np.int64)
    assert budget(none, np.zeros(0), members, most=5, covered=covered).tolist() == []


def test_arguments_that_do_not_fit_are_refused() -> None:
    points = np.eye(2, dtype=np.float32)
    with pytest.raises(ValueError, match="2 points, 3 weights, 2 members"):
        budget(points, np.ones(3), np.zeros((2, 2), dtype=np.int64), most=1)
    with pytest.raises(ValueError, match="weights must not be negative"):
        budget(points, np.array([1.0, -1.0]), np.zeros((2, 2), dtype=np.int64), most=1)
