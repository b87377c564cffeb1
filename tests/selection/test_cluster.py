import numpy as np
import pytest

from selection.cluster import (
    NO_REGION,
    NONE,
    Clusters,
    Overlaps,
    cluster,
    connect,
    neighbours,
    overlap,
)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def planted(
    seed: int, places: list[tuple[int, ...]], each: int = 25, d: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Topics at random places; a topic with two labels is one where the model is confused.

    Returns vectors, predicted labels and the topic of each row, in random order.
    """
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(len(places), d))
    topic = np.repeat(np.arange(len(places)), [each * len(labels) for labels in places])
    predicted = np.concatenate([np.repeat(labels, each) for labels in places])
    order = rng.permutation(len(topic))
    topic, predicted = topic[order], predicted[order]
    return unit(middle[topic] + 0.7 * rng.normal(size=(len(topic), d))), predicted, topic


def found(seed: int, places: list[tuple[int, ...]]) -> tuple[Clusters, Overlaps, np.ndarray]:
    vectors, predicted, topic = planted(seed, places)
    clusters = cluster(
        vectors, predicted, np.arange(len(topic)), count=sum(map(len, places)), seed=seed
    )
    return clusters, overlap(clusters, neighbours(vectors, clusters)), topic


def random_clusters(seed: int, sizes: dict[int, list[int]]) -> Clusters:
    """Rows without vectors: `sizes` of each label's clusters."""
    label = np.array([name for name, own in sizes.items() for _ in own])
    cell = np.repeat(np.arange(len(label)), [size for own in sizes.values() for size in own])
    np.random.default_rng(seed).shuffle(cell)
    return Clusters(np.arange(len(cell)), cell, label)


@pytest.mark.parametrize("k", [2, 4])
def test_neighbours_are_those_of_a_brute_force_search(k: int) -> None:
    rng = np.random.default_rng(k)
    vectors, predicted = unit(rng.normal(size=(300, 6))), rng.integers(k, size=300)
    rows = rng.permutation(300)[:120]
    clusters = cluster(vectors, predicted, rows, count=8, seed=0)
    for place, nearest in enumerate(neighbours(vectors, clusters).tolist()):
        distance = np.linalg.norm(vectors[rows] - vectors[rows[place]], axis=1)
        others = np.flatnonzero(predicted[rows] != predicted[rows[place]])
        own = np.flatnonzero(clusters.cell == clusters.cell[place])
        wanted = others[distance[others].argmin()]
        cosine = 1 - distance**2 / 2  # of unit vectors
        far = cosine[wanted] < np.median(cosine[own])
        assert nearest == (NONE if far else wanted)


def test_every_row_is_in_one_cluster_of_its_own_label() -> None:
    rng = np.random.default_rng(1)
    vectors, predicted = unit(rng.normal(size=(400, 8))), rng.integers(3, size=400)
    rows = rng.permutation(400)[:250]
    clusters = cluster(vectors, predicted, rows, count=20, seed=0)
    assert clusters.row.tolist() == rows.tolist()
    assert (clusters.label[clusters.cell] == predicted[rows]).all()
    assert sorted(set(clusters.cell.tolist())) == list(range(len(clusters)))
    assert abs(len(clusters) - 20) <= 1


def test_a_label_with_a_single_row_has_a_cluster_of_its_own() -> None:
    vectors = unit(np.random.default_rng(2).normal(size=(50, 5)))
    predicted = np.zeros(50, dtype=np.int64)
    predicted[7] = 1
    clusters = cluster(vectors, predicted, np.arange(50), count=6, seed=0)
    assert np.flatnonzero(clusters.label[clusters.cell] == 1).tolist() == [7]


def test_texts_that_are_all_the_same_are_one_cluster_of_each_label() -> None:
    vectors = np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (30, 1))
    predicted = np.repeat([0, 1], 15)
    assert len(cluster(vectors, predicted, np.arange(30), count=10, seed=0)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_chance_is_that_of_dealing_the_clusters_out_anew(seed: int) -> None:
    clusters = random_clusters(seed, {0: [12, 20, 28], 1: [15, 25, 10], 2: [9, 14]})
    rng = np.random.default_rng(seed)
    label = clusters.label[clusters.cell]
    nearest = np.array([rng.choice(np.flatnonzero(label != own)) for own in label])
    result = overlap(clusters, nearest, level=1.0)
    assert len(result) == 3 * 3 + 3 * 2 + 3 * 2  # with level 1 every pair of different labels

    def met(cell: np.ndarray, a: int, b: int) -> int:
        """Rows of a whose neighbour is in b, where only the rows' own clusters are dealt out."""
        return int(((cell == a) & (clusters.cell[nearest] == b)).sum())

    deals = []
    for _ in range(4_000):
        dealt = clusters.cell.copy()
        for name in range(3):
            own = np.flatnonzero(label == name)
            dealt[own] = rng.permutation(dealt[own])
        deals.append(dealt)
    for place in range(0, len(result), 4):
        a, b = int(result.one[place]), int(result.two[place])
        there = np.array([met(dealt, a, b) for dealt in deals])
        back = np.array([met(dealt, b, a) for dealt in deals])
        seen = met(clusters.cell, a, b), met(clusters.cell, b, a)
        chance = max((there >= seen[0]).mean(), (back >= seen[1]).mean())
        assert result.chance[place] == pytest.approx(chance, abs=0.035)


def test_clusters_that_are_neighbours_by_chance_alone_hardly_ever_overlap() -> None:
    pairs, overlapping = 0, 0
    for seed in range(40):
        clusters = random_clusters(seed, {0: [30] * 8, 1: [30] * 8})
        rng = np.random.default_rng(seed + 100)
        label = clusters.label[clusters.cell]
        nearest = np.array([rng.choice(np.flatnonzero(label != own)) for own in label])
        pairs += 64
        overlapping += len(overlap(clusters, nearest, level=0.05))
    assert overlapping / pairs < 0.01  # both directions, each at most 5 %


@pytest.mark.parametrize("seed", range(5))
def test_planted_regions_are_found_and_quiet_topics_are_not(seed: int) -> None:
    places = [(0, 1), (0,), (0, 1), (1,), (0,), (0, 1)]
    clusters, overlaps, topic = found(seed, places)
    region = connect(clusters, overlaps)[clusters.cell]
    confused = np.isin(topic, [0, 2, 5])
    assert (region[confused] != NO_REGION).mean() > 0.95
    assert (region[~confused] == NO_REGION).mean() > 0.95
    for name in range(int(region.max()) + 1):  # a region is one topic
        inside = np.bincount(topic[region == name], minlength=6)
        assert inside.max() / inside.sum() > 0.95


def test_more_than_two_labels_meet_in_one_region() -> None:
    clusters, overlaps, topic = found(3, [(0, 1, 2), (0,), (1,), (2,), (0, 1, 2)])
    region = connect(clusters, overlaps)[clusters.cell]
    label = clusters.label[clusters.cell]
    for wanted in (0, 4):
        inside = region == np.bincount(region[topic == wanted] + 1).argmax() - 1
        assert set(label[inside].tolist()) == {0, 1, 2}


def test_regions_join_what_overlaps_directly_or_through_others_and_the_largest_is_first() -> None:
    label = np.array([0, 0, 0, 1, 1, 1])
    cell = np.repeat(np.arange(6), [1, 5, 9, 2, 5, 4])
    clusters = Clusters(np.arange(26), cell, label)
    edges = np.array([[0, 3], [1, 4], [1, 5]])
    ones = np.ones(3)
    overlaps = Overlaps(edges[:, 0], edges[:, 1], ones)
    assert connect(clusters, overlaps).tolist() == [1, 0, NO_REGION, 1, 0, 0]


def test_one_label_alone_has_clusters_and_no_overlap() -> None:
    vectors = unit(np.random.default_rng(4).normal(size=(40, 5)))
    clusters = cluster(vectors, np.zeros(40, dtype=np.int64), np.arange(40), count=4, seed=0)
    overlaps = overlap(clusters, neighbours(vectors, clusters))
    assert len(clusters) == 4
    assert len(overlaps) == 0
    assert (connect(clusters, overlaps) == NO_REGION).all()


def test_the_same_seed_gives_the_same_clusters() -> None:
    vectors, predicted, _ = planted(5, [(0, 1), (0,), (0, 1)])
    one, two = (
        cluster(vectors, predicted, np.arange(len(predicted)), count=5, seed=9) for _ in range(2)
    )
    assert one.cell.tolist() == two.cell.tolist()


def test_no_rows_are_no_clusters() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    clusters = cluster(np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.int64), nothing,
                       count=4, seed=0)  # fmt: skip
    assert len(clusters) == 0
    assert (
        len(connect(clusters, overlap(clusters, neighbours(np.eye(3, dtype=np.float32), clusters))))
        == 0
    )


def test_arrays_that_do_not_fit_are_refused() -> None:
    row, two = np.arange(3), np.arange(2)
    with pytest.raises(ValueError, match="3 vectors, 2 labels"):
        cluster(np.eye(3, dtype=np.float32), two, row, count=1, seed=0)
    with pytest.raises(ValueError, match="3 rows, 2 clusters"):
        Clusters(row, two, two)
    with pytest.raises(ValueError, match="numbered 0 to 1"):
        Clusters(row, row, two)
    with pytest.raises(ValueError, match="not aligned"):
        Overlaps(two, two + 1, np.ones(3))
    with pytest.raises(ValueError, match="smaller number"):
        Overlaps(two, two, np.ones(2))
