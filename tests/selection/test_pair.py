import numpy as np
import pytest

from selection.cluster import cluster
from selection.neighbour import neighbours
from selection.overlap import overlap
from selection.pair import ISOLATION, isolated, pair
from selection.types import Clusters, Pairs


def unit(rng: np.random.Generator, n: int, d: int = 5) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def labelled(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Random rows whose labels follow the space with some noise."""
    rng = np.random.default_rng(seed)
    vectors = unit(rng, n)
    score = vectors @ rng.normal(size=(5, k)) + rng.gumbel(size=(n, k)) * 0.3
    return vectors, score.argmax(axis=1)


def paired(vectors: np.ndarray, predicted: np.ndarray, clusters: Clusters, k: int) -> Pairs:
    everything = clusters.of_row >= 0
    near = neighbours(vectors, predicted, everything, k, ISOLATION)
    return pair(near, clusters, overlap(near, clusters, predicted), predicted)


def ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def brute_force(
    vectors: np.ndarray, predicted: np.ndarray, clusters: Clusters, k: int
) -> dict[tuple[int, int], float]:
    """Every row with its nearest row of every other label, from the whole matrix of cosines."""
    rows = np.flatnonzero(clusters.of_row >= 0)
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    overlaps = overlap(
        neighbours(vectors, predicted, clusters.of_row >= 0, k, ISOLATION), clusters, predicted
    )
    allowed = set(zip(overlaps.first.tolist(), overlaps.second.tolist(), strict=True))

    def lonely(row: int) -> bool:
        others = sorted((j for j in rows if j != row), key=lambda j: -cosine[row, j])
        return all(predicted[j] != predicted[row] for j in others[:ISOLATION])

    alone = {int(row): lonely(row) for row in rows}
    found = {}
    for row in rows:
        for name in set(range(k)) - {int(predicted[row])}:
            others = [j for j in rows if predicted[j] == name]
            if not others:
                continue
            other = max(others, key=lambda j: cosine[row, j])
            cells = sorted((int(clusters.of_row[row]), int(clusters.of_row[other])))
            if (cells[0], cells[1]) in allowed and not alone[int(row)] and not alone[int(other)]:
                two = sorted((int(row), int(other)), key=lambda j: predicted[j])
                found[two[0], two[1]] = 1.0 - cosine[row, other]
    return found


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_brute_force_search(seed: int, k: int) -> None:
    vectors, predicted = labelled(seed, 160, k)
    among = np.random.default_rng(seed + 100).random(160) < 0.8
    clusters = cluster(vectors, predicted, among, seed=0)
    pairs = paired(vectors, predicted, clusters, k)
    wanted = brute_force(vectors, predicted, clusters, k)
    assert len(wanted) > 30
    found = dict(zip(ends(pairs), pairs.distance.tolist(), strict=True))
    assert found == pytest.approx(wanted, abs=1e-5)
    assert len(found) == len(pairs)
    assert (np.diff(pairs.distance) >= 0).all()
    assert (predicted[pairs.left] < predicted[pairs.right]).all()


def test_a_pair_names_the_overlap_of_its_two_clusters() -> None:
    vectors, predicted = labelled(7, 160, 3)
    clusters = cluster(vectors, predicted, np.ones(160, dtype=np.bool_), seed=0)
    near = neighbours(vectors, predicted, np.ones(160, dtype=np.bool_), 3, ISOLATION)
    overlaps = overlap(near, clusters, predicted)
    pairs = pair(near, clusters, overlaps, predicted)
    cells = np.stack([clusters.of_row[pairs.left], clusters.of_row[pairs.right]])
    assert overlaps.first[pairs.overlap].tolist() == cells.min(axis=0).tolist()
    assert overlaps.second[pairs.overlap].tolist() == cells.max(axis=0).tolist()


def test_rotating_the_space_changes_nothing() -> None:
    vectors, predicted = labelled(11, 200, 3)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    clusters = cluster(vectors, predicted, np.ones(200, dtype=np.bool_), seed=0)
    turned = np.ascontiguousarray(vectors @ rotation, dtype=np.float32)
    before, after = (paired(v, predicted, clusters, 3) for v in (vectors, turned))
    assert set(ends(before)) == set(ends(after))
    assert after.distance == pytest.approx(before.distance, abs=1e-5)


def test_permuting_the_rows_permutes_the_pairs_and_nothing_else() -> None:
    vectors, predicted = labelled(12, 200, 3)
    clusters = cluster(vectors, predicted, np.ones(200, dtype=np.bool_), seed=0)
    order = np.random.default_rng(1).permutation(200)  # the new row i is the old row order[i]
    moved = Clusters(clusters.of_row[order], clusters.label)
    before = paired(vectors, predicted, clusters, 3)
    after = paired(vectors[order], predicted[order], moved, 3)
    assert [(order[a], order[b]) for a, b in ends(after)] == ends(before)


def test_swapping_the_labels_swaps_the_ends() -> None:
    vectors, predicted = labelled(13, 200, 2)
    everything = np.ones(200, dtype=np.bool_)
    clusters = cluster(vectors, predicted, everything, seed=0)
    swapped = cluster(vectors, 1 - predicted, everything, seed=0)
    before, after = paired(vectors, predicted, clusters, 2), paired(
        vectors, 1 - predicted, swapped, 2
    )  # fmt: skip
    assert [(b, a) for a, b in ends(after)] == ends(before)
    assert after.distance.tolist() == before.distance.tolist()


def test_renaming_four_labels_keeps_the_pairs() -> None:
    vectors, predicted = labelled(14, 200, 4)
    rename = np.array([2, 0, 3, 1])
    everything = np.ones(200, dtype=np.bool_)
    before, after = (
        paired(vectors, p, cluster(vectors, p, everything, seed=0), 4)
        for p in (predicted, rename[predicted])
    )
    assert {frozenset(e) for e in ends(before)} == {frozenset(e) for e in ends(after)}


def test_a_row_labelled_unlike_all_around_it_is_noise_and_not_paired() -> None:
    rng = np.random.default_rng(15)
    here, there = np.eye(5)[0], (np.eye(5)[0] + np.eye(5)[1]) / np.sqrt(2)
    blobs = np.repeat([here, there], 40, axis=0) + 0.2 * rng.normal(size=(80, 5))
    vectors = (blobs / np.linalg.norm(blobs, axis=1, keepdims=True)).astype(np.float32)
    predicted = np.repeat([0, 1], 40)
    clean = predicted.copy()
    cosine = vectors @ vectors.T
    deep = int((cosine[:, :40].sum(axis=1) - cosine[:, 40:].sum(axis=1)).argmax())
    assert predicted[deep] == 0
    predicted[deep] = 1  # in the midst of label 0
    clusters = cluster(vectors, predicted, np.ones(80, dtype=np.bool_), seed=0)
    near = neighbours(vectors, predicted, np.ones(80, dtype=np.bool_), 2, ISOLATION)
    assert near.row[isolated(near, predicted)].tolist() == [deep]
    pairs = paired(vectors, predicted, clusters, 2)
    assert len(pairs) > 5
    assert deep not in set(pairs.left.tolist()) | set(pairs.right.tolist())
    # and it is the label that did it: with its own one it may be paired again
    assert not isolated(
        neighbours(vectors, clean, np.ones(80, dtype=np.bool_), 2, ISOLATION), clean
    ).any()


def test_one_label_alone_has_no_pairs() -> None:
    vectors = unit(np.random.default_rng(16), 30)
    one = np.zeros(30, dtype=np.int64)
    clusters = cluster(vectors, one, np.ones(30, dtype=np.bool_), seed=0)
    assert ends(paired(vectors, one, clusters, 2)) == []
