import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.budget import budget
from selection.cluster import (
    NO_REGION,
    Clusters,
    cluster,
    connect,
    neighbours,
    overlap,
)
from selection.region import (
    Candidates,
    by_region,
    candidates,
    centres_of,
    region_of,
    share_of,
    spread,
)
from selection.types import Pairs
from tests.selection.test_cluster import unit


def made(seed: int, regions: list[int], rows: int = 400) -> Candidates:
    """Disjoint pairs of random rows; `regions` of each."""
    rng = np.random.default_rng(seed)
    members = rng.permutation(rows)[: 2 * len(regions)].reshape(-1, 2)
    points = unit(rng.normal(size=(len(regions), 6)))
    return Candidates(points, rng.random(len(regions)) + 0.1, members, np.array(regions))


NOTHING = np.zeros((0, 6), dtype=np.float32)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=12).filter(lambda mass: sum(mass) > 0),
    st.integers(0, 64),
)
def test_the_shares_sum_to_the_budget_and_are_rounded_by_less_than_one(
    mass: list[float], most: int
) -> None:
    share = spread(np.array(mass), most)
    assert share.sum() == most
    assert (np.abs(share - np.array(mass) / sum(mass) * most) < 1 + 1e-9).all()


def test_the_largest_remainders_get_what_is_left() -> None:
    assert spread(np.array([5.0, 3.0, 2.0]), 4).tolist() == [2, 1, 1]
    assert spread(np.array([1.0, 1.0, 1.0]), 4).tolist() == [2, 1, 1]
    assert spread(np.zeros(3), 4).tolist() == [0, 0, 0]


def test_each_region_gets_its_part_and_inside_the_best_covering_pairs() -> None:
    every = made(0, [0] * 30 + [1] * 20 + [NO_REGION] * 10)
    chosen = by_region(every, most=24, covered=NOTHING)
    mass = [every.weight[every.region == name].sum() for name in (0, 1, NO_REGION)]
    wanted = spread(np.array(mass), 12).tolist()
    assert [int((every.region[chosen] == name).sum()) for name in (0, 1, NO_REGION)] == wanted
    heaviest = np.flatnonzero(every.region == 0)
    alone = budget(
        every.points[heaviest], every.weight[heaviest], every.members[heaviest],
        most=2 * wanted[0], covered=NOTHING,
    )  # fmt: skip
    assert chosen[: wanted[0]].tolist() == heaviest[alone].tolist()


def test_a_region_with_few_pairs_leaves_its_part_to_the_others() -> None:
    every = made(1, [0, 0] + [1] * 30)
    every.weight[:2] = 100.0
    chosen = by_region(every, most=20, covered=NOTHING)
    assert len(chosen) == 10
    assert {0, 1} <= set(chosen.tolist())


def test_no_row_is_bought_twice_and_the_budget_is_kept() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        n = 60
        members = np.stack([rng.choice(40, 2, replace=False) for _ in range(n)])
        every = Candidates(
            unit(rng.normal(size=(n, 6))), rng.random(n), members, rng.integers(-1, 4, size=n)
        )
        bought = every.members[by_region(every, most=32, covered=NOTHING)].ravel()
        assert len(set(bought.tolist())) == len(bought) <= 32


def test_one_region_alone_is_the_plain_choice() -> None:
    every = made(2, [0] * 40)
    plain = budget(every.points, every.weight, every.members, most=16, covered=NOTHING)
    assert by_region(every, most=16, covered=NOTHING).tolist() == plain.tolist()


def test_no_candidates_are_no_choice() -> None:
    assert len(by_region(made(3, []), most=8, covered=NOTHING)) == 0


def test_candidates_without_weight_are_chosen_too_late_to_loop_for_ever() -> None:
    every = made(4, [0] * 6)
    every.weight[:] = 0.0
    assert len(by_region(every, most=4, covered=NOTHING)) == 0


def test_a_pair_is_in_a_region_if_both_of_its_rows_are() -> None:
    clusters = Clusters(np.array([9, 4, 7, 2]), np.array([0, 1, 2, 3]), np.array([0, 1, 0, 1]))
    region = np.array([0, 0, 1, NO_REGION])
    assert region_of(np.array([7, 100, 4]), clusters, region).tolist() == [1, NO_REGION, 0]
    pairs = Pairs(np.array([9, 9, 7, 8]), np.array([4, 2, 4, 3]))
    found = candidates(np.eye(10, dtype=np.float32), np.zeros(10), pairs, clusters, region)
    assert found.region.tolist() == [0, NO_REGION, NO_REGION, NO_REGION]
    assert found.members.tolist() == [[9, 4], [9, 2], [7, 4], [8, 3]]
    assert found.points[0, [9, 4]] == pytest.approx(np.full(2, 0.5**0.5))


def test_the_share_of_the_pool_is_that_of_the_planted_topics() -> None:
    """Two of five topics are confused; 30 and 10 % of the pool, of which a part is a candidate."""
    rng = np.random.default_rng(5)
    middle = 3 * unit(rng.normal(size=(5, 64)))
    topic = rng.choice(5, size=6_000, p=[0.3, 0.1, 0.2, 0.2, 0.2])
    vectors = unit(middle[topic] + 0.15 * rng.normal(size=(6_000, 64)))
    predicted = np.where(topic < 2, rng.integers(2, size=6_000), (topic == 2).astype(np.int64))
    rows = np.concatenate([np.flatnonzero(topic == t)[:80] for t in range(5)])
    clusters = cluster(vectors, predicted, rows, count=7, seed=0)
    region = connect(clusters, overlap(clusters, neighbours(vectors, clusters)))
    centre = centres_of(vectors, clusters, region)
    first = int((unit(middle) @ centre[0]).argmax())
    order = [first, 1 - first]
    share = share_of(vectors, clusters, region, np.arange(6_000))
    assert share == pytest.approx(np.array([0.3, 0.1])[order], abs=0.04)
    for name, wanted in enumerate(order):
        mean = vectors[rows][topic[rows] == wanted].mean(axis=0)
        assert centre[name] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_no_region_has_no_sizes() -> None:
    clusters = Clusters(np.arange(3), np.arange(3), np.array([0, 0, 1]))
    none = np.full(3, NO_REGION)
    vectors = np.eye(3, dtype=np.float32)
    assert share_of(vectors, clusters, none, np.arange(3)).tolist() == []
    assert centres_of(vectors, clusters, none).shape == (0, 3)


def test_arrays_that_do_not_fit_are_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="candidates are not aligned"):
        Candidates(NOTHING, np.ones(1), np.zeros((1, 2), dtype=np.int64), one)
