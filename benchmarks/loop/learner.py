"""Texts with labels -> a version that was made as the product makes its own, for other choices.

Recipe, correction for the pool's balance and threshold are those of backend/candidate.py; only
which texts teach is somebody else's decision.
"""

import numpy as np

from backend.versions.manifest import Manifest
from backend.versions.prompted import prompted
from benchmarks.loop.place import PROJECT, Place
from benchmarks.loop.studio import MemoryStudio
from demo.teacher import SAMPLE, Teacher, lesson
from selection.types import Doubles, Ints


class Learner(Teacher):
    """Trains and asks versions in the folder of one piece."""

    def __init__(self, place: Place) -> None:
        settings, ground = place.backend_settings(), place.ground
        project = MemoryStudio(ground.names, ground.policy, {}).project(PROJECT)
        super().__init__(settings, project, place.make_scorer, place.train)
        self.place = place
        self.start = prompted(self.registry, PROJECT, settings.llm, ground.policy, ground.names)

    def draw_sample(self, rng: np.random.Generator) -> None:
        """Draw the texts by which thresholds are set, once for all versions of the piece."""
        texts = self.place.ground.texts
        self.sample([texts[row] for row in rng.permutation(len(texts))[:SAMPLE]])

    def taught(self, rows: Ints, labels: Ints, chance: Doubles, number: int) -> Manifest:
        """Return a version taught by (m,) rows of the pool; the prompted one if it is one label.

        chance: (m,) with which each was drawn, NaN for those that were chosen. number: of rounds
        before it.
        """
        ground = self.place.ground
        texts = [(ground.ids[row], ground.texts[row]) for row in rows.tolist()]
        given = lesson(texts, labels.tolist(), chance, ground.names)
        return self.teach(given, number) or self.start
