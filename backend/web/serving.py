"""The state of a serving process: one model, and what each project is about.

Everything heavy is made at its first use, since Label Studio gives /health one second.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from backend.config import Settings
from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.versions.in_force import in_force
from backend.versions.registry import Manifest, Registry, make_registry, named
from backend.web.projects import Subject, Subjects
from selection.errors import CruxError, ProjectError, VersionError
from selection.studio.api import Studio
from selection.studio.schema import Schema
from selection.types import Floats

log = logging.getLogger(__name__)

QUIET = 60.0  # seconds between two words about the same damage

class Serving:
    """Scores texts for projects with their current versions. Safe for many threads."""

    def __init__(
        self, settings: Settings, studio: Studio, make_scorer: Callable[[], Scorer]
    ) -> None:
        self.settings = settings
        self.studio = studio
        self._make_scorer = make_scorer
        self._scorer: Scorer | None = None
        self._loading = threading.Lock()
        self.registry = make_registry(settings)
        self._subjects = Subjects(studio)
        self._said: dict[tuple[int, str], float] = {}  # when what was said

    @property
    def scorer(self) -> Scorer:
        """The model, made at the first text: preparing it takes longer than /setup may."""
        with self._loading:
            if self._scorer is None:
                self._scorer = self._make_scorer()
            return self._scorer

    @property
    def waiting(self) -> int:
        """Texts that wait for the model; none before it is there. Waits for nothing itself."""
        scorer = self._scorer
        return 0 if scorer is None else scorer.waiting

    def subject(self, project: int) -> Subject:
        """Schema and policy, as Subjects gives them."""
        return self._subjects.get(project)

    def forget(self, project: int) -> None:
        """The project has changed: what is known of it holds until Label Studio has said more,
        which it is asked to at once."""
        self._subjects.change(project)

    def told(self, project: int, schema: Schema) -> None:
        """Label Studio has named the project's schema: it holds at once. Where it is another one
        than was known, the policy may be, too, and is asked for."""
        if self.subject(project).schema != schema:
            self._subjects.change(project, schema)

    def manifest(self, project: int) -> Manifest:
        """The version that answers: the current one; the last whole one before it where that is
        damaged; the prompted model before the first promotion, and when the labels of the config
        or the base model are no longer those of the current version.
        """
        subject = self.subject(project)
        found = in_force(
            self.registry, project, self.settings.llm, subject.schema.labels,
            partial(self._damaged, project),
        )  # fmt: skip
        return found or self.prompted(project, subject)

    def _damaged(self, project: int, error: VersionError) -> None:
        """Said once a minute and not at every request."""
        now, key = time.monotonic(), (project, str(error))
        if now - self._said.get(key, -QUIET) >= QUIET:
            self._said[key] = now
            log.error("project %s: %s Another version answers meanwhile.", project, error)

    def warm(self) -> None:
        """Read one text for every project, so that the first annotator need not wait for the
        model, nor for its reading of the policy. What fails is said and left to the first request.
        """
        for project in self.registry.projects():
            try:
                self.score(project, ["."])
            except CruxError as error:
                log.warning("project %s is not warmed up: %s", project, error)

    def prompted(self, project: int, subject: Subject) -> Manifest:
        """The base model under the project's policy, as a version."""
        return prompted(self.registry, project, self.settings.llm, subject)

    def score(
        self, project: int, texts: Sequence[str], version: str | None = None
    ) -> tuple[Manifest, Floats]:
        """(n, k) probabilities, and the version that gave them: the current one unless named."""
        if version is not None:
            manifest = self.registry.get(project, version)
            if manifest.model != self.settings.llm:
                raise VersionError(
                    f"Version {version!r} was made from the base model {manifest.model!r}; "
                    f"{self.settings.llm!r} is loaded. Name another version, or set CRUX_LLM."
                )
            return manifest, self.scorer.score(served(self.registry, project, manifest), texts)
        manifest = self.manifest(project)
        try:
            return manifest, self.scorer.score(served(self.registry, project, manifest), texts)
        except VersionError as error:
            if manifest.kind == "prompted":
                raise
            self._damaged(project, error)
            manifest = self.prompted(project, self.subject(project))
            return manifest, self.scorer.score(served(self.registry, project, manifest), texts)


def prompted(registry: Registry, project: int, model: str, subject: Subject) -> Manifest:
    """The version of a base model as it is. Raises ProjectError without a policy."""
    if not subject.policy.strip():
        raise ProjectError(
            f"Project {project} has no policy. Write it into the project's labeling instructions "
            f"(Settings, Annotation): experts and model read the same text."
        )
    labels = subject.schema.labels
    version = named("prompted", model, subject.policy, labels)
    manifest = Manifest(version, "prompted", -1, model, subject.policy, labels)
    return registry.build(project, version, lambda _: manifest)


def served(registry: Registry, project: int, manifest: Manifest) -> Served:
    """A version as the scorer wants it."""
    return Served(
        version=f"{project}/{manifest.version}",
        policy=manifest.policy,
        labels=manifest.labels,
        adapter=registry.adapter(project, manifest),
        offsets=manifest.offsets,
    )
