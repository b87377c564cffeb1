"""A version's second reader: a linear probe on sentence embeddings (taught in train_probe.py)."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from backend.versions.manifest import PROBE
from selection.embed import load
from selection.errors import VersionError
from selection.types import Doubles, Floats

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 64  # texts in one forward pass of the embedder


@dataclass(frozen=True)
class Probe:
    """weight: (k, d). bias: (k,). What they give is added to the k logits of the language model."""

    weight: Floats
    bias: Floats

    def __post_init__(self) -> None:
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(f"weights of {self.weight.shape} and {self.bias.shape} are no probe")

    def logits(self, vectors: Floats) -> Doubles:
        """Return (n, k) logits. vectors: (n, d) unit."""
        return (vectors @ self.weight.T + self.bias).astype(np.float64)

    def times(self, factor: float) -> "Probe":
        """Return a probe with `factor` times the logits."""
        scale = np.float32(factor)
        return Probe(self.weight * scale, self.bias * scale)

    def save(self, folder: Path) -> None:
        """Write it into a version's folder. Raises OSError, SafetensorError."""
        save_file({"weight": self.weight, "bias": self.bias}, folder / PROBE)

    @classmethod
    def load(cls, folder: Path) -> "Probe":
        """Read what `save` wrote. Raises VersionError if it is missing or damaged."""
        try:
            tensors = load_file(folder / PROBE)
            return cls(tensors["weight"], tensors["bias"])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise VersionError(
                f"The probe of the model version at {folder} is damaged ({error}). Promote another "
                f"version, or train again."
            ) from None


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
