"""Small honest stand-ins for the two servers that Crux talks to.

They keep to what was seen on the real ones: Label Studio numbers tasks in order of import, keeps
what arrived before a request was cut off, and takes two tasks with the same data without a word.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from selection.backend_client import Scores
from selection.errors import BackendError, ProjectError, StudioDown, StudioLacks
from selection.pool_sample import PoolSample
from selection.record import ProjectState, Record, TrainingState, Version
from selection.studio.api import MlBackend, Person, Project, Schema, Task, Webhook
from selection.studio.task import Json, placeholder, read_task, result

SCHEMA = Schema(labels=("yes", "no"), from_name="verdict", to_name="text", text_field="text")


class FakeStudio:
    """Label Studio in memory, with the methods of Studio that the loop needs.

    All project numbers are the same project, except those in `gone`.

    bodies: task id -> its JSON as the API tells it. down_after: so many calls are answered and
    every later one raises StudioDown, until `up()`. cut: tasks of an import that arrive although
    the import as a whole fails. before_import: called once, before the next import, as if
    another admin were at work at the same moment. read: how many tasks each call of `tasks` gave.
    """

    def __init__(self, schema: Schema = SCHEMA) -> None:
        self.schema = schema
        self.bodies: dict[int, Json] = {}
        self.titles: list[str] = []
        self.down_after: int | None = None
        self.cut = 0
        self.before_import: Callable[[], object] | None = None
        self.calls: list[str] = []
        self.read: list[int] = []
        self.policy = "Is the text good?"
        self.model_version = ""
        self.settings: dict[str, Any] = {}
        self.gone: set[int] = set()
        self.hooks: dict[int, Webhook] = {}
        self.connected: dict[str, tuple[str, str] | None] = {}
        self.connect_error = ""
        self.makes_webhooks = True
        self.users: dict[int, str] = {}
        self._next = 1
        self._annotations = count(1)  # numbers ascend in order of creation

    def me(self) -> Person:
        self._call("me")
        return Person(1, "admin@example.org")

    def project(self, project_id: int) -> Project:
        self._call("project")
        if project_id in self.gone:
            raise StudioLacks(f"Label Studio does not have project {project_id}: not found")
        return Project(
            project_id, "The project", self.policy, self.schema, "<View/>", self.model_version,
            len(self.bodies), 0, 1, "Sequential sampling", True,
            instruction=self.policy,
        )  # fmt: skip

    def projects(self) -> dict[int, str]:
        self._call("projects")
        return {number: "The project" for number in (12, 7) if number not in self.gone}

    def update_project(self, project_id: int, **settings: Any) -> Project:
        self._call("update_project")
        self.settings |= settings
        return self.project(project_id)

    def set_model_version(self, project_id: int, version: str) -> None:
        self._call("set_model_version")
        known = {p["model_version"] for body in self.bodies.values() for p in body["predictions"]}
        if version not in known and not (version == "Crux" and self.connected):
            raise ProjectError(f"there is no prediction of {version}")
        self.model_version = version

    def import_predictions(self, project_id: int, predictions: Sequence[Json]) -> int:
        for done, one in enumerate(predictions):
            if self.down_after is not None and done == self.cut:
                self._call("import_predictions")  # some have arrived when the server goes down
            told = {key: value for key, value in one.items() if key != "task"}
            held = self.bodies[one["task"]]["predictions"]
            held.append({"id": 100 * one["task"] + len(held), **told})
        self._call("import_predictions")
        return len(predictions)

    def webhooks(self, project_id: int) -> list[Webhook]:
        self._call("webhooks")
        return [h for h in self.hooks.values() if h.project in (project_id, None)]

    def create_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        self._call("create_webhook")
        number = max(self.hooks, default=0) + 1
        if self.makes_webhooks:
            actions = ("ANNOTATION_CREATED",)
            self.hooks[number] = Webhook(number, url, project_id, True, actions, headers)
        return number

    def delete_webhook(self, webhook_id: int) -> None:
        self._call("delete_webhook")
        del self.hooks[webhook_id]

    def connect_backend(
        self, project_id: int, url: str, title: str, basic_auth: tuple[str, str] | None = None
    ) -> MlBackend:
        self._call("connect_backend")
        if url not in self.connected and not self.connect_error:  # as it does: one without headers
            number = max(self.hooks, default=0) + 1
            self.hooks[number] = Webhook(number, f"{url}/webhook", project_id, True, (), {})
        self.connected[url] = basic_auth
        return next(one for one in self.backends(project_id) if one.url == url)

    def backends(self, project_id: int) -> list[MlBackend]:
        self._call("backends")
        state, error = "Error" if self.connect_error else "Connected", self.connect_error
        return [
            MlBackend(number, url, "Crux", state, "v1", error)
            for number, url in enumerate(self.connected, 1)
        ]

    def disconnect_backend(self, backend_id: int) -> None:
        """As it does: the webhook stays, and a model version of the backend's title goes."""
        self._call("disconnect_backend")
        [gone] = (one for one in self.backends(0) if one.id == backend_id)
        del self.connected[gone.url]
        if self.model_version == gone.title:
            self.model_version = ""

    def up(self) -> None:
        """Answer again."""
        self.down_after = None

    def tasks(
        self,
        project_id: int,
        schema: Schema | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        after: int = 0,
    ) -> list[Task]:
        self._call("tasks")
        bodies = [body for number, body in sorted(self.bodies.items()) if number > after]
        self.read.append(len(bodies))
        if on_progress:
            on_progress(len(bodies), len(bodies))
        return [read_task(body, schema or self.schema, {}) for body in bodies]

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

    def people(self) -> dict[int, str]:
        return self.users

    def keep_away(self, task_id: int, user: int) -> None:
        self._call("keep_away")
        annotations = self.bodies[task_id]["annotations"]
        said = {"updated_by": 1, "lead_time": None, **placeholder(user)}
        annotations.append({"id": next(self._annotations), **said})

    def close(self, task_id: int) -> None:
        self._call("close")
        self.bodies[task_id]["is_labeled"] = True

    def reopen(self, task_id: int) -> None:
        self._call("reopen")
        self.bodies[task_id] |= {"overlap": 1, "is_labeled": False}

    def next_task(self, user: int) -> int | None:
        """Return the task that "Label All Tasks" serves this user, None if nothing is left.

        Sequential sampling, and skip_queue REQUEUE_FOR_OTHERS: nobody is served a task in which an
        annotation stands in their name, whatever it says.
        """
        for number, body in sorted(self.bodies.items()):
            if body["is_labeled"] or any(a["completed_by"] == user for a in body["annotations"]):
                continue
            return number
        return None

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

    def answer(
        self,
        task_id: int,
        label: str | None,
        by: int,
        at: str = "2026-11-22T12:00:00Z",
        **more: Any,
    ) -> int:
        """An expert labels (None: skips) a task; return the annotation's number.

        Never down: people use the browser. more: fields in which it differs from a click on Submit.
        """
        body = self.bodies[task_id]
        annotation: dict[str, Any] = {
            "id": next(self._annotations),
            "completed_by": by,
            "result": [] if label is None else result(self.schema, label),
            "was_cancelled": label is None,
            "created_at": at,
            "updated_at": at,
            "updated_by": by,
            "lead_time": 3.0,
            "parent_prediction": None,
            "parent_annotation": None,
            **more,
        }
        body["annotations"].append(annotation)
        self._count(body)
        return int(annotation["id"])

    def accept(self, task_id: int, by: int) -> int:
        """Somebody uses the action "Create Annotations From Predictions" on a task."""
        said = self.bodies[task_id]["predictions"][-1]
        return self.answer(
            task_id, None, by, result=said["result"], was_cancelled=False, updated_by=None,
            lead_time=None, parent_prediction=said["id"],
        )  # fmt: skip

    def correct(self, annotation_id: int, label: str, at: str, by: int | None = None) -> None:
        """Somebody, as a rule its author, presses Update on an annotation."""
        found = (a for body in self.bodies.values() for a in body["annotations"])
        one = next(a for a in found if a["id"] == annotation_id)
        one |= {
            "result": result(self.schema, label),
            "updated_at": at,
            "updated_by": one["completed_by"] if by is None else by,
            "lead_time": (one["lead_time"] or 0.0) + 2.0,
        }

    def delete_annotation(self, annotation_id: int) -> None:
        """Somebody deletes an annotation; its task is served again."""
        for body in self.bodies.values():
            body["annotations"] = [a for a in body["annotations"] if a["id"] != annotation_id]
            self._count(body)

    def _count(self, body: Json) -> None:
        """A task is done when it has as many answers as its overlap; skips do not count."""
        given = sum(not one["was_cancelled"] for one in body["annotations"])
        body["is_labeled"] = given >= body["overlap"]

    def _add(self, task: Json) -> int:
        number, self._next = self._next, self._next + 1
        self.bodies[number] = {
            "id": number,
            "data": task["data"],
            "meta": task.get("meta", {}),
            "overlap": 1,  # the bulk import ignores a task's own
            "annotations": [
                {"updated_by": None, "lead_time": None, **one, "id": next(self._annotations)}
                for one in task.get("annotations", ())
            ],
            "predictions": [
                {"id": 100 * number + i, **one} for i, one in enumerate(task.get("predictions", ()))
            ],
            "is_labeled": bool(task.get("annotations")),
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
        self.records: list[Record] = []
        self.training = TrainingState()
        self.listed: list[Version] = []
        self.worker: bool | None = True
        self.down = False
        self.checked: list[int] = []
        self.lasted: list[int] = []
        self.sampled = PoolSample()

    def health(self) -> None:
        if self.down:
            raise BackendError("The backend does not answer.")

    def project(self, project: int) -> ProjectState:
        self.health()
        return ProjectState(
            project, self.version, tuple(self.listed), tuple(self.records), self.training,
            self.worker,
        )  # fmt: skip

    def check(self, project: int) -> None:
        self.checked.append(project)

    def last(self, project: int) -> None:
        self.lasted.append(project)

    def sample(self, project: int, sample: PoolSample) -> None:
        self.sampled = sample

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


class FakeScorer:
    """An LLM that has learned words: label of a text = the label of most of its known words.

    An adapter is the file that `fake_train` wrote. Without one it says the first label of every
    text with an odd number of letters, so that a starting model is wrong about half of them.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []  # (version, text)
        self.waiting = 0

    def score(
        self,
        served: Any,
        texts: Sequence[str],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Any:
        known: dict[str, int] = {}
        if served.adapter is not None:
            known = json.loads((served.adapter / "adapter_model.safetensors").read_text())
        rows = []
        for text in texts:
            self.asked.append((served.version, text))
            votes = [0.5] * len(served.labels)
            for word in text.split():
                if word in known:
                    votes[known[word]] += 4.0
            if served.adapter is None:
                votes[0 if len(text) % 2 else 1] += 1.0
            rows.append(np.array(votes) / sum(votes))
        if on_progress:
            on_progress(len(texts), len(texts))
        return np.array(rows, dtype=np.float32).reshape(len(texts), len(served.labels))


def fake_train(
    engine: Any, policy: str, labels: Sequence[str], texts: Sequence[str], targets: Any,
    prior: Any, recipe: Any, out: Path, *, on_step: Any = None,
) -> Any:  # fmt: skip
    """Writes down which label each word stood with last; what FakeScorer reads."""
    from backend.train import Trained

    words = {
        word: int(target)
        for text, target in zip(texts, targets.tolist(), strict=True)
        for word in text.split()
    }
    (out / "adapter_model.safetensors").write_text(json.dumps(words))
    if on_step:
        on_step(1, 1, 0.5)
    return Trained((0.0,) * len(labels), 1, 2.0, 0.5)
