"""The texts that speak most for each label, before a model is trained."""

import numpy as np
import pytest

from selection.start import fair_shares, start
from selection.types import Doubles, Floats, Ints


def unit(n: int, d: int = 8, seed: int = 0) -> Floats:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    found: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def two(positive: Doubles) -> Doubles:
    return np.stack([1 - positive, positive], axis=1)


def chosen(
    positive: Doubles, most: int, likely: int = 1, words: Doubles | None = None,
    vectors: Floats | None = None, covered: Floats | None = None,
) -> tuple[Ints, Ints]:  # fmt: skip
    n = len(positive)
    vectors = unit(n) if vectors is None else vectors
    covered = np.zeros((0, vectors.shape[1]), dtype=np.float32) if covered is None else covered
    return start(
        vectors, two(positive), np.ones(n, dtype=np.bool_), most,
        words=words, covered=covered, likely=likely, width=0.2,
    )  # fmt: skip


def test_each_label_gets_as_many_of_the_texts_that_speak_most_for_it() -> None:
    rows, labels = chosen(np.arange(1, 41) / 41, most=10)
    assert sorted(rows.tolist()) == [*range(5), *range(35, 40)]
    assert labels.tolist() == [0] * 5 + [1] * 5


def test_a_useless_model_leaves_the_choice_to_the_words() -> None:
    """Its beliefs differ by nothing, so that they say nothing."""
    words = np.zeros((40, 2))
    words[7, 1], words[[3, 9], 0] = 5.0, 4.0
    rows, labels = chosen(np.full(40, 0.3), most=2, words=words)
    assert labels.tolist() == [0, 1]
    assert rows[0] in (3, 9)
    assert rows[1] == 7


def test_words_and_beliefs_count_alike() -> None:
    positive = np.full(20, 0.5)
    positive[4] = 0.9  # the model speaks for it
    words = np.zeros((20, 2))
    words[4] = words[11] = [0.0, 3.0]
    rows, _ = chosen(positive, most=2, words=words)
    assert 4 in rows
    assert 11 not in rows


def for_the_second(n: int) -> Doubles:
    """Words that speak for the second label alone, for all texts alike."""
    return np.tile([-9.0, 9.0], (n, 1))


def test_of_texts_that_speak_alike_those_are_bought_that_cover_the_others() -> None:
    vectors = np.repeat(np.eye(4, dtype=np.float32), [8, 8, 2, 2], axis=0)
    rows, _ = chosen(np.full(20, 0.5), 3, likely=9, words=for_the_second(20), vectors=vectors)
    kinds = np.repeat(np.arange(4), [8, 8, 2, 2])[rows].tolist()
    assert sorted(kinds[:2]) == [0, 1]  # the large ones first
    assert kinds[2] in (2, 3)  # none of them twice


def test_what_is_bought_already_is_not_covered_again() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), [6, 5], axis=0)
    words = for_the_second(11)
    first, _ = chosen(np.full(11, 0.5), 1, likely=11, words=words, vectors=vectors)
    assert first[0] < 6
    then, _ = chosen(
        np.full(11, 0.5), 1, likely=11, words=words, vectors=vectors, covered=vectors[:1]
    )
    assert then[0] >= 6


def test_a_label_for_which_nothing_speaks_leaves_its_share_to_the_others() -> None:
    words = np.stack([np.ones(30), -np.ones(30)], axis=1)
    rows, labels = chosen(np.full(30, 0.5), most=8, words=words)
    assert (len(rows), set(labels.tolist())) == (8, {0})


@pytest.mark.parametrize(
    ("sizes", "total", "shares"),
    [([9, 9], 6, [3, 3]), ([1, 9], 6, [1, 5]), ([2, 0, 9], 5, [2, 0, 3]), ([1, 1], 9, [1, 1]),
     ([5, 5, 5], 4, [2, 1, 1])],
)  # fmt: skip
def test_shares_are_as_equal_as_sizes_allow(
    sizes: list[int], total: int, shares: list[int]
) -> None:
    assert fair_shares(sizes, total) == shares
