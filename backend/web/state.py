"""The state of one serving process, which its routes and the model class ask."""

from collections.abc import Callable

from backend.config import Settings
from backend.engine.scorer import Scorer, make_scorer
from backend.web.guard import KEPT_FREE, Admission
from backend.web.metrics import Metrics
from backend.web.serving import Serving
from backend.queue.jobs import Jobs
from selection.studio.api import Studio
from selection.studio.schema import Schema


class Process:
    """The state of one serving process: `Answers` for the model class, and the routes' parts."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio | None = None,
        scorer: Callable[[], Scorer] | None = None,
    ) -> None:
        """studio, scorer: made from the settings if None."""
        self.settings = settings
        self.studio = studio or Studio(
            settings.studio_url, settings.studio_token.get_secret_value()
        )
        self.jobs = Jobs(settings)
        self.serving = Serving(settings, self.studio, scorer or self._scorer)
        self.admission = Admission(settings.http_threads - KEPT_FREE)
        self.metrics = Metrics(
            self.serving.registry, self._jobs_waiting, lambda: self.admission.waiting
        )
        self.metrics.watch_texts(lambda: self.serving.waiting)

    def _scorer(self) -> Scorer:
        return make_scorer(self.settings, self.metrics.batch, self.metrics.remembered)

    def schema(self, project: int) -> Schema:
        """Where text and label stand in the project's tasks."""
        return self.serving.subject(project).schema

    def labelled(
        self, project: int, texts: list[str]
    ) -> tuple[str, Schema, list[tuple[str, float]]]:
        """version, schema, and (label, probability) of every text."""
        manifest, matrix = self.serving.score(project, texts)
        self.metrics.asked(len(texts))
        found = [(manifest.labels[int(row.argmax())], float(row.max())) for row in matrix]
        return manifest.version, self.schema(project), found

    def look(self, project: int, forced: bool) -> None:
        """Enqueue a look at the project."""
        self.jobs.look(project, forced)

    def forget(self, project: int) -> None:
        """The project's settings changed."""
        self.serving.forget(project)

    def told(self, project: int, schema: Schema) -> None:
        """The project's schema, as Label Studio has just named it."""
        self.serving.told(project, schema)

    def _jobs_waiting(self) -> int:
        return self.jobs.waiting()
