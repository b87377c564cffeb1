"""The same model taught by as many verdicts on random texts: what the loop is worth beside it.

Computed after the loop, in this process, by the product's own training and threshold.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from backend.candidate import Candidates
from backend.config import BackendSettings
from backend.engine.scorer import make_scorer
from backend.examples import training_examples
from backend.predict import Predictor
from backend.train import train
from backend.versions.manifest import Manifest
from backend.versions.registry import make_registry
from demo.question import Question
from demo.ratings import Rated
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.pool_sample import PoolSample
from selection.studio.api import Project
from selection.types import Doubles

SAMPLE = 300  # random texts by which the threshold is set, as many as the product's


class RandomVerdicts:
    """A version taught by `verdicts` random texts of the pool, one expert's label each."""

    def __init__(
        self, home: Path, project: Project, question: Question, pool: Sequence[Rated],
        verdicts: int, seed: int = 0,
    ) -> None:  # fmt: skip
        settings = BackendSettings(home=home, seed=seed)
        self._project = project
        self._registry = make_registry(settings)
        self._predictor = Predictor(home, self._registry, partial(make_scorer, settings))
        self._candidates = Candidates(settings, self._registry, self._predictor, train)
        order = np.random.default_rng(seed).permutation(len(pool)).tolist()
        self._drawn = [pool[row] for row in order[:verdicts]]
        rest = [pool[row].text for row in order[verdicts : verdicts + SAMPLE]]
        self._sample = PoolSample(tuple(rest), (1.0,) * len(rest))
        self._answers = question.answers(self._drawn, third=0)

    def version(self) -> Manifest | None:
        """Train it, or find it; None if the random texts hold one label only."""
        labels = self._project.schema.labels
        items = tuple(
            Item.judged(order, one.text, _card(one.id, order),
                        {"expert": labels.index(self._answers[one.text])})
            for order, one in enumerate(self._drawn)
        )  # fmt: skip
        collected = Collected(items, labels, ())
        self._registry.save_sample(self._project.id, self._sample)
        examples = training_examples(collected)
        return self._candidates.make(self._project, collected, examples, 0)

    def read(self, version: Manifest, texts: Sequence[str]) -> Doubles:
        """Return (n, k) what it believes."""
        return self._predictor.score(self._project.id, version, texts).astype(np.float64)


def _card(name: str, order: int) -> Card:
    return Card(name, 0, order, "train", name, 1.0, 1, "", {}, "", 0, 0.0)
