"""A backend and its worker with a real Label Studio and a tiny real model, for tests to break.

What Label Studio holds is read from it directly, without any code of Crux, so that a verdict that
Crux loses or counts twice is noticed.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from backend.versions.registry import Registry
from demo.servers import Process, Server, free_port, running
from demo.services import Services, State
from selection.card import Card
from selection.http import SECRET_HEADER
from selection.push import tab_title
from selection.record import Record
from selection.studio.api import Studio
from tests.faults.forkserver import Nursery
from tests.faults.proxy import Proxy

HOLD = Path(__file__).parent / "hold"
PATIENCE = 300.0  # seconds for an answer on a busy machine
SECRET = "a-secret-of-the-faults"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '{}</Choices></View>'
)
TRUTH = {"green": "yes", "red": "no"}
# Tasks of a round. Two experts answer a blind task; an open task has no card.
TRAIN, BLIND, OPEN = 6, 3, 2
TINY = {"CRUX_EPOCHS": "1", "CRUX_RESAMPLES": "100", "CRUX_THREADS": "1", "OMP_NUM_THREADS": "1"}


def config(*labels: str) -> str:
    """Return a label config with these choices."""
    return CONFIG.format("".join(f'<Choice value="{label}"/>' for label in labels))


def wait_for(ready: Callable[[], object], what: str, seconds: float = 600.0) -> Any:
    """Return the first true answer. Raises AssertionError if there is none in so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s"
        time.sleep(0.03)
    return found


@dataclass
class Stage:
    """One home with its processes. second: id of the second expert (the first is the admin)."""

    root: Path
    server: Server
    second: int
    model: str
    nursery: Nursery | None
    settings: Mapping[str, str] = field(default_factory=dict)
    proxy: Proxy = field(init=False)

    def __post_init__(self) -> None:
        self.proxy = Proxy(self.server.url)
        self.root.mkdir(parents=True, exist_ok=True)
        admin = self.server.admin
        port = int(self.server.url.rsplit(":", 1)[1])
        state = State(port, free_port(), admin.email, admin.password, admin.token, SECRET)
        settings = {
            "CRUX_STUDIO_URL": self.proxy.url, "CRUX_LLM": self.model,
            "CRUX_FAULTS": str(self.root), **TINY, **self.settings,
        }  # fmt: skip
        self.services = Services(self.root, settings=settings)
        self.services.keep(state)
        self.state = state
        self.studio = Studio(self.server.url, admin.token)
        self.api = httpx.Client(
            base_url=self.server.url, headers={"Authorization": f"Token {admin.token}"},
            timeout=PATIENCE,
        )
        self.backend = self.quick(PATIENCE)

        who = self.api.get("/api/current-user/whoami")
        self.admin = int(who.json()["id"])

    # processes

    def start_backend(self, by_command: bool = False) -> None:
        """Start gunicorn as `make up` does, and return when it answers."""
        with self._quick(by_command):
            self.services.start_backend(self.state)

    def start_worker(self, by_command: bool = False) -> None:
        """Start the worker as `make up` does, except that it can be held."""
        held = {**self.services.settings, "PYTHONPATH": str(HOLD)}
        with self._quick(by_command):
            replace(self.services, settings=held).start_worker(self.state)

    def preload(self, library: Path) -> None:
        """Load the library into all processes that are started by a command from now on."""
        settings = {**self.services.settings, "LD_PRELOAD": str(library)}
        self.services = replace(self.services, settings=settings)

    def _quick(self, by_command: bool) -> AbstractContextManager[Any]:
        if by_command or self.nursery is None:
            return nullcontext()
        return patch("demo.services.start_process", self.nursery.start_process)

    def kill(self, *names: str) -> None:
        """Send SIGKILL to these process groups, one right after the other."""
        found = [process for name in names if (process := running(self.services.pid(name)))]
        assert len(found) == len(names)
        for process in found:
            os.killpg(process.pid, signal.SIGKILL)
        for process in found:
            _wait_for_end(process)

    def end(self) -> None:
        """Kill all that was started."""
        for name in ("worker", "backend"):
            if running(self.services.pid(name)):
                self.kill(name)
        self.proxy.close()
        self.api.close()
        self.backend.close()

    def quick(self, patience: float) -> httpx.Client:
        """Return a client of the backend that waits so many seconds for an answer."""
        return httpx.Client(
            base_url=self.state.backend_url, headers={SECRET_HEADER: SECRET}, timeout=patience,
            # gunicorn closes a connection that was idle for two seconds: do not reuse those
            limits=httpx.Limits(keepalive_expiry=1.0),
        )  # fmt: skip

    # holding the worker

    @contextmanager
    def hold(self, pattern: str) -> Iterator[Callable[[], None]]:
        """Stop the worker before the next write that matches; the yielded function waits for that.

        The worker continues at the end of the `with`, unless it was killed.
        """
        hold, held = self.root / "hold", self.root / "held"
        held.unlink(missing_ok=True)
        part = self.root / "hold.part"
        part.write_text(pattern)
        part.replace(hold)
        try:
            yield lambda: wait_for(held.exists, f"a worker held at {pattern!r}")
        finally:
            hold.unlink()

    # what the processes said

    def log(self, name: str) -> str:
        file = self.root / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def says(self, name: str, sentence: str) -> bool:
        return sentence in self.log(name)

    def check_logs(self) -> None:
        """Assert that no log holds a traceback or a secret."""
        for name in ("backend", "worker"):
            text = self.log(name)
            assert "Traceback" not in text, text[-4000:]
            assert SECRET not in text
            assert self.state.token not in text

    def queued(self) -> int:
        """Flags that are up, as the folder has them."""
        return len(list((self.home / "queue").iterdir()))

    @property
    def home(self) -> Path:
        return Path(self.services.settings.get("CRUX_HOME", str(self.root / "backend")))

    @property
    def registry(self) -> Registry:
        return Registry(self.home)

    def project(self, title: str = "faults") -> "Work":
        """Make a project of Label Studio without tasks."""
        made = self.studio.create_project(
            title, config("yes", "no"), "green is yes, everything red is no"
        )
        return Work(self, made.id)


@dataclass
class Work:
    """One project: its tasks, its experts' answers, and what Crux does with them."""

    stage: Stage
    id: int

    # Label Studio

    def push(self, round: int, tab: bool = True) -> None:
        """Import a round that all experts have answered, and open tasks beside it.

        All blind items get the same answer: kappa is undefined, so no version is refused.
        """
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
        answer = self.stage.api.post(f"/api/projects/{self.id}/import", json=tasks)
        assert answer.json()["annotation_count"] == TRAIN + 2 * BLIND, answer.text
        if tab:
            self.stage.studio.create_tab(self.id, tab_title(round), round)

    def configure(self, *labels: str) -> None:
        """Change the project's label config, as its settings page does."""
        answer = self.stage.api.patch(
            f"/api/projects/{self.id}/", json={"label_config": config(*labels)}
        )
        assert answer.status_code == 200, answer.text

    def annotate(self, task: int, label: str, by: int) -> None:
        """Add an answer, as a click on Submit does."""
        answer = self.stage.api.post(f"/api/tasks/{task}/annotations/", json=_said(label, by))
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


def _wait_for_end(process: Process) -> None:
    """Wait until no thread is left: only then are the locks of the process free."""
    left = Path(f"/proc/{process.pid}")
    wait_for(lambda: not process.alive and not left.exists(), "the end of a killed process")


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
