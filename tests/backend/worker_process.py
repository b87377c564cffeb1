"""A real worker process around a training that is a line in a file and a version.

    python -m tests.backend.worker_process HOME URL NAME SECONDS
"""

import logging
import sys
import time
from pathlib import Path

from backend.config import BackendSettings
from backend.versions.registry import make_registry
from backend.worker import Worker
from tests.backend.versions.test_registry import TRAINED, put


class Training:
    """Notes what it was asked for in HOME/asked, works for SECONDS, and promotes a version."""

    def __init__(self, settings: BackendSettings, name: str, seconds: float) -> None:
        self.registry = make_registry(settings)
        self.notes = settings.home / "asked"
        self.name, self.seconds = name, seconds

    def run(self, project: int, forced: bool = False, only_if_changed: bool = False) -> None:
        with self.notes.open("a") as file:
            file.write(f"{project} {forced}\n")
        if forced:
            time.sleep(self.seconds)
            put(self.registry, TRAINED, self.name.encode())
            self.registry.promote(project, TRAINED.version)


def main(home: str, url: str, name: str, seconds: str) -> None:
    logging.basicConfig(level=logging.INFO)
    settings = BackendSettings(home=Path(home), queue_url=url)  # type: ignore[arg-type]
    training = Training(settings, name, float(seconds))
    worker = Worker(settings, training)  # type: ignore[arg-type]
    training.registry = worker.registry  # which asks the lease before it changes anything
    worker.work()


if __name__ == "__main__":
    main(*sys.argv[1:])
