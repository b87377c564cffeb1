import numpy as np
import pytest

from selection.cluster import cluster
from selection.neighbour import Neighbours, neighbours
from selection.overlap import OWN, overlap
from selection.types import Clusters, Overlaps


def around(rng: np.random.Generator, centre: int, n: int, spread: float = 0.05) -> np.ndarray:
    vectors = np.eye(6)[centre] + spread * rng.normal(size=(n, 6))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def found(vectors: np.ndarray, predicted: np.ndarray, clusters: Clusters, k: int = 2) -> Overlaps:
    everything = np.ones(len(vectors), dtype=np.bool_)
    return overlap(neighbours(vectors, predicted, everything, k, OWN), clusters, predicted)


def blobs(*sizes: int) -> np.ndarray:
    return np.repeat(np.arange(len(sizes)), sizes)


def test_interleaved_blobs_overlap_and_those_far_away_do_not() -> None:
    rng = np.random.default_rng(0)
    where = blobs(40, 40, 40, 40)  # label 0 at corners 0 and 1, label 1 at corners 0 and 2
    vectors = np.concatenate([around(rng, c, 40) for c in (0, 1, 0, 2)])
    overlaps = found(vectors, where // 2, Clusters(where, np.array([0, 0, 1, 1])))
    assert (overlaps.first.tolist(), overlaps.second.tolist()) == ([0], [2])
    assert 0.5 < overlaps.strength[0] <= 1.0


def test_far_blobs_give_their_nearest_clusters_and_not_nothing() -> None:
    rng = np.random.default_rng(1)
    where = blobs(20, 20, 20)
    bridge = (np.eye(6)[1] + np.eye(6)[2])[None] / np.sqrt(2)
    nearer = bridge + 0.01 * rng.normal(size=(20, 6))
    nearer /= np.linalg.norm(nearer, axis=1, keepdims=True)
    vectors = np.concatenate([around(rng, 0, 20, 0.01), around(rng, 1, 20, 0.01), nearer])
    predicted = (where == 2).astype(np.int64)
    overlaps = found(vectors.astype(np.float32), predicted, Clusters(where, np.array([0, 0, 1])))
    # clusters 1 and 2 look at each other, with all their members; cluster 0 looks at 2 as well
    assert (overlaps.first.tolist(), overlaps.second.tolist()) == ([1, 0], [2, 2])
    assert overlaps.strength.tolist() == [1.0, 0.5]


def test_the_strength_is_the_share_of_members_at_the_border() -> None:
    """The rule of the docstring, spelled out row by row."""
    rng = np.random.default_rng(2)
    vectors = np.concatenate([around(rng, 0, 60, 0.4), around(rng, 1, 60, 0.4)])
    predicted = rng.integers(0, 3, 120)
    clusters = cluster(vectors, predicted, np.ones(120, dtype=np.bool_), seed=0)
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(cosine, -np.inf)
    border: dict[tuple[int, int], int] = {}
    for row in range(120):
        own = np.sort(cosine[row, predicted == predicted[row]])[::-1][OWN - 1]
        for name in range(3):
            if name == predicted[row]:
                continue
            other = max(np.flatnonzero(predicted == name), key=lambda j: cosine[row, j])
            if cosine[row, other] > own:
                cells = sorted((int(clusters.of_row[row]), int(clusters.of_row[other])))
                border[cells[0], cells[1]] = border.get((cells[0], cells[1]), 0) + 1
    size = np.bincount(clusters.of_row)
    wanted = {(a, b): count / (size[a] + size[b]) for (a, b), count in border.items()}
    overlaps = found(vectors, predicted, clusters, k=3)
    ends = zip(overlaps.first.tolist(), overlaps.second.tolist(), strict=True)
    assert dict(zip(ends, overlaps.strength.tolist(), strict=True)) == pytest.approx(wanted)
    assert (np.diff(overlaps.strength) <= 0).all()
    assert (clusters.label[overlaps.first] < clusters.label[overlaps.second]).all()
    assert overlaps.strength.min() >= 0 and overlaps.strength.max() <= 1


def test_one_label_alone_overlaps_with_nothing() -> None:
    vectors = around(np.random.default_rng(3), 0, 30)
    one = np.zeros(30, dtype=np.int64)
    assert len(found(vectors, one, Clusters(one, np.array([0]))).first) == 0


def test_no_rows_overlap_with_nothing() -> None:
    none = np.zeros(3, dtype=np.int64)
    near = neighbours(np.eye(3, dtype=np.float32), none, np.zeros(3, dtype=bool), 2, OWN)
    assert len(overlap(near, Clusters(none - 1, np.zeros(0, dtype=np.int64)), none).first) == 0


def test_too_few_neighbours_are_refused() -> None:
    near = Neighbours(np.arange(2), np.zeros((2, 2, 1), int), np.zeros((2, 2, 1), np.float32))
    with pytest.raises(ValueError, match=f"overlap needs {OWN} neighbours a label, got 1"):
        overlap(near, Clusters(np.zeros(2, int), np.array([0])), np.zeros(2, int))
