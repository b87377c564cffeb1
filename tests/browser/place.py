"""A project with a backend, its worker and a round in the queue, and people to label it."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from backend.config import BackendSettings
from backend.versions.registry import make_registry
from demo.config import write_config
from demo.servers import Server, free_port
from demo.services import Services, State
from selection.backend_client import BackendClient
from selection.collect import Collected, collect
from selection.pool_sample import PoolSample
from selection.record import Record
from selection.second import LEAST, asks_all
from selection.studio.api import Project, Studio, Task
from tests.backend.engine.tiny_model import tiny_model
from tests.browser.headlines import CONFIG, HEADLINES, POLICY

CRUX = str(Path(sys.executable).parent / "crux")
# Small; pre-annotations are shown from the start, for the third person's sake. Three in ten chosen
# texts are blind, so that the boundary has a kappa.
ROUND = {
    "per_round": 12, "audit_per_round": 8, "read_limit": 80,
    "max_rounds": 2, "audit_reserve": 0.3, "preannotate_above": -1, "blind_share": 0.3,
}  # fmt: skip
# Ids of texts about which two people are asked, should they be audited, in every round.
IDS = tuple(islice((str(i) for i in count() if asks_all(str(i), LEAST)), len(HEADLINES)))


@dataclass(frozen=True)
class Place:
    """One project and all that belongs to it."""

    state: State
    studio: Studio
    backend: BackendClient
    project: Project
    config: Path

    def crux(self, *argv: str) -> str:
        """Run the command and return what it printed."""
        done = subprocess.run(
            [CRUX, *argv, "--config", str(self.config)],
            capture_output=True, text=True, timeout=300, check=False, cwd=self.config.parent,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """Return what `crux status` tells programs."""
        return dict(json.loads(self.crux("status", "--json")))

    def tasks(self) -> list[Task]:
        """Return all tasks as Crux reads them."""
        return self.studio.tasks(self.project.id, self.project.schema)

    def collected(self) -> Collected:
        """Return what Crux makes of them."""
        return collect(self.tasks(), self.project.schema)

    def sample(self) -> PoolSample:
        """Return the texts of the pool that the newest version has read besides."""
        settings = BackendSettings(home=self.config.parent / "backend")
        return make_registry(settings).sample(self.project.id)

    def missing(self) -> int:
        """Return how many verdicts the newest round waits for."""
        found = self.collected()
        return found.waiting(found.last_round)

    def measured(self, round: int) -> Record | None:
        """Return the record of a round, once it rests on all verdicts and is published."""
        verdicts = self.collected().digest
        for one in self.backend.project(self.project.id).rounds:
            if (one.round, one.verdicts) == (round, verdicts) and one.complete and one.settled:
                return one
        return None


def wait_for(ready: Callable[[], object], seconds: float = 300.0) -> None:
    """Ask every half second. Raises AssertionError when the time is over."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, f"not ready after {seconds} s"
        time.sleep(0.5)


@contextmanager
def place(label_studio: Server, root: Path, title: str) -> Iterator[Place]:
    """Start a backend and a worker, connect a new project, push its first round."""
    settings = {"CRUX_LLM": tiny_model(root / "llm"), "CRUX_EPOCHS": "4", "CRUX_RESAMPLES": "200"}
    services = Services(root, settings=settings)
    admin = label_studio.admin
    port = int(label_studio.url.rsplit(":", 1)[1])
    state = State(port, free_port(), admin.email, admin.password, admin.token, "a-test-secret")
    services.keep(state)
    try:
        services.start_backend(state)
        services.start_worker(state)
        studio = Studio(label_studio.url, admin.token)
        project = studio.create_project(title, CONFIG, POLICY)
        backend = BackendClient(state.backend_url, state.secret)
        with (root / "pool.csv").open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([("id", "text"), *zip(IDS, HEADLINES, strict=True)])
        config = write_config(root, state, project.id, pool=str(root / "pool.csv"), **ROUND)
        found = Place(state, studio, backend, project, config)
        found.crux("connect")
        found.crux("round")
        yield found
    finally:
        services.down()
