"""A model server in a process of its own: started, killed, and started again on its port."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from demo.processes import HOST, Process, free_port, running, start_process, stop, wait_until
from demo.services import ALLOCATOR


class ModelServer:
    """What llama.cpp's server and vLLM have in common. url: without a path.

    name: in messages. folder: of its log and its pid. patience: seconds that its start may take.
    """

    def __init__(self, name: str, folder: Path, patience: float) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.log = folder / "server.log"
        self._pid_file = folder / "server.pid"
        self._patience = patience
        self._argv: Sequence[str] = ()
        self._env: Mapping[str, str] = {}

    def start(self) -> Process:
        """Start it, and return when it answers. Raises CruxError if it does not in time."""
        usual = {k: v for k, v in os.environ.items() if k not in ALLOCATOR}  # as people start it
        env = {**usual, **self._env}
        process = start_process(self.name, self._argv, env, self.log, self._pid_file)
        wait_until(process, self._healthy, self._patience)
        return process

    def kill(self) -> None:
        """End it as a loss of power would."""
        process = running(self._pid_file)
        assert process is not None, "it does not run"
        os.killpg(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)

    def stop(self) -> None:
        stop(self._pid_file)

    def _healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return False
