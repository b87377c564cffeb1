import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.stratify import fair_shares, stratify

SEEDS = 2_000


@pytest.mark.parametrize(
    ("sizes", "total", "share"),
    [
        ([100, 100], 10, [5, 5]),
        ([100, 3], 10, [7, 3]),
        ([2, 100, 5], 20, [2, 13, 5]),
        ([0, 10], 4, [0, 4]),
        ([3, 4], 100, [3, 4]),
        ([10, 10, 10], 10, [4, 3, 3]),
        ([5, 5], 0, [0, 0]),
        ([], 5, []),
    ],
)
def test_shares_are_as_equal_as_the_sizes_allow(
    sizes: list[int], total: int, share: list[int]
) -> None:
    assert fair_shares(sizes, total) == share


@given(st.lists(st.integers(0, 50), max_size=6), st.integers(0, 200))
def test_nobody_gets_less_than_another_who_could_take_no_more(sizes: list[int], total: int) -> None:
    share = fair_shares(sizes, total)
    assert sum(share) == min(total, sum(sizes))
    assert all(0 <= got <= size for got, size in zip(share, sizes, strict=True))
    most = max(share, default=0)
    assert all(got >= most - 1 or got == size for got, size in zip(share, sizes, strict=True))


def test_each_row_is_taken_as_often_as_it_says() -> None:
    predicted = np.array([0] * 20 + [1] * 6 + [2] * 2)
    among = np.ones(28, dtype=np.bool_)
    among[[0, 20]] = False
    times = np.zeros(28)
    for seed in range(SEEDS):
        rows, chance = stratify(predicted, among, 9, 3, rng=np.random.default_rng(seed))
        assert len(set(rows.tolist())) == 9
        times[rows] += 1
        said = dict(zip(predicted[rows].tolist(), chance.tolist(), strict=True))
        assert said == pytest.approx({0: 4 / 19, 1: 3 / 5, 2: 1.0})  # the rare label gives all
    wanted = np.where(among, np.array([4 / 19, 3 / 5, 1.0])[predicted], 0.0)
    error = np.sqrt(wanted * (1 - wanted) / SEEDS)
    assert (np.abs(times / SEEDS - wanted) <= 4 * error).all()


def test_more_than_there_is_gives_all_with_certainty() -> None:
    predicted = np.array([0, 1, 1, 0, 1])
    among = np.array([True, True, False, True, True])
    rows, chance = stratify(predicted, among, 50, 2, rng=np.random.default_rng(0))
    assert sorted(rows.tolist()) == [0, 1, 3, 4]
    assert chance.tolist() == [1.0] * 4


def test_nothing_to_take_gives_nothing() -> None:
    rows, chance = stratify(
        np.zeros(3, dtype=np.int64), np.zeros(3, bool), 5, 2, rng=np.random.default_rng(0)
    )
    assert (rows.tolist(), chance.tolist()) == ([], [])


def test_the_same_generator_gives_the_same_rows() -> None:
    predicted, among = np.arange(40) % 2, np.ones(40, dtype=np.bool_)
    once, again = (
        stratify(predicted, among, 10, 2, rng=np.random.default_rng(3))[0] for _ in range(2)
    )
    assert once.tolist() == again.tolist()
