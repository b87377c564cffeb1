"""The tasks of a project: read, imported, changed, deleted, and answered."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from selection.errors import ProjectError, StudioError
from selection.studio.people import People
from selection.studio.schema import Schema
from selection.studio.task import Json, Task, placeholder, read_task, result
from selection.studio.transport import IMPORT_CHUNK

PAGE = 200


class Tasks(People):
    """The calls about tasks; experts are named by what People knows of them."""

    def tasks(
        self,
        project_id: int,
        schema: Schema,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        after: int = 0,
    ) -> list[Task]:
        """Return the tasks with an id above `after`, ascending, with all that was said of them.

        Skips are among the annotations, drafts are not. on_progress: called with (read, total)
        after each page. Pages are taken by id and not by number, so that tasks deleted meanwhile
        hide no other task.
        """
        emails = self.people()
        tasks: list[Task] = []
        while True:
            bodies, left = self._page(project_id, tasks[-1].id if tasks else after)
            tasks += [read_task(body, schema, emails) for body in bodies]
            if on_progress:
                on_progress(len(tasks), len(tasks) + left)
            if not left:
                return tasks

    def task(self, task_id: int, schema: Schema) -> Task:
        """Return one task. This opens it: a connected backend is asked for a prediction."""
        body = self._read(f"task {task_id}", lambda: self._sdk.tasks.get(str(task_id)))
        return read_task(body.model_dump(), schema, self.people())

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Add tasks {"data", "meta"?, "predictions"?, "annotations"?}; return their ids in order.

        Not repeated on failure: after StudioDown some may have arrived, so look before trying
        again.
        """
        ids: list[int] = []
        for start in range(0, len(tasks), IMPORT_CHUNK):
            chunk: Any = tasks[start : start + IMPORT_CHUNK]
            answer = self._ask(
                f"the import into project {project_id}",
                lambda chunk=chunk: self._sdk.projects.import_tasks(  # type: ignore[misc]
                    project_id, request=chunk, return_task_ids=True
                ),
            )
            ids += getattr(answer, "task_ids", None) or []
        if len(ids) != len(tasks):
            raise StudioError(
                f"Label Studio imported {len(ids)} of {len(tasks)} tasks into project {project_id}."
            )
        return ids

    def set_overlap(self, task_id: int, overlap: int) -> None:
        """Ask this many experts about the task, even if it counted as done before."""
        what = f"task {task_id}"
        task: Any = self._ask(what, lambda: self._sdk.tasks.update(str(task_id), overlap=overlap))
        done = (task.total_annotations or 0) >= overlap
        if bool(task.is_labeled) != done:
            self._ask(what, lambda: self._sdk.tasks.update(str(task_id), is_labeled=done))

    def reopen(self, task_id: int) -> None:
        """Have the task served to one person, although Label Studio regards it as done."""
        self._ask(
            f"task {task_id}",
            lambda: self._sdk.tasks.update(str(task_id), overlap=1, is_labeled=False),
        )

    def close(self, task_id: int) -> None:
        """Have the task served to nobody any more, although nobody has answered it."""
        self._ask(f"task {task_id}", lambda: self._sdk.tasks.update(str(task_id), is_labeled=True))

    def keep_away(self, task_id: int, user: int) -> None:
        """Have the task never served to this user, by an annotation that says nothing."""
        what = f"the placeholder in task {task_id}"
        body = placeholder(user)
        self._ask(what, lambda: self._sdk.annotations.create(task_id, **body))

    def set_meta(self, task_id: int, meta: Json) -> None:
        """Replace the task's whole meta; its data, overlap and annotations stay."""
        self._ask(f"task {task_id}", lambda: self._sdk.tasks.update(str(task_id), meta=meta))

    def delete_tasks(self, project_id: int, ids: Iterable[int]) -> None:
        """Delete tasks and all that was said of them. Deleting the last one removes all tabs."""
        included = sorted(set(ids))
        if included:
            chosen = {"all": False, "included": included}
            self._action("delete_tasks", project_id, {"selectedItems": chosen})

    def next_task(self, project_id: int, schema: Schema) -> Task | None:
        """Return the task that the token's user would label now, None if nothing is left.

        The task is locked for that user. A connected backend may be asked for a prediction.
        """
        try:
            body = self._action("next_task", project_id, {})
        except ProjectError as error:
            if "There are no tasks" in str(error):
                return None
            raise
        return read_task(body, schema, {})

    def annotate(
        self, task_id: int, label: str | None, schema: Schema, *, seconds: float | None = None
    ) -> int:
        """Label (None: skip) a task as the token's user; return the annotation's id.

        seconds: that the user took. Without it the answer counts as nobody's.
        """
        made = self._ask(
            f"the annotation of task {task_id}",
            lambda: self._sdk.annotations.create(
                task_id,
                result=result(schema, label) if label is not None else [],
                was_cancelled=label is None,
                lead_time=seconds,
            ),
        )
        return int(made.id or 0)

    def _page(self, project_id: int, after: int) -> tuple[list[Json], int]:
        """Return the first tasks with an id above `after`, and how many more there are."""
        above = {
            "filter": "filter:tasks:id", "operator": "greater", "type": "Number", "value": after
        }  # fmt: skip
        pager: Any = self._read(
            f"the tasks of project {project_id}",
            lambda: self._sdk.tasks.list(
                project=project_id,
                fields="all",
                page_size=PAGE,
                resolve_uri=False,
                query=json.dumps({"filters": {"conjunction": "and", "items": [above]}}),
            ),
        )
        bodies = [task.model_dump() for task in pager.items or ()]
        return bodies, pager.response.total - len(bodies)
