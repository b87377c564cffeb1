"""A backend and its worker with a real Label Studio and a tiny real model, for tests to break."""

import os
import signal
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
from selection.http import SECRET_HEADER
from selection.studio.api import Studio
from tests.faults.forkserver import Nursery
from tests.faults.proxy import Proxy
from tests.faults.waiting import wait_for
from tests.faults.work import Work, config

HOLD = Path(__file__).parent / "hold"
PATIENCE = 300.0  # seconds for an answer on a busy machine
SECRET = "a-secret-of-the-faults"
TINY = {"CRUX_EPOCHS": "1", "CRUX_RESAMPLES": "100", "CRUX_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass
class Stage:
    """One home with its processes. second: id of the second expert (the first is the admin)."""

    root: Path
    server: Server
    second: int
    second_token: str
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
            "CRUX_FAULTS": str(self.root), **TINY,
            "CRUX_COUNT_IMPORTED": "true",  # a round is imported with its answers, which is fast
            **self.settings,
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

    def project(self, title: str = "faults") -> Work:
        """Make a project of Label Studio without tasks."""
        made = self.studio.create_project(
            title, config("yes", "no"), "green is yes, everything red is no"
        )
        return Work(self, made.id)


def _wait_for_end(process: Process) -> None:
    """Wait until no thread is left: only then are the locks of the process free."""
    left = Path(f"/proc/{process.pid}")
    wait_for(lambda: not process.alive and not left.exists(), "the end of a killed process")
