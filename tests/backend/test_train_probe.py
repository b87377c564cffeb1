import numpy as np
import pytest

from backend.engine.probe import read_by_probe
from backend.train_probe import share_factor, train_probe


def test_a_probe_tells_taught_labels_apart_by_words_and_by_what_texts_are_about() -> None:
    texts = ["so sorry about the car", "sorry, my fault"] * 3 + ["a fine day", "fast cars"] * 9
    targets = np.array([1] * 6 + [0] * 18)
    probe = train_probe(texts, targets, 2, ["what a day", "cars and dogs"], "offline")
    read = ["sorry, man", "a rainy day", "I apologise"]
    logits = read_by_probe(probe, read, "offline")
    assert logits[:2].argmax(axis=1).tolist() == [1, 0]
    assert logits[2, 1] > logits[1, 1]  # a word that it never met, but what it is about


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
