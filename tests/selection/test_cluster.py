import numpy as np
import pytest

from selection.cluster import MOST, cluster, how_many


def unit(rng: np.random.Generator, n: int, d: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_cluster_holds_rows_of_one_label_and_every_row_stands_in_one() -> None:
    rng = np.random.default_rng(0)
    vectors, predicted = unit(rng, 300), rng.integers(0, 3, 300)
    among = rng.random(300) < 0.8
    found = cluster(vectors, predicted, among, seed=0)
    assert (found.of_row[~among] == -1).all()
    assert (found.label[found.of_row[among]] == predicted[among]).all()
    assert sorted(set(found.of_row[among].tolist())) == list(range(len(found.label)))


def test_blobs_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    corners = np.eye(8, dtype=np.float32)[:4]
    which = np.repeat(np.arange(4), 8)  # 32 rows of one label: 4 clusters
    vectors = corners[which] + 0.01 * rng.normal(size=(32, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = cluster(vectors, np.zeros(32, dtype=np.int64), np.ones(32, dtype=np.bool_), seed=0)
    assert len({(int(a), int(b)) for a, b in zip(which, found.of_row, strict=True)}) == 4
    assert len(found.label) == 4


@pytest.mark.parametrize(
    ("rows", "clusters"), [(1, 1), (2, 1), (8, 2), (200, 10), (8192, MOST), (1_000_000, MOST)]
)
def test_the_number_of_clusters_is_the_root_of_half_the_rows(rows: int, clusters: int) -> None:
    assert how_many(rows) == clusters


def test_the_same_seed_gives_the_same_clusters() -> None:
    rng = np.random.default_rng(2)
    vectors, predicted = unit(rng, 200), rng.integers(0, 2, 200)
    everything = np.ones(200, dtype=np.bool_)
    first, second = (cluster(vectors, predicted, everything, seed=5) for _ in range(2))
    assert first.of_row.tolist() == second.of_row.tolist()


def test_rows_that_are_all_alike_are_one_cluster() -> None:
    same = np.tile(np.eye(4, dtype=np.float32)[:1], (50, 1))
    found = cluster(same, np.zeros(50, dtype=np.int64), np.ones(50, dtype=np.bool_), seed=0)
    assert set(found.of_row.tolist()) == {0}


def test_no_rows_give_no_clusters() -> None:
    found = cluster(
        np.eye(3, dtype=np.float32), np.zeros(3, dtype=np.int64), np.zeros(3, dtype=bool), seed=0
    )
    assert (found.of_row.tolist(), found.label.tolist()) == ([-1, -1, -1], [])


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 vectors, 3 labels, 2 flags"):
        cluster(np.eye(2, dtype=np.float32), np.zeros(3, dtype=np.int64), np.ones(2, bool), seed=0)
