import json
from pathlib import Path

import numpy as np

from benchmarks.loop.surrogates import OLDER, _ways, chapter
from selection.surrogate import Surrogate
from selection.types import Pool

N = 400
WORDS = ("red", "blue", "green", "white")


def world() -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray, np.ndarray]:
    """Ids, texts and vectors of a pool, and beliefs that go by one word and one direction."""
    rng = np.random.default_rng(0)
    words = rng.integers(len(WORDS), size=N)
    raw = rng.normal(size=(N, 8))
    vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    odds = 2.0 * (words == 0) + 4 * vectors[:, 0] - 1
    belief = 1 / (1 + np.exp(-odds))
    texts = tuple(f"a {WORDS[word]} thing" for word in words)
    return tuple(f"{i:03d}" for i in range(N)), texts, vectors, np.stack([1 - belief, belief], 1)


def test_each_way_knows_what_it_is_given() -> None:
    ids, texts, vectors, beliefs = world()
    read, taught = np.arange(0, N, 2), np.arange(1, 100, 2)
    ways = _ways(ids, texts, vectors, (taught, beliefs[taught].argmax(axis=1)))
    error = {
        name: float(np.abs(way(read, beliefs[read]) - beliefs)[1::2].mean())
        for name, way in ways.items()
    }
    assert list(error) == [
        OLDER, "vectors", "words and vectors", "words, vectors and verdicts",
    ]  # fmt: skip
    assert error["words and vectors"] < 0.5 * error["vectors"]
    pool = Pool(np.array(ids, dtype=object), np.array(texts, dtype=object))
    taught_labels = taught, beliefs[taught].argmax(axis=1)
    product = Surrogate.of(pool, vectors, taught_labels, 2).beliefs(read, beliefs[read])
    assert ways["words, vectors and verdicts"](read, beliefs[read]).tolist() == product.tolist()


def test_the_chapter_has_a_row_a_version(tmp_path: Path) -> None:
    file = tmp_path / "surrogates.json"
    assert chapter(file) == ""
    ways = {
        OLDER: {"correlation": 0.2, "precision": 0.03, "first": 1},
        "words, vectors and verdicts": {"correlation": 0.78, "precision": 0.38, "first": 38},
    }
    one = {"version": "round1", "labels": 128, "positives": 15, "pool": 35997, "ways": ways}
    file.write_text(json.dumps({"remorse, seed 0": [one]}))
    *_, row = chapter(file).splitlines()
    assert row == "| remorse, seed 0 | 35,997 | 128 (15) | 0.20, 0.03, 1 | 0.78, 0.38, 38 |"
