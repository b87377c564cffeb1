"""Label Studio, read and written: every call that Crux makes.

sdk.py says how the SDK is called and what its errors become; task.py, project.py and schema.py how
its answers are read. Nothing else in Crux knows the SDK or its JSON.

Facts that shaped it (Label Studio 1.23.2, label-studio-sdk 2.1.2, each tried on a real server):
- the bulk import ignores a task's `overlap`, so tasks with an overlap of their own are created
  one by one; changing it later leaves `is_labeled` stale, and the queue goes by that;
- the bulk import of predictions answers 201 and drops those whose label is unknown: count them;
- the action delete_tasks with an empty list of ids deletes every task of the project.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from selection.errors import ProjectError, StudioError, StudioRefused
from selection.studio.project import (
    Backend,
    Person,
    Project,
    Webhook,
    read_backend,
    read_project,
    read_webhook,
)
from selection.studio.schema import Schema, parse_schema
from selection.studio.task import Annotation, Json, Prediction, Task, prediction, read_task, result
from selection.studio.transport import Caller

__all__ = [
    "Annotation", "Backend", "Person", "Prediction", "Project", "Schema", "Studio", "Task",
    "Webhook", "parse_schema", "prediction",
]  # fmt: skip

PAGE = 200
IMPORT_CHUNK = 1000
TAB_HIDES = (
    "inner_id", "completed_at", "cancelled_annotations", "annotations_results", "annotations_ids",
    "predictions_results", "file_upload", "storage_filename", "created_at", "updated_at",
    "updated_by", "avg_lead_time", "draft_exists", "comment_count", "unresolved_comment_count",
    "comment_authors", "last_comment_updated_at", "reviewed", "reviewers", "data.crux_id",
)  # fmt: skip
LABELING_HIDES = (
    "annotators", "total_predictions", "predictions_score", "predictions_model_versions",
    "data.crux_round", "data.crux_order",
)  # fmt: skip
HOOK_ACTIONS = (
    "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED",
    "PROJECT_UPDATED",
)  # fmt: skip


class Studio(Caller):
    """A Label Studio server, seen through one user's token: Studio(url, token, timeout=30.0).

    See Caller for what every call can raise.
    """

    # people

    def me(self) -> Person:
        """Who the token belongs to; the cheapest check of URL and token."""
        user = self._read("who the token belongs to", self._sdk.users.whoami)
        if not user.id:
            raise StudioError(f"{self.url} does not answer like Label Studio; check the URL.")
        return Person(user.id, user.email or str(user.id))

    def people(self) -> dict[int, str]:
        """id -> e-mail of everybody in the organization."""
        users = self._read("the users", self._sdk.users.list)
        return {user.id: user.email for user in users if user.id and user.email}

    # projects

    def project(self, project_id: int) -> Project:
        """Raises StudioLacks if there is none, ProjectError if its label config does not fit."""
        found = self._read(f"project {project_id}", lambda: self._sdk.projects.get(project_id))
        return read_project(found)

    def create_project(self, title: str, config: str, instruction: str, **settings: Any) -> Project:
        """Make a project that shows its instruction and serves tasks in order of import."""
        parse_schema(config)
        body = {"show_instruction": True, "sampling": "Sequential sampling", **settings}
        made = self._ask(
            f"the new project {title!r}",
            lambda: self._sdk.projects.create(
                title=title, label_config=config, expert_instruction=instruction, **body
            ),
        )
        return self.project(int(made.id or 0))

    def update_project(self, project_id: int, **settings: Any) -> Project:
        """Change settings by Label Studio's own names, such as show_collab_predictions."""
        self._ask(
            f"project {project_id}", lambda: self._sdk.projects.update(project_id, **settings)
        )
        return self.project(project_id)

    def set_model_version(self, project_id: int, version: str) -> None:
        """Choose the predictions that experts see: a version that has some, or a backend's title.

        Raises StudioError where there are none yet: import predictions first.
        """
        self._ask(
            f"model version {version!r} of project {project_id} (import its predictions first)",
            lambda: self._sdk.projects.update(project_id, model_version=version),
        )

    # tasks

    def tasks(
        self,
        project_id: int,
        schema: Schema | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Task]:
        """All tasks by id, with annotations (skips too, drafts not) and predictions.

        progress: called with (read, total) after each page. The pages go by id, not by number,
        so tasks deleted meanwhile make no other task disappear.
        """
        schema = schema or self.project(project_id).schema
        emails = self.people()
        tasks: list[Task] = []
        while True:
            bodies, left = self._page(project_id, tasks[-1].id if tasks else 0)
            tasks += [read_task(body, schema, emails) for body in bodies]
            if progress:
                progress(len(tasks), len(tasks) + left)
            if not left:
                return tasks

    def task(self, task_id: int, schema: Schema) -> Task:
        """One task. Reading it is opening it: a connected backend is asked for a prediction."""
        body = self._read(f"task {task_id}", lambda: self._sdk.tasks.get(str(task_id)))
        return read_task(body.model_dump(), schema, self.people())

    def import_tasks(self, project_id: int, tasks: Sequence[Json]) -> list[int]:
        """Add tasks {"data", "meta"?, "predictions"?, "overlap"?}; returns their ids in order.

        Not repeated on failure: after StudioDown some may be in, so look before trying again.
        """
        ids: list[int] = []
        for alone, run in groupby(tasks, key=lambda task: task.get("overlap", 1) != 1):
            if alone:
                ids += [self._create_task(project_id, task) for task in run]
            else:
                ids += self._import_run(project_id, list(run))
        return ids

    def set_overlap(self, task_id: int, overlap: int) -> None:
        """Ask so many experts about this task, also if it counted as done before."""
        what = f"task {task_id}"
        task: Any = self._ask(what, lambda: self._sdk.tasks.update(str(task_id), overlap=overlap))
        done = (task.total_annotations or 0) >= overlap
        if bool(task.is_labeled) != done:
            self._ask(what, lambda: self._sdk.tasks.update(str(task_id), is_labeled=done))

    def set_meta(self, task_id: int, meta: Json) -> None:
        """Replace the task's whole meta; its data, overlap and annotations stay."""
        self._ask(f"task {task_id}", lambda: self._sdk.tasks.update(str(task_id), meta=meta))

    def delete_tasks(self, project_id: int, ids: Iterable[int]) -> None:
        """Delete these tasks with all that was said of them. Deleting the last removes all tabs."""
        included = sorted(set(ids))
        if included:
            chosen = {"all": False, "included": included}
            self._action("delete_tasks", project_id, {"selectedItems": chosen})

    def next_task(self, project_id: int, schema: Schema) -> Task | None:
        """What the token's user would be given to label now; None when nothing is left.

        The task is locked for that user. A connected backend may be asked for a prediction.
        """
        try:
            body = self._action("next_task", project_id, {})
        except ProjectError as error:
            if "There are no tasks" in str(error):
                return None
            raise
        return read_task(body, schema, {})

    def annotate(self, task_id: int, label: str | None, schema: Schema) -> int:
        """Label (None: skip) a task as the token's user; returns the annotation's id."""
        made = self._ask(
            f"the annotation of task {task_id}",
            lambda: self._sdk.annotations.create(
                task_id,
                result=result(schema, label) if label is not None else [],
                was_cancelled=label is None,
            ),
        )
        return int(made.id or 0)

    # predictions

    def import_predictions(self, project_id: int, predictions: Sequence[Json]) -> int:
        """Add {"task": id, **prediction(...)}; returns how many. Earlier ones stay beside them.

        Raises StudioError when Label Studio took fewer than were sent.
        """
        taken = 0
        for start in range(0, len(predictions), IMPORT_CHUNK):
            chunk: Any = predictions[start : start + IMPORT_CHUNK]
            answer = self._ask(
                f"predictions for project {project_id}",
                lambda chunk=chunk: self._sdk.projects.import_predictions(  # type: ignore[misc]
                    project_id, request=chunk
                ),
            )
            taken += answer.created or 0
        if taken != len(predictions):
            raise StudioError(
                f"Label Studio took {taken} of {len(predictions)} predictions for project "
                f"{project_id}: their labels do not fit the label config. Run the round again "
                "with the present config."
            )
        return taken

    # tabs

    def tabs(self, project_id: int) -> tuple[str, ...]:
        """Names of the Data Manager's tabs."""
        views = self._read(
            f"the tabs of project {project_id}", lambda: self._sdk.views.list(project=project_id)
        )
        return tuple(str((view.data or {}).get("title", "")) for view in views)

    def create_tab(self, project_id: int, title: str, round: int) -> int:
        """A tab with the tasks whose data.crux_round is `round`, by data.crux_order."""
        columns = ("tasks:data.crux_round", "tasks:data.crux_order")
        data: Any = {
            "title": title,
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": f"filter:{columns[0]}",
                        "operator": "equal",
                        "type": "Number",
                        "value": round,
                    }
                ],
            },
            "ordering": [columns[1]],
            # Without the display type Label Studio sorts as text: 10 before 2.
            "columnsDisplayType": dict.fromkeys(columns, "Number"),
            # What is left fits a screen: progress, who answered, the model's answer, the text.
            "hiddenColumns": {
                "explore": [f"tasks:{name}" for name in TAB_HIDES],
                "labeling": [f"tasks:{name}" for name in (*TAB_HIDES, *LABELING_HIDES)],
            },
        }
        made = self._ask(
            f"the tab {title!r}", lambda: self._sdk.views.create(project=project_id, data=data)
        )
        return int(made.id or 0)

    # webhooks and backends

    def webhooks(self, project_id: int) -> list[Webhook]:
        """The project's webhooks."""
        found = self._read(
            f"the webhooks of project {project_id}",
            lambda: self._sdk.webhooks.list(project=str(project_id)),
        )
        return [read_webhook(hook) for hook in found]

    def create_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        """Tell `url` about annotations and changes of the project; returns the webhook's id.

        Raises StudioRefused, naming the switches, where Label Studio blocks local addresses.
        """
        actions: Any = HOOK_ACTIONS
        made = self._ask(
            f"the webhook {url}",
            lambda: self._sdk.webhooks.create(
                url=url,
                project=project_id,
                headers=dict(headers),
                actions=actions,
                send_for_all_actions=False,
                send_payload=True,
            ),
        )
        return int(made.id or 0)

    def delete_webhook(self, webhook_id: int) -> None:
        """Remove a webhook; one of a backend outlives its backend."""
        self._ask(f"webhook {webhook_id}", lambda: self._sdk.webhooks.delete(webhook_id))

    def backends(self, project_id: int) -> list[Backend]:
        """Connected backends; Label Studio asks each for /health and /setup first."""
        found = self._read(
            f"the ML backends of project {project_id}",
            lambda: self._sdk.ml.list(project=project_id),
        )
        return [read_backend(backend) for backend in found]

    def connect_backend(
        self, project_id: int, url: str, title: str, basic_auth: tuple[str, str] | None = None
    ) -> Backend:
        """Connect a backend, or bring the one of this URL up to date.

        Raises StudioRefused where Label Studio blocks local addresses, and names the switch.
        With only ML_BLOCK_LOCAL_IP=false it refuses and stays connected all the same, without
        the webhook that it makes for a new backend: the message says so.
        """
        user, password = basic_auth or (None, None)
        body: Json = {"project": project_id, "url": url, "title": title}
        if basic_auth:
            body |= {"auth_method": "BASIC_AUTH"}
            body |= {"basic_auth_user": user, "basic_auth_pass": password}
        known = next((b for b in self.backends(project_id) if b.url == url), None)
        what = f"the ML backend {url}"
        if known:
            return read_backend(self._ask(what, lambda: self._sdk.ml.update(known.id, **body)))
        try:
            return read_backend(self._ask(what, lambda: self._sdk.ml.create(**body)))
        except StudioRefused:
            if all(backend.url != url for backend in self.backends(project_id)):
                raise
        raise StudioRefused(
            f"Label Studio at {self.url} connected {what} but blocks its webhook, so predictions "
            "would come and no training would ever start: start Label Studio with "
            "SSRF_PROTECTION_ENABLED=false in its environment, and connect again."
        )

    def disconnect_backend(self, backend_id: int) -> None:
        """Disconnect a backend. Its webhook stays."""
        self._ask(f"ML backend {backend_id}", lambda: self._sdk.ml.delete(backend_id))

    def train_backend(self, backend_id: int) -> None:
        """What the Start Training button does."""
        self._ask(f"ML backend {backend_id}", lambda: self._sdk.ml.train(backend_id))

    # tasks, piece by piece

    def _page(self, project_id: int, after: int) -> tuple[list[Json], int]:
        """(tasks with an id above `after`, how many more there are)."""
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

    def _create_task(self, project_id: int, task: Json) -> int:
        if task.get("predictions"):
            raise ValueError("a task with an overlap of its own cannot bring predictions")
        made = self._ask(
            f"a task of project {project_id}",
            lambda: self._sdk.tasks.create(
                project=project_id,
                data=task["data"],
                meta=task.get("meta", {}),
                overlap=task["overlap"],
            ),
        )
        return int(made.id or 0)

    def _import_run(self, project_id: int, tasks: list[Json]) -> list[int]:
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
