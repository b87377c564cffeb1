import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from selection.bag import COLUMNS, bag, rarity
from selection.probe import Probe, teach

ALIKE = np.ones(COLUMNS)  # no word is rarer than another
WORDS = ("red", "blue", "green", "white", "black")


def world(k: int, n: int = 120) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """Each label has a word, which half of its texts hold, and a direction."""
    rng = np.random.default_rng(k)
    targets = rng.integers(k, size=n)
    vectors = np.eye(k, 12)[targets] + 0.4 * rng.normal(size=(n, 12))
    texts = [
        f"thing {WORDS[target] if rng.random() < 0.5 else WORDS[rng.integers(k)]}"
        for target in targets
    ]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return bag(texts), unit.astype(np.float32), targets


@pytest.mark.parametrize("k", [2, 3, 5])
def test_a_probe_says_what_scikit_learns_logistic_regression_says(k: int) -> None:
    bags, vectors, targets = world(k)
    rare = rarity(bags)
    logits = teach(bags, vectors, targets, k, rare).logits(bags, vectors)
    powers = np.exp(logits)
    every = hstack([bags.multiply(rare), csr_matrix(vectors)]).tocsr()
    oracle = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300).fit(every, targets)
    expected = oracle.predict_proba(every)
    assert powers / powers.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=1e-3)


def test_of_a_label_without_texts_a_probe_says_nothing() -> None:
    bags, vectors, targets = world(2)
    probe = teach(bags, vectors, targets * 2, 4, ALIKE)  # labels 0 and 2 of four
    logits = probe.logits(bags, vectors)
    assert (logits[:, [1, 3]] == 0).all()
    assert (logits[:, [0, 2]].argmax(axis=1) == targets).mean() > 0.9


def test_a_word_that_no_taught_text_has_says_nothing() -> None:
    bags, vectors, targets = world(2)
    probe = teach(bags, vectors, targets, 2, ALIKE)
    one, other = bag(["unheard"]), bag(["of"])
    assert probe.logits(one, vectors[:1]) == pytest.approx(probe.logits(other, vectors[:1]))


def test_where_vectors_tell_nothing_words_do() -> None:
    texts = ["so sorry"] * 5 + ["what a day"] * 20
    targets = np.array([1] * 5 + [0] * 20)
    vectors = np.tile(np.float32([1.0, 0.0]), (25, 1))
    probe = teach(bag(texts), vectors, targets, 2, rarity(bag(texts)))
    logits = probe.logits(bag(["sorry, mate", "a day off"]), vectors[:2])
    assert logits.argmax(axis=1).tolist() == [1, 0]


def test_times_a_factor_its_logits_are_so_many_times_as_large() -> None:
    bags, vectors, targets = world(3)
    probe = teach(bags, vectors, targets, 3, ALIKE)
    twice = probe.times(2.0).logits(bags, vectors)
    assert twice == pytest.approx(2 * probe.logits(bags, vectors), rel=1e-5)


def test_shapes_that_do_not_fit_are_no_probe() -> None:
    with pytest.raises(ValueError, match="are no probe"):
        Probe(
            np.zeros((2, 3), np.float32), np.arange(4), np.zeros((2, 5), np.float32),
            np.zeros(2, np.float32),
        )  # fmt: skip
