"""The probe alone in place of the LLM: a whole loop in a minute, once the pool's vectors are there.

To try a change of the choice, the audit or the threshold on many sets and seeds before hours with
the LLM are spent on it. What it tells is no result of the product. The prompted version knows
nothing; a trained one is a linear probe on words and vectors (selection/probe.py).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from backend.engine.probe import load_probe, save_probe
from backend.engine.protocol import OnBatch
from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.recipe import Recipe
from backend.train import Trained
from backend.versions.manifest import ADAPTER
from selection.bag import bag, rarity
from selection.embed import embed
from selection.probe import teach
from selection.types import Doubles, Floats, Ints

# versions need no second probe, and no rate by a model's width
OPTIONS: dict[str, object] = {"probe_share": 0.0, "learning_rate": 1.0}


@dataclass(frozen=True)
class ProbeAlone:
    """Reads and teaches. home: where the vectors of all texts are kept."""

    home: Path
    waiting: int = 0

    def scorer(self) -> Scorer:
        """Return a scorer without a language model."""
        return Scorer(self)  # type: ignore[arg-type]  # no model is here that could be trained

    def answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        """See backend.engine.protocol.Engine."""
        logits: Doubles = np.zeros((len(texts), len(served.labels)))
        if served.adapter is not None:
            logits = load_probe(served.adapter).logits(bag(texts), self._vectors(texts))
        on_batch(range(len(texts)), logits)

    def train(
        self, _: Scorer, policy: str, labels: Sequence[str], texts: Sequence[str], targets: Ints,
        pool_prior: Doubles, recipe: Recipe, out: Path, **more: object,
    ) -> Trained:  # fmt: skip
        """Write a probe where backend.train.train writes an adapter."""
        began = time.monotonic()
        bags = bag(texts)
        save_file({}, out / ADAPTER)  # a version has one
        save_probe(teach(bags, self._vectors(texts), targets, len(labels), rarity(bags)), out)
        offsets = tuple(np.log(np.maximum(pool_prior, 1e-4)).tolist())
        return Trained(offsets, 0, time.monotonic() - began, 0.0)

    def _vectors(self, texts: Sequence[str]) -> Floats:
        return embed(texts, embedder="offline", home=self.home)
