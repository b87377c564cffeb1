"""Small honest stand-ins for the two servers that Crux talks to.

They keep to what was seen on the real ones: Label Studio numbers tasks in order of import, keeps
what arrived before a request was cut off, and takes two tasks with the same data without a word.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from selection.client import Scores
from selection.errors import StudioDown
from selection.schema import Schema
from selection.task import Json, Task, read_task, result

SCHEMA = Schema(labels=("yes", "no"), from_name="verdict", to_name="text", text_field="text")


class FakeStudio:
    """Label Studio with one project, in memory, with the methods of selection.studio.Studio that
    `push` and `collect` need.

    bodies: task id -> its JSON as the API tells it. down_after: so many calls are answered and
    every later one raises StudioDown, until `up()`. cut: tasks of an import that arrive although
    the import as a whole fails. before_import: called once, before the next import, as if
    another admin were at work at the same moment.
    """

    def __init__(self, schema: Schema = SCHEMA) -> None:
        self.schema = schema
        self.bodies: dict[int, Json] = {}
        self.titles: list[str] = []
        self.down_after: int | None = None
        self.cut = 0
        self.before_import: Callable[[], object] | None = None
        self.calls: list[str] = []
        self._next = 1

    def up(self) -> None:
        """Answer again."""
        self.down_after = None

    def tasks(self, project_id: int, schema: Schema | None = None) -> list[Task]:
        self._call("tasks")
        return [read_task(body, schema or self.schema, {}) for body in self.bodies.values()]

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        meanwhile, self.before_import = self.before_import, None
        if meanwhile:
            meanwhile()
        try:
            self._call("import_tasks")
        except StudioDown:
            for task in tasks[: self.cut]:
                self._add(task)
            raise
        return [self._add(task) for task in tasks]

    def set_overlap(self, task_id: int, overlap: int) -> None:
        self._call("set_overlap")
        self.bodies[task_id]["overlap"] = overlap

    def set_meta(self, task_id: int, meta: Json) -> None:
        self._call("set_meta")
        self.bodies[task_id]["meta"] = meta

    def delete_tasks(self, project_id: int, ids: Iterable[int]) -> None:
        self._call("delete_tasks")
        for task_id in list(ids):
            self.bodies.pop(task_id, None)

    def tabs(self, project_id: int) -> tuple[str, ...]:
        self._call("tabs")
        return tuple(self.titles)

    def create_tab(self, project_id: int, title: str, round: int) -> int:
        self._call("create_tab")
        self.titles.append(title)
        return len(self.titles)

    def answer(self, task_id: int, label: str | None, by: int, at: str = "2026-11-22T12") -> None:
        """An expert labels (None: skips) a task. Never down: people use the browser."""
        body = self.bodies[task_id]
        annotation: dict[str, Any] = {
            "id": 1000 * task_id + len(body["annotations"]),
            "completed_by": by,
            "result": [] if label is None else result(self.schema, label),
            "was_cancelled": label is None,
            "updated_at": at,
        }
        body["annotations"].append(annotation)

    def _add(self, task: Json) -> int:
        if task.get("overlap", 1) != 1 and task.get("predictions"):
            raise ValueError("a task with an overlap of its own cannot bring predictions")
        number, self._next = self._next, self._next + 1
        self.bodies[number] = {
            "id": number,
            "data": task["data"],
            "meta": task.get("meta", {}),
            "overlap": task.get("overlap", 1),
            "annotations": [],
            "predictions": list(task.get("predictions", ())),
        }
        return number

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.down_after is not None:
            if self.down_after <= 0:
                raise StudioDown("Label Studio does not answer.")
            self.down_after -= 1


class FakeBackend:
    """A backend whose beliefs are a rule: text -> the probability of each label.

    versions: the answers of the first `moves` texts come from versions[0], then versions[1] and
    so on; with moves = None the first version stays. asked: every request's texts.
    """

    def __init__(
        self,
        rule: Callable[[str], Sequence[float]],
        labels: Sequence[str] = ("yes", "no"),
        versions: Sequence[str] = ("v1",),
        moves: int | None = None,
    ) -> None:
        self.rule = rule
        self.labels = tuple(labels)
        self.versions = tuple(versions)
        self.moves = moves
        self.asked: list[list[str]] = []

    @property
    def read(self) -> int:
        """How many texts were read in all."""
        return sum(len(texts) for texts in self.asked)

    @property
    def version(self) -> str:
        """The version that answers now."""
        moved = 0 if self.moves is None else self.read // self.moves
        return self.versions[min(moved, len(self.versions) - 1)]

    def score(self, project: int, texts: Sequence[str]) -> Scores:
        version = self.version
        self.asked.append(list(texts))
        matrix = np.array([self.rule(text) for text in texts], dtype=np.float64)
        return Scores(version, self.labels, matrix.reshape(len(texts), len(self.labels)))
