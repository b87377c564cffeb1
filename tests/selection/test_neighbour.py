import subprocess
import sys

import numpy as np
import pytest

from selection import neighbour
from selection.neighbour import neighbours


def unit(rng: np.random.Generator, n: int, d: int = 16) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [2, 4])
def test_the_nearest_rows_are_those_of_a_brute_force_search(k: int) -> None:
    rng = np.random.default_rng(k)
    vectors, predicted, among = unit(rng, 150), rng.integers(0, k, 150), rng.random(150) < 0.7
    near = neighbours(vectors, predicted, among, k=k, t=6)
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    assert near.row.tolist() == np.flatnonzero(among).tolist()
    for i, row in enumerate(near.row):
        for name in range(k):
            others = [j for j in near.row if j != row and predicted[j] == name]
            wanted = sorted(others, key=lambda j: -cosine[row, j])[:6]
            assert near.near[i, name].tolist() == wanted
            assert near.similarity[i, name] == pytest.approx(cosine[row, wanted], abs=1e-5)


def test_where_there_are_too_few_rows_minus_one_stands() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    near = neighbours(vectors, np.array([0, 0, 1]), np.ones(3, dtype=np.bool_), k=3, t=2)
    assert near.near.tolist() == [
        [[1, -1], [2, -1], [-1, -1]],
        [[0, -1], [2, -1], [-1, -1]],
        [[1, 0], [-1, -1], [-1, -1]],
    ]
    assert (near.similarity[near.near < 0] == -2).all()


def test_a_row_is_not_its_own_neighbour_among_exact_copies() -> None:
    copies = np.tile(np.eye(4, dtype=np.float32)[:1], (12, 1))
    near = neighbours(copies, np.zeros(12, dtype=np.int64), np.ones(12, dtype=bool), k=1, t=4)
    assert (near.near[:, 0] != np.arange(12)[:, None]).all()
    assert (near.near >= 0).all()
    assert all(len(set(found)) == 4 for found in near.near[:, 0].tolist())


def test_large_labels_are_searched_nearly_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    centres = unit(rng, 40)
    vectors = centres[rng.integers(0, 40, 6_000)] + 0.5 * unit(rng, 6_000)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    predicted, everything = rng.integers(0, 2, 6_000), np.ones(6_000, dtype=np.bool_)
    exact = neighbours(vectors, predicted, everything, k=2, t=1)
    monkeypatch.setattr(neighbour, "EXACT", 1_000)
    quick = neighbours(vectors, predicted, everything, k=2, t=1)
    assert (quick.near == exact.near).mean() > 0.95


def test_the_search_says_nothing_on_the_screen() -> None:
    code = (
        "import numpy as np; from selection import neighbour; neighbour.EXACT = 500; "
        "v = np.random.default_rng(0).normal(size=(2000, 8)).astype(np.float32); "
        "neighbour.neighbours(v, np.zeros(2000, int), np.ones(2000, bool), k=1, t=2)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout + said.stderr == ""
