import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from backend.train_probe import fit_probe, share_factor


def world(k: int, n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    targets = rng.integers(k, size=n)
    vectors = np.eye(k, 12)[targets] + 0.4 * rng.normal(size=(n, 12))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), targets


@pytest.mark.parametrize("k", [2, 3, 5])
def test_a_probe_says_what_scikit_learns_logistic_regression_says(k: int) -> None:
    vectors, targets = world(k)
    logits = fit_probe(vectors, targets, k).logits(vectors)
    powers = np.exp(logits)
    oracle = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300).fit(vectors, targets)
    expected = oracle.predict_proba(vectors)
    assert powers / powers.sum(axis=1, keepdims=True) == pytest.approx(expected, abs=1e-4)


def test_of_a_label_without_examples_a_probe_says_nothing() -> None:
    vectors, targets = world(2)
    probe = fit_probe(vectors, targets * 2, 4)  # labels 0 and 2 of four
    logits = probe.logits(vectors)
    assert (logits[:, [1, 3]] == 0).all()
    assert (logits[:, [0, 2]].argmax(axis=1) == targets).mean() > 0.9


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("k", [2, 4])
def test_the_factor_gives_the_probe_its_share_of_the_spread(share: float, k: int) -> None:
    rng = np.random.default_rng(0)
    llm, probe = 3.0 * rng.normal(size=(500, k)), 0.2 * rng.normal(size=(500, k))
    weight = rng.uniform(1, 5, size=500)

    def spread(logits: np.ndarray) -> float:
        centred = logits - logits.mean(axis=1, keepdims=True)
        middle = weight @ centred / weight.sum()
        return float(np.sqrt(weight @ ((centred - middle) ** 2).mean(axis=1) / weight.sum()))

    scaled = share_factor(llm, probe, weight, share) * probe
    assert spread(scaled) / (spread(scaled) + spread(llm)) == pytest.approx(share)


def test_constants_in_either_reader_change_nothing() -> None:
    rng = np.random.default_rng(1)
    llm, probe, weight = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)), np.ones(50)
    one = share_factor(llm, probe, weight, 0.3)
    assert share_factor(llm + 5, probe + [1.0, -2.0], weight, 0.3) == pytest.approx(one)


def test_a_probe_that_tells_nothing_apart_gets_nothing() -> None:
    rng = np.random.default_rng(2)
    assert share_factor(rng.normal(size=(9, 2)), np.ones((9, 2)), np.ones(9), 0.3) == 0.0
