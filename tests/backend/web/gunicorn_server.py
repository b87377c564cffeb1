"""A real gunicorn in front of the fakes: `started(folder)`.

Its configuration is that of production. Instead of backend.server:application() it loads `app` of
this file, which has a Label Studio and a model in memory.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.processes import HOST, Process, free_port, start_process, stop, wait_until
from selection.http import SECRET_HEADER
from tests.backend.web.application import SECRET, TOKEN

ROOT = Path(__file__).parents[3]
PATIENCE = 300.0  # seconds for a start or an answer on a busy machine


@dataclass(frozen=True)
class Served:
    """A running server. http: a client that sends the secret."""

    url: str
    log: Path
    process: Process
    http: httpx.Client

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def resident(self) -> int:
        """Return the bytes of memory that its one worker holds."""
        (pid,) = self.workers()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def command(port: int, *more: str) -> list[str]:
    """Return the command of production, but for the app that it loads."""
    return [
        str(Path(sys.executable).parent / "gunicorn"), "-c", "python:backend.server",
        "--bind", f"{HOST}:{port}", *more, "tests.backend.web.gunicorn_server:app()",
    ]  # fmt: skip


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a server with this home. settings: names without CRUX_."""
    given = {"HOME": str(folder), "STUDIO_TOKEN": TOKEN, "WEBHOOK_SECRET": SECRET, "LLM": "tiny"}
    crux = {f"CRUX_{key}": value for key, value in {**given, **settings}.items()}
    path = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(folder)}
    return {**path, "MALLOC_ARENA_MAX": "2", **crux}


@contextmanager
def started(folder: Path, workers: int = 1, **settings: str) -> Iterator[Served]:
    """Run a server until the end of the block. workers: number of serving processes."""
    port, pid_file, log = free_port(), folder / "gunicorn.pid", folder / "gunicorn.log"
    url = f"http://{HOST}:{port}"
    process = start_process(
        "backend", command(port, "--workers", str(workers)), environment(folder, **settings), log,
        pid_file,
    )  # fmt: skip

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/health", timeout=5).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(process, ready, PATIENCE)
        with httpx.Client(base_url=url, headers={SECRET_HEADER: SECRET}, timeout=PATIENCE) as http:
            yield Served(url, log, process, http)
    finally:
        stop(pid_file)


def app() -> Any:
    """Return what gunicorn serves."""
    from backend import logs
    from backend.config import load
    from backend.web.app import create_app
    from backend.web.state import Process as Serving
    from tests.fakes import FakeScorer, FakeStudio

    settings = load()
    logs.configure(settings)

    class Forgetful(FakeScorer):
        """Keeps no record of what it was asked."""

        def score(self, *args: Any, **more: Any) -> Any:
            found = super().score(*args, **more)
            self.asked.clear()
            return found

    studio = FakeStudio()
    studio.calls = Nothing()
    return create_app(process=Serving(settings, studio, Forgetful))  # type: ignore[arg-type]


class Nothing(list[str]):
    """A list that stays empty, because a server may answer for hours."""

    def append(self, _: str) -> None:
        return
