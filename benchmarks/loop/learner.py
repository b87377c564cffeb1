"""Texts with labels -> a version that was made as the product makes its own, for other choices.

Recipe, correction for the pool's balance and threshold are those of backend/candidate.py; only
which texts teach is somebody else's decision.
"""

from typing import cast

import numpy as np

from backend.candidate import Candidates
from backend.examples import training_examples
from backend.predict import Predictor
from backend.versions.manifest import Manifest
from backend.versions.prompted import prompted
from backend.versions.registry import make_registry
from benchmarks.loop.place import PROJECT, Place
from benchmarks.loop.studio import MemoryStudio
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.pool_sample import PoolSample
from selection.studio.api import Project
from selection.types import Doubles, Ints

SAMPLE = 300  # unlabelled random texts by which a threshold is set, as many as the product sends


class Learner:
    """Trains and asks versions in the folder of one piece."""

    def __init__(self, place: Place) -> None:
        settings = place.backend_settings()
        self.place = place
        self.registry = make_registry(settings)
        self.predictor = Predictor(settings.home, self.registry, place.make_scorer)
        self._candidates = Candidates(settings, self.registry, self.predictor, place.train)
        ground = place.ground
        self._project: Project = MemoryStudio(ground.names, ground.policy, {}).project(PROJECT)
        self.start = prompted(
            self.registry, PROJECT, settings.llm, ground.policy, ground.names
        )

    def sample(self, rng: np.random.Generator) -> None:
        """Draw the texts by which thresholds are set, once for all versions of the piece."""
        rows = rng.permutation(len(self.place.ground.texts))[:SAMPLE]
        texts = tuple(self.place.ground.texts[row] for row in rows)
        self.registry.save_sample(PROJECT, PoolSample(texts, (1.0,) * len(texts)))

    def teach(self, rows: Ints, labels: Ints, chance: Doubles, number: int) -> Manifest:
        """Return a version taught by (m,) rows of the pool; the prompted one if it is one label.

        chance: (m,) with which each was drawn, NaN for those that were chosen. number: of rounds
        before it.
        """
        items = tuple(
            self._item(row, label, None if np.isnan(drawn) else drawn, order)
            for order, (row, label, drawn) in enumerate(
                zip(rows.tolist(), labels.tolist(), chance.tolist(), strict=True)
            )
        )
        collected = Collected(items, self.place.ground.names, ())
        made = self._candidates.make(
            self._project, collected, training_examples(collected), number
        )
        return made or self.start

    def read(self, version: Manifest, texts: tuple[str, ...]) -> Doubles:
        """Return (n, k) beliefs."""
        return self.predictor.score(PROJECT, version, texts).astype(np.float64)

    def _item(self, row: int, label: int, chance: float | None, order: int) -> Item:
        name, text = self.place.ground.ids[row], self.place.ground.texts[row]
        card = Card(
            name, 0, order, "train", name, chance, 1, "", cast(dict[str, float], {}), "",
            self.place.seed, 0.0,
        )  # fmt: skip
        return Item.judged(order, text, card, {"expert": label})
