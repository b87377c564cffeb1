"""A record -> the pointer moved, open tasks pre-annotated, the project's model version set."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from backend.config import BackendSettings
from backend.predict import Predictor
from backend.versions.in_force import misfit
from backend.versions.registry import Registry
from selection.record import Record
from selection.studio.api import Project, Studio, Task, prediction

log = logging.getLogger(__name__)


class Publisher:
    """Brings pointer and Label Studio into line with a record; doing it twice changes nothing."""

    def __init__(
        self, settings: BackendSettings, studio: Studio, registry: Registry, predictor: Predictor
    ) -> None:
        self.settings = settings
        self.studio = studio
        self.registry = registry
        self.predictor = predictor
        self._explained: dict[int, str] = {}

    def publish(self, project: Project, tasks: Sequence[Task], record: Record) -> Record:
        """Do what the record says and return it settled. Raises CruxError.

        The pointer moves once: if somebody promotes another version before the rest has
        succeeded, that version stays in force.
        """
        if record.promoted and not record.pointed:
            self.registry.promote(project.id, record.version)
            record = replace(record, pointed=True)
            self.registry.save_record(project.id, record)
        # labels may have been added or renamed during the training
        now = self.studio.project(project.id)
        self._refresh(now, tasks, self.registry.current(project.id) or record.version)
        record = replace(record, settled=True)
        self.registry.save_record(project.id, record)
        return record

    def follow(self, project: Project, tasks: Sequence[Task]) -> None:
        """Pre-annotate the open tasks that lack an answer of the current version.

        They do after a rollback or an import. Raises CruxError.
        """
        current = self.registry.current(project.id)
        if current is not None and open_tasks(tasks, project.schema.text_field, current):
            self._refresh(project, tasks, current)

    def _refresh(self, project: Project, tasks: Sequence[Task], version: str) -> None:
        manifest = self.registry.get(project.id, version)
        misfits = misfit(manifest, self.settings.llm, project.schema.labels)
        if misfits:
            self._explain(project, misfits)
            return
        waiting = open_tasks(tasks, project.schema.text_field, version)
        if waiting:
            texts = [str(task.data[project.schema.text_field]) for task in waiting]
            matrix = self.predictor.score(project.id, manifest, texts)
            self.studio.import_predictions(
                project.id,
                [
                    {
                        "task": task.id,
                        **prediction(
                            project.schema,
                            manifest.labels[int(row.argmax())],
                            float(row.max()),
                            version,
                        ),
                    }
                    for task, row in zip(waiting, matrix, strict=True)
                ],
            )
        known = any(p.version == version for task in tasks for p in task.predictions)
        if waiting or known:
            self.studio.set_model_version(project.id, version)

    def _explain(self, project: Project, what: str) -> None:
        """Log why the current version is not used, once and not at every look."""
        if self._explained.get(project.id) != what:
            self._explained[project.id] = what
            log.warning(
                "project %s: %s. The prompted model answers until Start Training is pressed or "
                "the next round is done.", project.id, what,
            )  # fmt: skip


def open_tasks(tasks: Sequence[Task], text_field: str, version: str) -> list[Task]:
    """Return the tasks that wait for an answer, are not blind and lack one of this version."""
    return [
        task
        for task in tasks
        if task.open
        and not task.blind
        and isinstance(task.data.get(text_field), str)
        and task.data[text_field].strip()
        and all(p.version != version for p in task.predictions)
    ]
