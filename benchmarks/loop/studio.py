"""Label Studio in memory: the calls that a loop makes, kept in a file between two runs.

It keeps to what was seen on the real one (selection/studio): tasks are numbered in order of import,
the bulk import ignores a task's overlap, a task that is imported with annotations counts as done,
and nobody is served a task in which an annotation stands in their name.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from selection.studio.api import Project, Schema, Task, parse_schema
from selection.studio.task import Json, placeholder, read_task, result
from selection.whole_file import whole_file

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)  # the time of the first answer; a clock of its own, so
EACH = 6.0  # that a loop that was cut off goes on as if it had not been. Seconds between answers
TOOK = 4.0  # seconds that a person looks at a text


class MemoryStudio:
    """One project with its people. All project numbers are that project.

    users: number -> e-mail of those who answer. file: where `save` keeps everything.
    """

    def __init__(
        self, labels: Sequence[str], policy: str, users: dict[int, str], file: Path | None = None
    ) -> None:
        self.config_xml = config(labels)
        self.schema = parse_schema(self.config_xml)
        self.policy, self.users, self.file = policy, users, file
        self.bodies: dict[int, Json] = {}
        self.titles: list[str] = []
        self.model_version = ""
        self.answered = 0  # answers that people gave, skips included
        if file is not None and file.is_file():
            self._load(json.loads(file.read_text(encoding="utf-8")))
        self._tasks = count(max(self.bodies, default=0) + 1)
        self._annotations = count(1 + max(map(_id, self._every("annotations")), default=0))
        self._predictions = count(1 + max(map(_id, self._every("predictions")), default=0))

    def save(self) -> None:
        """Keep everything in the file, which is replaced whole."""
        if self.file is None:
            return
        kept = {
            "tasks": list(self.bodies.values()), "tabs": self.titles,
            "model_version": self.model_version, "answered": self.answered,
        }  # fmt: skip
        with whole_file(self.file) as unfinished:
            unfinished.write_text(json.dumps(kept), encoding="utf-8")

    def _load(self, kept: Json) -> None:
        self.bodies = {body["id"]: body for body in kept["tasks"]}
        self.titles, self.model_version = kept["tabs"], kept["model_version"]
        self.answered = kept["answered"]

    def _every(self, what: str) -> Iterable[Json]:
        # a copy, since the backend may look at the project in a thread of its own
        return (one for body in list(self.bodies.values()) for one in list(body[what]))

    # what Crux asks of it

    def people(self) -> dict[int, str]:
        """Return number -> e-mail of the users."""
        return dict(self.users)

    def project(self, project_id: int) -> Project:
        """Return the project with its present number of tasks and annotations."""
        return Project(
            project_id, "A loop", self.policy, self.schema, self.config_xml, self.model_version,
            len(self.bodies), sum(1 for _ in self._every("annotations")), 1,
            "Sequential sampling", True, instruction=self.policy,
        )  # fmt: skip

    def update_project(self, project_id: int, **settings: Any) -> Project:
        """Change nothing: no setting of the project matters to a loop."""
        return self.project(project_id)

    def set_model_version(self, project_id: int, version: str) -> None:
        """Choose the predictions that experts see."""
        self.model_version = version

    def tabs(self, project_id: int) -> tuple[str, ...]:
        """Return the titles of the tabs."""
        return tuple(self.titles)

    def create_tab(self, project_id: int, title: str, round: int) -> int:
        """Create a tab; return its number."""
        self.titles.append(title)
        return len(self.titles)

    def tasks(
        self,
        project_id: int,
        schema: Schema | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        after: int = 0,
    ) -> list[Task]:
        """Return the tasks with a number above `after`, ascending."""
        bodies = [body for number, body in sorted(self.bodies.items()) if number > after]
        if on_progress:
            on_progress(len(bodies), len(bodies))
        return [read_task(body, schema or self.schema, self.users) for body in bodies]

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Add tasks; return their numbers in order."""
        return [self._add(task) for task in tasks]

    def import_predictions(self, project_id: int, predictions: Sequence[Json]) -> int:
        """Add predictions {"task", "result", "score", "model_version"}; return how many."""
        for one in predictions:
            told = {name: value for name, value in one.items() if name != "task"}
            self.bodies[one["task"]]["predictions"].append({"id": next(self._predictions), **told})
        return len(predictions)

    def set_overlap(self, task_id: int, overlap: int) -> None:
        """Ask this many experts about a task."""
        self.bodies[task_id]["overlap"] = overlap
        self._count(self.bodies[task_id])

    def set_meta(self, task_id: int, meta: Json) -> None:
        """Replace a task's meta."""
        self.bodies[task_id]["meta"] = meta

    def keep_away(self, task_id: int, user: int) -> None:
        """Have a task never served to this user."""
        said = {"id": next(self._annotations), "updated_by": None, "lead_time": None}
        self.bodies[task_id]["annotations"].append({**said, **placeholder(user)})

    def close(self, task_id: int) -> None:
        """Have a task served to nobody any more."""
        self.bodies[task_id]["is_labeled"] = True

    def reopen(self, task_id: int) -> None:
        """Have a task served to one person, although it counts as done."""
        self.bodies[task_id] |= {"overlap": 1, "is_labeled": False}

    def delete_tasks(self, project_id: int, ids: Iterable[int]) -> None:
        """Delete tasks and all that was said of them."""
        for task_id in list(ids):
            self.bodies.pop(task_id, None)

    # what people do in it

    def next_task(self, user: int) -> int | None:
        """Return the task that "Label All Tasks" serves this user, None if nothing is left."""
        for number, body in sorted(self.bodies.items()):
            known = any(one["completed_by"] == user for one in body["annotations"])
            if not body["is_labeled"] and not known:
                return number
        return None

    def answer(self, task_id: int, label: str, user: int) -> None:
        """A person labels a task and presses Submit."""
        at = (BEGAN + timedelta(seconds=EACH * self.answered)).isoformat().replace("+00:00", "Z")
        self.answered += 1
        body = self.bodies[task_id]
        said = {
            "id": next(self._annotations),
            "completed_by": user,
            "updated_by": user,
            "result": result(self.schema, label),
            "was_cancelled": False,
            "created_at": at,
            "updated_at": at,
            "lead_time": TOOK,
            "parent_prediction": None,
            "parent_annotation": None,
        }
        body["annotations"].append(said)
        self._count(body)

    def _count(self, body: Json) -> None:
        """A task is done when it has as many answers as its overlap; skips do not count."""
        given = sum(not one["was_cancelled"] for one in body["annotations"])
        body["is_labeled"] = given >= body["overlap"]

    def _add(self, task: Json) -> int:
        number = next(self._tasks)
        told = {"updated_by": None, "lead_time": None}
        self.bodies[number] = {
            "id": number,
            "data": task["data"],
            "meta": task.get("meta", {}),
            "overlap": 1,
            "annotations": [
                {**told, **one, "id": next(self._annotations)}
                for one in task.get("annotations", ())
            ],
            "predictions": [
                {**one, "id": next(self._predictions)} for one in task.get("predictions", ())
            ],
            "is_labeled": bool(task.get("annotations")),
        }
        return number


def config(labels: Sequence[str]) -> str:
    """Return a label config with these labels, the first one on top."""
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View><Text name="text" value="$text"/>'
        f'<Choices name="verdict" toName="text" choice="single">{choices}</Choices></View>'
    )


def _id(one: Json) -> int:
    return int(one["id"])
