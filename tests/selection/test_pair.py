import numpy as np
import pytest

from selection.pair import pair
from selection.types import Pairs


def unit(rng: np.random.Generator, n: int, d: int = 5) -> np.ndarray:
    vectors = rng.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def labelled(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Random rows whose labels follow the space with some noise."""
    rng = np.random.default_rng(seed)
    vectors = unit(rng, n)
    score = vectors @ rng.normal(size=(5, k)) + rng.gumbel(size=(n, k)) * 0.3
    return vectors, score.argmax(axis=1)


def ends(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_a_brute_force_search(seed: int, k: int) -> None:
    vectors, predicted = labelled(seed, 700, k)
    rng = np.random.default_rng(seed + 100)
    rows = rng.permutation(700)[:300]
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    wanted: list[tuple[int, int]] = []
    for row in rows.tolist():
        others = [j for j in rows.tolist() if predicted[j] != predicted[row]]
        nearest = int(max(others, key=lambda j: cosine[row, j]))
        left, right = sorted((row, nearest), key=lambda j: predicted[j])
        if (left, right) not in wanted:
            wanted.append((left, right))
    pairs = pair(vectors, predicted, rows)
    assert ends(pairs) == wanted


def test_two_rows_that_are_each_others_nearest_are_one_pair() -> None:
    vectors = np.array([[1, 0], [0.98, 0.199], [0, 1]], dtype=np.float32)
    predicted = np.array([1, 0, 0])
    pairs = pair(vectors, predicted, np.array([0, 1, 2]))
    assert ends(pairs) == [(1, 0), (2, 0)]


def test_rotating_the_space_changes_nothing() -> None:
    vectors, predicted = labelled(11, 200, 3)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))
    turned = np.ascontiguousarray(vectors @ rotation, dtype=np.float32)
    before, after = (pair(v, predicted, np.arange(200)) for v in (vectors, turned))
    assert ends(before) == ends(after)


def test_permuting_the_rows_permutes_the_pairs_and_nothing_else() -> None:
    vectors, predicted = labelled(12, 200, 3)
    order = np.random.default_rng(1).permutation(200)  # the new row i is the old row order[i]
    place = np.argsort(order)
    rows = np.arange(0, 200, 3)
    before = pair(vectors, predicted, rows)
    after = pair(vectors[order], predicted[order], place[rows])
    assert [(order[a], order[b]) for a, b in ends(after)] == ends(before)


def test_swapping_the_labels_swaps_the_ends() -> None:
    vectors, predicted = labelled(13, 200, 2)
    before, after = (pair(vectors, p, np.arange(200)) for p in
                     (predicted, 1 - predicted))  # fmt: skip
    assert [(b, a) for a, b in ends(after)] == ends(before)


def test_a_row_that_is_not_at_the_boundary_is_in_no_pair() -> None:
    vectors, predicted = labelled(14, 300, 2)
    among = np.random.default_rng(0).random(300) < 0.5
    pairs = pair(vectors, predicted, np.flatnonzero(among))
    assert among[pairs.left].all() and among[pairs.right].all()


def test_one_label_alone_has_no_pairs() -> None:
    vectors = unit(np.random.default_rng(16), 30)
    one = np.zeros(30, dtype=np.int64)
    assert ends(pair(vectors, one, np.arange(30))) == []
    assert ends(pair(vectors, one, np.arange(0))) == []


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 vectors, 2 labels"):
        pair(np.eye(3, dtype=np.float32), np.zeros(2, dtype=np.int64), np.arange(1))
