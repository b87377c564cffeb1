"""The state of one serving process, which its routes and its CruxModel share."""

import threading
from collections.abc import Callable, Sequence
from functools import cache

from backend.config import BackendSettings, load
from backend.engine.scorer import Scorer, make_scorer
from backend.queue.jobs import Jobs
from backend.versions.manifest import Manifest
from backend.web.guard import KEPT_FREE, Admission
from backend.web.metrics import Metrics
from backend.web.serving import Serving
from selection.studio.api import Studio
from selection.studio.schema import Schema
from selection.types import Floats


class Process:
    """Everything that lives as long as the process: the model, the queue, the metrics."""

    def __init__(
        self,
        settings: BackendSettings,
        studio: Studio | None = None,
        scorer: Callable[[], Scorer] | None = None,
    ) -> None:
        """studio, scorer: made from the settings if None. Raises CruxError."""
        self.settings = settings
        self.studio = studio or Studio(
            settings.studio_url, settings.studio_token.get_secret_value()
        )
        self.jobs = Jobs(settings)
        self.serving = Serving(settings, self.studio, scorer or self._scorer)
        self.admission = Admission(settings.http_threads - KEPT_FREE)
        self.metrics = Metrics(
            self.serving.registry, self.jobs.waiting, lambda: self.admission.waiting
        )
        self.metrics.watch_texts(lambda: self.serving.waiting)

    def _scorer(self) -> Scorer:
        return make_scorer(
            self.settings, self.metrics.observe_batch, self.metrics.count_remembered
        )

    def schema(self, project: int) -> Schema:
        """Return where text and label stand in the project's tasks. Raises CruxError."""
        return self.serving.info(project).schema

    def current_version(self, project: int) -> str:
        """Return the name of the version that would answer now. Raises CruxError."""
        return self.serving.manifest(project).version

    def score(
        self, project: int, texts: Sequence[str], version: str | None = None
    ) -> tuple[Manifest, Floats]:
        """Return the version that answered and its (n, k) probabilities; count the texts.

        version: its name; the current one if None. Raises CruxError.
        """
        manifest, probabilities = self.serving.score(project, texts, version)
        self.metrics.count_texts(len(texts))
        return manifest, probabilities

    def look(self, project: int, forced: bool = False, last: bool = False) -> None:
        """Ask the worker to look at the project. Raises BackendError."""
        self.jobs.look(project, forced, last)

    def project_changed(self, project: int) -> None:
        """Read the project's settings in Label Studio anew."""
        self.serving.project_changed(project)


_making = threading.Lock()


def shared_process() -> Process:
    """Return the state of this process, made from the environment at the first call.

    It is for models that no create_app() made. Raises CruxError.
    """
    with _making:
        return _from_environment()


@cache
def _from_environment() -> Process:
    return Process(load())
