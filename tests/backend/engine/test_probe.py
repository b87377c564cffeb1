from pathlib import Path

import numpy as np
import pytest

from backend.engine.probe import load_probe, save_probe, vectors_of
from backend.versions.manifest import PROBE
from selection.bag import bag
from selection.errors import ModelError, VersionError
from selection.probe import Probe

PLAIN = Probe(
    np.eye(2, 3, dtype=np.float32),
    bag(["sorry"]).indices.astype(np.int64),
    np.float32([[0.0], [4.0]]),
    np.float32([0.5, -0.5]),
)


def test_a_probe_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_probe(PLAIN.times(2.0), tmp_path)
    vectors = np.array([[1.0, 0.0, 0.0], [0.0, 0.6, 0.8]], dtype=np.float32)
    logits = load_probe(tmp_path).logits(bag(["a text", "sorry"]), vectors)
    assert logits == pytest.approx(np.array([[3.0, -1.0], [1.0, 8.2]]))


@pytest.mark.parametrize("body", [b"", b"not tensors", None])
def test_a_damaged_probe_is_named_and_says_what_to_do(tmp_path: Path, body: bytes | None) -> None:
    if body is not None:
        (tmp_path / PROBE).write_bytes(body)
    with pytest.raises(VersionError, match="probe of the model version.*Promote another"):
        load_probe(tmp_path)


def test_vectors_have_length_one_whatever_texts_stand_beside_them() -> None:
    texts = ["a short one", "a longer one " * 30, ""]
    vectors = vectors_of(texts, "offline")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert vectors_of(texts[:1], "offline")[0] == pytest.approx(vectors[0], abs=1e-5)


def test_an_embedder_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="'/nowhere'"):
        vectors_of(["a"], "/nowhere")
