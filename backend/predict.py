"""Texts -> what a version believes of them, with its progress for whoever watches the worker."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from backend.engine.scorer import Scorer
from backend.engine.served import Served, served
from backend.versions.manifest import Manifest
from backend.versions.registry import Registry
from selection.cache import answers
from selection.record import TrainingState
from selection.types import Doubles, Floats


class Predictor:
    """The worker's model: the one copy of its weights, with which it reads and trains."""

    def __init__(self, home: Path, registry: Registry, make_scorer: Callable[[], Scorer]) -> None:
        self._home = home
        self._registry = registry
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None

    @property
    def scorer(self) -> Scorer:
        """The scorer, made when it is first needed: mostly there is nothing to read or train."""
        if self._scorer is None:
            self._scorer = self._make_scorer()
        return self._scorer

    def score(self, project: int, manifest: Manifest, texts: Sequence[str]) -> Floats:
        """Return (n, k) probabilities of the version's labels. Raises CruxError."""
        version = served(self._registry, project, manifest)
        return self.read(project, version, texts, manifest.version)

    def read(self, project: int, version: Served, texts: Sequence[str], name: str) -> Floats:
        """Return (n, k) probabilities, also of a version that is still being built.

        name: what the version is called in messages of progress. Raises CruxError.
        """

        def on_progress(done: int, total: int) -> None:
            self._registry.set_training(
                project, TrainingState("evaluating", f"{name} reads", done, total)
            )

        return self.scorer.score(version, texts, on_progress)

    def beliefs(self, project: int, version: str, texts: Sequence[str]) -> Doubles:
        """Return (n, k) probabilities, from the cache on disk where they are known."""
        manifest = self._registry.get(project, version)
        if not texts:
            return np.zeros((0, len(manifest.labels)))
        cache = answers(self._home, project, version, len(manifest.labels))
        missing = [t for t, known in zip(texts, cache.known(texts), strict=True) if not known]
        if missing:
            cache.put(missing, self.score(project, manifest, missing))
        return cache.get(texts).astype(np.float64)

    def keep(self, project: int, version: Manifest, texts: Sequence[str], found: Doubles) -> None:
        """Keep the (n, k) beliefs of a version about texts that it has read already."""
        cache = answers(self._home, project, version.version, len(version.labels))
        cache.put(texts, found.astype(np.float32))
