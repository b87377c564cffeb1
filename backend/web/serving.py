"""Which version answers for a project, and its probabilities.

The model is loaded at its first use, because Label Studio gives /health one second.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from backend.config import BackendSettings
from backend.engine.scorer import Scorer
from backend.engine.served import served
from backend.versions.in_force import in_force, misfit
from backend.versions.manifest import Manifest
from backend.versions.prompted import prompted
from backend.versions.registry import make_registry
from backend.web.projects import KnownProjects, ProjectInfo
from selection.errors import CruxError, StudioDown, VersionError
from selection.studio.api import Studio
from selection.studio.schema import Schema
from selection.types import Floats

log = logging.getLogger(__name__)

QUIET = 60.0  # seconds in which the same damage is logged once


class Serving:
    """Scores texts for projects with their current versions. Safe for many threads."""

    def __init__(
        self, settings: BackendSettings, studio: Studio, make_scorer: Callable[[], Scorer]
    ) -> None:
        self.settings = settings
        self.studio = studio
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None
        self._loading = threading.Lock()
        self.registry = make_registry(settings)
        self._projects = KnownProjects(studio)
        self._logged: dict[tuple[int, str], float] = {}  # (project, damage) -> when

    @property
    def scorer(self) -> Scorer:
        """The model, made at the first text: preparing it takes longer than /setup may."""
        with self._loading:
            if self._scorer is None:
                self._scorer = self._make_scorer()
            return self._scorer

    @property
    def waiting(self) -> int:
        """Texts that wait for the model; 0 before it is loaded. Never blocks."""
        scorer = self._scorer
        return 0 if scorer is None else scorer.waiting

    def info(self, project: int) -> ProjectInfo:
        """Return schema and policy. Raises StudioError, ProjectError; see KnownProjects."""
        return self._projects.get(project)

    def project_changed(self, project: int) -> None:
        """Have Label Studio asked again now; what is known of the project holds meanwhile."""
        self._projects.changed(project)

    def set_schema(self, project: int, schema: Schema) -> None:
        """Use the schema that Label Studio has just sent, at once.

        Where it differs from the known one, the policy may differ too, and is asked for.
        """
        if self.info(project).schema != schema:
            self._projects.changed(project, schema)

    def manifest(self, project: int) -> Manifest:
        """Return the version that answers: the current one, or an intact one before it if that is
        damaged.

        It is the prompted version before the first promotion, and when the labels of the config or
        the base model are no longer those of the current version. Raises CruxError.
        """
        info = self.info(project)
        found = in_force(
            self.registry, project, self.settings.llm, info.schema.labels,
            partial(self._log_damage, project),
        )  # fmt: skip
        return found or self.prompted(project, info)

    def misfit(self, project: int, manifest: Manifest) -> str:
        """Return why a version would not answer if it were the current one, "" if it would.

        While Label Studio is away and never told the project's labels, they count as the version's
        own. Raises StudioError, ProjectError.
        """
        try:
            labels = self.info(project).schema.labels
        except StudioDown:
            labels = manifest.labels
        return misfit(manifest, self.settings.llm, labels)

    def _log_damage(self, project: int, error: VersionError) -> None:
        """Log it once a minute, not at every request."""
        now, key = time.monotonic(), (project, str(error))
        if now - self._logged.get(key, -QUIET) >= QUIET:
            self._logged[key] = now
            log.error("project %s: %s Another version answers meanwhile.", project, error)

    def warm_up(self) -> None:
        """Score one text for every project, so that the first annotator waits neither for the
        model nor for its reading of the policy. A failure is logged and left to the first request.
        """
        for project in self.registry.projects():
            try:
                self.score(project, ["."])
            except CruxError as error:
                log.warning("project %s is not warmed up: %s", project, error)

    def prompted(self, project: int, info: ProjectInfo) -> Manifest:
        """Return the base model under the project's policy, as a version."""
        labels = info.schema.labels
        return prompted(self.registry, project, self.settings.llm, info.policy, labels)

    def score(
        self, project: int, texts: Sequence[str], version: str | None = None
    ) -> tuple[Manifest, Floats]:
        """Return the version that answered and its (n, k) probabilities.

        version: its name; the current one if None. Raises CruxError.
        """
        if version is not None:
            manifest = self.registry.get(project, version)
            if manifest.model != self.settings.llm:
                raise VersionError(
                    f"Version {version!r} was made from the base model {manifest.model!r}; "
                    f"{self.settings.llm!r} is loaded. Name another version, or set CRUX_LLM."
                )
            return self._score(project, manifest, texts)
        manifest = self.manifest(project)
        try:
            return self._score(project, manifest, texts)
        except VersionError as error:
            if manifest.kind == "prompted":
                raise
            self._log_damage(project, error)
            return self._score(project, self.prompted(project, self.info(project)), texts)

    def _score(
        self, project: int, manifest: Manifest, texts: Sequence[str]
    ) -> tuple[Manifest, Floats]:
        return manifest, self.scorer.score(served(self.registry, project, manifest), texts)
