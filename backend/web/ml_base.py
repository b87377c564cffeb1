"""The LabelStudioMLBase subclass: predict and fit, for both generations of label-studio-ml.

1.0.9 keeps one instance and calls fit((), event=…, data=…); 2.x makes an instance for every
request and calls fit(event, data). So nothing is kept here: the state of the process is `Hub`,
set once by create_app. Imports no torch.
"""

import logging
import re
from typing import Any, Protocol

from label_studio_ml.model import LabelStudioMLBase

from selection.studio.api import prediction
from selection.studio.schema import Schema

log = logging.getLogger(__name__)

TRAIN_EVENTS = {
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATION_DELETED",
    "ANNOTATIONS_DELETED",
}
START = "START_TRAINING"


class Answers(Protocol):
    """What a prediction needs of the serving process."""

    def labelled(
        self, project: int, texts: list[str]
    ) -> tuple[str, Schema, list[tuple[str, float]]]:
        """version, schema, and (label, probability) of every text."""
        ...

    def schema(self, project: int) -> Schema:
        """Where text and label stand in the project's tasks."""
        ...

    def look(self, project: int, forced: bool) -> None:
        """Enqueue a look at the project."""
        ...

    def forget(self, project: int) -> None:
        """The project's settings changed."""
        ...


class Hub:
    """The one place where the process keeps its state."""

    answers: Answers | None = None

    @classmethod
    def get(cls) -> Answers:
        """The serving process's answers."""
        if cls.answers is None:
            raise RuntimeError("create_app() has not run in this process")
        return cls.answers


def project_number(value: Any) -> int | None:
    """Label Studio names a project as 7, "7" or "7.1700000000", or sends a whole object."""
    if isinstance(value, dict):
        value = value.get("id")
    # no more digits than any database has: the number becomes the name of a folder
    found = re.fullmatch(r"(\d{1,18})(\.\d*)?", str(value), re.ASCII)
    return int(found.group(1)) if found else None


class CruxModel(LabelStudioMLBase):  # type: ignore[misc]  # label-studio-ml carries no types
    """Pre-annotates with the project's current version; annotations make the worker look."""

    def predict(
        self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any
    ) -> list[Any]:
        """One prediction a task, in order; for blind and unusable tasks [], which LS drops.

        A task is blind if its meta.crux says so. One unusable task never fails the others.
        """
        project = project_number(kwargs.get("project") or getattr(self, "project_id", None))
        if project is None and tasks:
            project = project_number(tasks[0].get("project"))
        if project is None:
            raise ValueError("The request names no project.")
        return predictions(Hub.get(), project, tasks)

    def fit(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Enqueue a look at the project and return at once; what is true is read back later."""
        event = kwargs.get("event") or next((a for a in args if isinstance(a, str)), "")
        data = kwargs.get("data") or next((a for a in args if isinstance(a, dict)), {})
        return hear(Hub.get(), event, data)


def hear(answers: Answers, event: str, data: dict[str, Any]) -> dict[str, Any]:
    """What an event of Label Studio means: at most a look of the worker, later."""
    project = project_number(data.get("project"))
    if project is None:
        return {"queued": False}
    if event.startswith("PROJECT_"):
        answers.forget(project)
    if event not in TRAIN_EVENTS and event != START:
        return {"queued": False}
    answers.look(project, event == START)
    return {"queued": True}


def predictions(answers: Answers, project: int, tasks: list[dict[str, Any]]) -> list[Any]:
    """Label Studio's predictions, aligned with the tasks."""
    field = answers.schema(project).text_field
    texts, wanted = [], []
    for position, task in enumerate(tasks):
        text = _text(task, field)
        if text is not None and not _blind(task):
            wanted.append(position)
            texts.append(text)
    # an empty prediction would be stored and shown; an empty list in its place is passed over
    found: list[Any] = [[] for _ in tasks]
    if texts:
        version, schema, labelled = answers.labelled(project, texts)
        for position, (name, score) in zip(wanted, labelled, strict=True):
            found[position] = prediction(schema, name, score, version)
    return found


def _blind(task: dict[str, Any]) -> bool:
    meta = task.get("meta")
    crux = meta.get("crux") if isinstance(meta, dict) else None
    return isinstance(crux, dict) and bool(crux.get("blind"))


def _text(task: dict[str, Any], field: str) -> str | None:
    data = task.get("data")
    text = data.get(field) if isinstance(data, dict) else None
    if isinstance(text, str) and text.strip():
        return text
    log.warning(
        "task %s: its data has no text in '%s' (%s); left without a prediction",
        task.get("id"),
        field,
        type(text).__name__,
    )
    return None
