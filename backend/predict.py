"""Texts -> what a version believes of them, with progress for whoever watches the worker."""

from collections.abc import Callable, Sequence

import numpy as np

from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.versions.registry import Manifest, Registry
from backend.web.serving import served
from selection.cache import Cache
from selection.record import TrainingState
from selection.types import Floats, Ints


class Reader:
    """The worker's model."""

    def __init__(self, registry: Registry, make_scorer: Callable[[], Scorer]) -> None:
        self._registry = registry
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None

    def score(self, project: int, manifest: Manifest, texts: Sequence[str]) -> Floats:
        """(n, k) probabilities of the version's labels. Raises CruxError."""
        what = served(self._registry, project, manifest)
        return self.read(project, what, texts, manifest.version)

    def read(self, project: int, what: Served, texts: Sequence[str], version: str) -> Floats:
        """(n, k) probabilities; also of a version that is not in its place yet. Raises CruxError.

        version: its name in what is said of the progress.
        """
        if self._scorer is None:  # made when there is something to read: most looks find nothing
            self._scorer = self._make_scorer()

        def say(done: int, total: int) -> None:
            self._registry.set_training(
                project, TrainingState("evaluating", f"{version} reads", done, total)
            )

        return self._scorer.score(what, texts, progress=say)

    def predictor(self, project: int) -> Callable[[str, Sequence[str]], Ints]:
        """(version, texts) -> (n,) labels; what a version said once is kept on disk."""

        def predict(version: str, texts: Sequence[str]) -> Ints:
            if not texts:
                return np.zeros(0, dtype=np.int64)
            manifest = self._registry.get(project, version)
            cache = Cache(self._registry.folder(project) / "beliefs" / version)
            missing = [t for t, known in zip(texts, cache.known(texts), strict=True) if not known]
            if missing:
                cache.put(missing, self.score(project, manifest, missing))
            return np.asarray(cache.get(texts).argmax(axis=1), dtype=np.int64)

        return predict
