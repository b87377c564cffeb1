"""Labelled texts -> a version, by the product's training and threshold, without Label Studio."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from backend.candidate import Candidates
from backend.config import BackendSettings
from backend.engine.scorer import Scorer, make_scorer
from backend.examples import training_examples
from backend.predict import Predictor
from backend.train import Trained, train
from backend.versions.manifest import Manifest
from backend.versions.registry import make_registry
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.pool_sample import PoolSample
from selection.studio.api import Project
from selection.types import Doubles

SAMPLE = 1_300  # random texts by which a threshold is set, as many as in the product


class Teacher:
    """Trains and asks versions of one project in the home of `settings`."""

    def __init__(
        self,
        settings: BackendSettings,
        project: Project,
        scorer: Callable[[], Scorer] | None = None,
        train: Callable[..., Trained] = train,
    ) -> None:
        """scorer: makes the model; that of the settings if None."""
        self.project = project
        self.registry = make_registry(settings)
        make = scorer or partial(make_scorer, settings)
        self._predictor = Predictor(settings.home, self.registry, make)
        self._candidates = Candidates(settings, self.registry, self._predictor, train)

    def sample(self, texts: Sequence[str]) -> None:
        """Keep random texts by which the thresholds of all versions are set."""
        kept = tuple(texts)
        self.registry.save_sample(self.project.id, PoolSample(kept, (1.0,) * len(kept)))

    def teach(self, lesson: Collected, number: int = 0) -> Manifest | None:
        """Return a version, found or trained; None if the lesson holds one label only.

        number: of rounds before it.
        """
        examples = training_examples(lesson)
        if not examples.enough:
            return None
        return self._candidates.make(self.project, lesson, examples, number)

    def read(self, version: Manifest, texts: Sequence[str]) -> Doubles:
        """Return (n, k) beliefs."""
        return self._predictor.score(self.project.id, version, texts).astype(np.float64)


def lesson(
    texts: Sequence[tuple[str, str]], labels: Sequence[int], chance: Doubles, names: Sequence[str]
) -> Collected:
    """Return texts with one verdict each, as Label Studio would hold them.

    texts: (m,) id and text. labels: (m,) positions in names. chance: (m,) with which each was
    drawn, NaN for those that were chosen.
    """
    items = tuple(
        Item.judged(
            order,
            text,
            Card(
                name, 0, order, "train", name, None if np.isnan(drawn) else drawn, 1, "", {}, "", 0,
                0.0,
            ),
            {"expert": int(label)},
        )
        for order, ((name, text), label, drawn) in enumerate(
            zip(texts, labels, chance.tolist(), strict=True)
        )
    )  # fmt: skip
    return Collected(items, tuple(names), ())
