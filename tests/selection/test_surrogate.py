import numpy as np
import pytest

import selection.surrogate
from selection.surrogate import FEWEST, Surrogate
from selection.types import Pool

N = 600
WORDS = ("red", "blue", "green", "white", "black", "grey")


def world(k: int = 2) -> tuple[Pool, np.ndarray, np.ndarray]:
    """A pool, its vectors, and the beliefs of an LLM that goes by words and vectors alike."""
    rng = np.random.default_rng(0)
    words = rng.integers(len(WORDS), size=(N, 3))
    texts = [f"{' '.join(WORDS[one] for one in row)} thing {i}" for i, row in enumerate(words)]
    raw = rng.normal(size=(N, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    logits = 4 * vectors[:, :k] + np.eye(len(WORDS))[words].sum(axis=1)[:, :k]
    powers = np.exp(logits)
    ids = np.array([f"{i:03d}" for i in range(N)], dtype=object)
    return (
        Pool(ids, np.array(texts, dtype=object)),
        vectors,
        powers / powers.sum(axis=1, keepdims=True),
    )


def error(said: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(said - truth).mean())


@pytest.mark.parametrize("k", [2, 3, 5])
def test_it_says_what_the_model_would_say_of_texts_it_did_not_read(k: int) -> None:
    pool, vectors, truth = world(k)
    read = np.arange(0, N, 2)
    said = Surrogate.of(pool, vectors, None, k).beliefs(read, truth[read])
    assert said.sum(axis=1) == pytest.approx(np.ones(N))
    rest = np.setdiff1d(np.arange(N), read)
    assert error(said[rest], truth[rest]) < 0.05
    assert error(truth.mean(axis=0), truth[rest]) > 0.1


def test_words_tell_it_what_vectors_do_not() -> None:
    pool, vectors, truth = world()
    read = np.arange(0, N, 2)
    mute = Pool(pool.ids, np.array(["thing"] * N, dtype=object))
    both = error(Surrogate.of(pool, vectors, None, 2).beliefs(read, truth[read]), truth)
    alone = error(Surrogate.of(mute, vectors, None, 2).beliefs(read, truth[read]), truth)
    assert both < 0.6 * alone


def test_of_many_texts_that_were_read_a_part_tells_how_regular_it_must_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, vectors, truth = world()
    read = np.arange(0, N, 2)
    surrogate = Surrogate.of(pool, vectors, None, 2)
    whole = surrogate.beliefs(read, truth[read])
    monkeypatch.setattr(selection.surrogate, "LEFT_OUT", 100)
    assert surrogate.beliefs(read, truth[read]) == pytest.approx(whole, abs=0.02)


def test_of_a_handful_of_texts_it_knows_the_mean_only() -> None:
    pool, vectors, truth = world()
    read = np.arange(FEWEST - 1)
    said = Surrogate.of(pool, vectors, None, 2).beliefs(read, truth[read])
    assert said == pytest.approx(np.tile(truth[read].mean(axis=0), (N, 1)))


def test_verdicts_of_one_label_teach_it_nothing() -> None:
    pool, vectors, truth = world()
    read, rows = np.arange(0, N, 2), np.arange(20)
    one = Surrogate.of(pool, vectors, (rows, np.zeros(20, dtype=np.int64)), 2)
    none = Surrogate.of(pool, vectors, None, 2)
    assert one.beliefs(read, truth[read]).tolist() == none.beliefs(read, truth[read]).tolist()


def test_a_model_that_is_certain_is_no_error() -> None:
    pool, vectors, truth = world()
    certain = np.eye(2)[truth.argmax(axis=1)]
    read = np.arange(0, N, 2)
    said = Surrogate.of(pool, vectors, None, 2).beliefs(read, certain[read])
    assert np.isfinite(said).all()
    assert (said.argmax(axis=1) == certain.argmax(axis=1)).mean() > 0.9
