"""One project of a Stage: its tasks, its experts' answers, and what Crux does with them.

What Label Studio holds is read from it directly, without any code of Crux, so that a verdict that
Crux loses or counts twice is noticed.
"""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from selection.card import Card
from selection.push import tab_title
from selection.record import Record
from tests.faults.waiting import wait_for

if TYPE_CHECKING:
    from tests.faults.stage import Stage

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '{}</Choices></View>'
)
TRUTH = {"green": "yes", "red": "no"}
# Tasks of a round. Two experts answer a blind task; an open task has no card.
TRAIN, BLIND, OPEN = 6, 3, 2


def config(*labels: str) -> str:
    """Return a label config with these choices."""
    return CONFIG.format("".join(f'<Choice value="{label}"/>' for label in labels))


@dataclass
class Work:
    """One project: its tasks, its experts' answers, and what Crux does with them."""

    stage: "Stage"
    id: int

    # Label Studio

    def push(self, round: int, tab: bool = True) -> None:
        """Import a round that all experts have answered, and open tasks beside it.

        All blind items get the same answer: kappa is undefined, so no version is refused. A trained
        one would stay in force then, so the prompted one is in force again before a later round.
        """
        if round:
            known = self.stage.registry.versions(self.id)
            start = next(one.version for one in known if one.kind == "prompted")
            self.stage.registry.promote(self.id, start)
        admin, second = self.stage.admin, self.stage.second
        tasks = []
        for i in range(TRAIN + BLIND):
            blind = i >= TRAIN
            name = f"{round}-{i}"
            card = Card(
                name, round, i, "audit" if blind else "train", name, 0.5 if blind else None,
                2 if blind else 1, "v", {"yes": 0.5, "no": 0.5}, "why", 0, 0.25,
            )  # fmt: skip
            colour = "green" if blind else ("green", "red")[i % 2]
            experts = (admin, second)[: card.experts]
            tasks.append({
                "data": {"text": f"{colour} {'x' * i} {round}"}, "meta": card.as_meta(),
                "annotations": [_said(TRUTH[colour], by) for by in experts],
            })  # fmt: skip
        tasks += [{"data": {"text": f"open {'y' * i} {round}"}} for i in range(OPEN)]
        self._import(tasks, TRAIN + 2 * BLIND)
        if tab:
            self.stage.studio.create_tab(self.id, tab_title(round), round)

    def _import(self, tasks: list[dict[str, object]], answers: int) -> None:
        """Import tasks with so many answers.

        Where SQLite was locked, Label Studio 1.23.2 tries again after three seconds with tasks from
        which it has taken the answers already (tasks/serializers.py), and reports none.
        """
        studio, schema = self.stage.studio, self.stage.studio.project(self.id).schema
        last = max((task.id for task in studio.tasks(self.id, schema)), default=0)
        for _ in range(3):
            said = self.stage.api.post(f"/api/projects/{self.id}/import", json=tasks)
            if said.json()["annotation_count"] == answers:
                return
            bare = studio.tasks(self.id, schema, after=last)
            studio.delete_tasks(self.id, [task.id for task in bare])
        raise AssertionError(said.text)

    def configure(self, *labels: str) -> None:
        """Change the project's label config, as its settings page does."""
        answer = self.stage.api.patch(
            f"/api/projects/{self.id}/", json={"label_config": config(*labels)}
        )
        assert answer.status_code == 200, answer.text

    def annotate(self, task: int, label: str, by: int) -> None:
        """Add an answer, as a click on Submit does."""
        stage = self.stage
        token = stage.second_token if by == stage.second else stage.server.admin.token
        answer = stage.api.post(
            f"/api/tasks/{task}/annotations/", json={**_said(label, by), "lead_time": 3.0},
            headers={"Authorization": f"Token {token}"},
        )
        assert answer.status_code == 201, answer.text

    def tasks(self) -> list[dict[str, Any]]:
        """Return all tasks as Label Studio has them."""
        answer = self.stage.api.get(
            "/api/tasks/",
            params={"project": self.id, "fields": "all", "page_size": 2_000, "resolve_uri": False},
        )
        found: list[dict[str, Any]] = answer.json()["tasks"]
        return found

    def verdicts(self) -> int:
        """Count the answered (task, expert) pairs in Label Studio's own export."""
        answer = self.stage.api.get(
            f"/api/projects/{self.id}/export",
            params={"exportType": "JSON", "download_all_tasks": "true"},
        )
        return len({
            (task["id"], said["completed_by"])
            for task in answer.json() if (task.get("meta") or {}).get("crux")
            for said in task["annotations"] if said["result"] and not said["was_cancelled"]
        })  # fmt: skip

    # Crux

    def webhook(self, action: str = "ANNOTATION_CREATED") -> int:
        """Send what Label Studio sends. Return the status of the answer."""
        body = {"action": action, "project": {"id": self.id}, "annotation": {"id": 1}}
        return self.stage.backend.post("/webhook", json=body).status_code

    def start_training(self) -> int:
        """Press Start Training, for which the worker gathers no events."""
        return self.webhook("START_TRAINING")

    def seen(self) -> dict[str, Any]:
        """Return what the backend says about the project."""
        answer = self.stage.backend.get(f"/projects/{self.id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def answers(self) -> str:
        """Return the version that answers a text now."""
        answer = self.stage.backend.post(
            "/score", json={"project": self.id, "texts": ["a green one", "a red one"]}
        )
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["probabilities"]) == 2
        return str(answer.json()["model_version"])

    def labels(self) -> list[str]:
        """Return the labels with which a text is answered now."""
        body = {"project": self.id, "texts": ["a green one"]}
        labels: list[str] = self.stage.backend.post("/score", json=body).json()["labels"]
        return labels

    def settled(self, round: int, labels: int | None = None) -> Record:
        """Wait for the settled record of a round (with so many training labels) and return it."""

        def found() -> Record | None:
            return next(
                (
                    record
                    for record in self.stage.registry.records(self.id)
                    if record.round == round and record.settled
                    and labels in (None, record.labels)
                ),
                None,
            )  # fmt: skip

        record: Record = wait_for(found, f"round {round} of project {self.id}")
        wait_for(lambda: self.seen()["training"]["state"] == "idle", "an idle worker")
        return record

    def state(self) -> tuple[str, str]:
        """Return the worker's state and its message, from the file."""
        told = self.stage.registry.training(self.id)
        return told.state, told.message

    def check(self, round: int) -> Record:
        """Assert that nothing is lost or counted twice and that the version of the round serves.

        Compares the record with Label Studio's own annotations, and checks the predictions of
        every task.
        """
        record = self.settled(round)
        assert record.labels_bought == self.verdicts()
        assert record.labels == (round + 1) * TRAIN
        version = record.version
        assert self.stage.registry.current(self.id) == version
        assert self.answers() == version
        assert self.seen()["current"] == version
        for task in self.tasks():
            predicted = Counter(p["model_version"] for p in task["predictions"])
            assert set(predicted.values()) <= {1}, f"task {task['id']} has {predicted}"
            card = task["meta"].get("crux") if task["meta"] else None
            if card is None:
                assert predicted[version] == 1, f"task {task['id']} lacks {version}"
            else:
                assert not predicted
        project = self.stage.api.get(f"/api/projects/{self.id}/").json()
        assert project["model_version"] == version
        return record


def _said(label: str, by: int) -> dict[str, Any]:
    return {
        "completed_by": by,
        "result": [
            {
                "from_name": "verdict", "to_name": "text", "type": "choices",
                "value": {"choices": [label]},
            }
        ],
    }  # fmt: skip
