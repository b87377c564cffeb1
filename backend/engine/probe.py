"""A version's second reader as a file: a linear probe on words and vectors (selection/probe.py)."""

import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from backend.versions.manifest import PROBE
from selection.bag import bag
from selection.embed import load
from selection.errors import VersionError
from selection.probe import Probe
from selection.types import Doubles, Floats

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 64  # texts in one forward pass of the embedder


def save_probe(probe: Probe, folder: Path) -> None:
    """Write it into a version's folder. Raises OSError, SafetensorError."""
    save_file(vars(probe), folder / PROBE)


def load_probe(folder: Path) -> Probe:
    """Read what `save_probe` wrote. Raises VersionError if it is missing or damaged."""
    try:
        return Probe(**load_file(folder / PROBE))
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise VersionError(
            f"The probe of the model version at {folder} is damaged ({error}). Promote another "
            f"version, or train again."
        ) from None


def read_by_probe(probe: Probe, texts: Sequence[str], embedder: str) -> Doubles:
    """Return (n, k) logits. Raises ModelError."""
    return probe.logits(bag(texts), vectors_of(texts, embedder))


_turn = threading.Lock()  # tokenizers may not be used by two threads at once


def vectors_of(texts: Sequence[str], embedder: str) -> Floats:
    """(n,) texts -> (n, d) unit vectors, one thread after the other. Raises ModelError."""
    with _turn:
        found = _loaded(embedder).encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
        )
    return np.asarray(found, dtype=np.float32)


@lru_cache(maxsize=2)
def _loaded(embedder: str) -> "SentenceTransformer":
    return load(embedder)
