"""Label Studio, the backend and its worker on this machine: `make up`, `make down`.

Everything that belongs to them is below build/demo. Their ports, passwords and tokens are chosen
at the first start, for ever, and stand in build/demo/state.json, readable by its owner alone.
"""

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

from demo.servers import (
    HOST,
    Admin,
    clean_environment,
    create_expert,
    free_port_from,
    port_taken,
    running,
    start_label_studio,
    start_process,
    stop,
    wait_until,
)
from selection.errors import SettingError
from selection.http import SECRET_HEADER

ROOT = Path("build/demo")
STUDIO_PORT, BACKEND_PORT = 8080, 9090  # where both are without any settings
EXPERTS = ("anna@crux.example", "ben@crux.example")
# glibc's malloc, as the Dockerfile sets it: few threads keep freed memory of their own, and what is
# freed stays in the process, which would else get it back page by page at each batch
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}
PASSED_ON = (
    "CRUX_LLM", "CRUX_THREADS", "CRUX_DTYPE", "CRUX_MAX_TOKENS", "CRUX_EPOCHS",
    "CRUX_LEARNING_RATE", "CRUX_RANK", "HF_HOME", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


@dataclass(frozen=True)
class State:
    """Addresses and secrets of one installation."""

    studio_port: int
    backend_port: int
    email: str
    password: str
    token: str
    secret: str

    @property
    def studio_url(self) -> str:
        return f"http://{HOST}:{self.studio_port}"

    @property
    def backend_url(self) -> str:
        return f"http://{HOST}:{self.backend_port}"


@dataclass(frozen=True)
class Services:
    """The processes of one folder. settings: more environment variables of backend and worker."""

    root: Path = ROOT
    label_studio: Path = Path("build/label-studio/bin/label-studio")
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """What is there, or made anew: the usual ports or the next free ones, random secrets."""
        file = self.root / "state.json"
        if file.is_file():
            return State(**json.loads(file.read_text()))
        state = State(
            *(free_port_from(STUDIO_PORT), free_port_from(BACKEND_PORT), "admin@crux.example"),
            *(secrets.token_urlsafe(12), secrets.token_hex(20), secrets.token_urlsafe(24)),
        )  # fmt: skip
        self.keep(state)
        return state

    def keep(self, state: State) -> None:
        """Write the state for its owner alone."""
        self.root.mkdir(parents=True, exist_ok=True)
        file = self.root / "state.json"
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump(asdict(state), out)

    def pid(self, name: str) -> Path:
        """The pid file of a process."""
        return self.root / f"{name}.pid"

    def up(self) -> State:
        """Start what does not run. Raises CruxError if something does not start."""
        state = self.state
        self._check_ports(state)
        if running(self.pid("label-studio")) is None:
            print("-- starting Label Studio (about a minute the first time)", flush=True)
            admin = Admin(state.email, state.password, state.token)
            start_label_studio(
                self.root / "label-studio", self.label_studio, state.studio_port, admin,
                self.root / "label-studio.log", self.pid("label-studio"), say=_say,
            )  # fmt: skip
        self.start_backend(state)
        self.start_worker(state)
        return state

    def start_backend(self, state: State) -> None:
        """Start gunicorn if it does not run, and wait for /health."""
        if running(self.pid("backend")) is not None:
            return
        print("-- starting the backend", flush=True)
        argv = [
            *(sys.executable, "-m", "gunicorn", "-c", "python:backend.server"), "--bind",
            f"{HOST}:{state.backend_port}",
        ]  # fmt: skip
        process = start_process(
            "backend", argv, self._environment(state), self.root / "backend.log",
            self.pid("backend"),
        )  # fmt: skip
        wait_until(process, lambda: _healthy(state), 300.0, _say)

    def start_worker(self, state: State) -> None:
        """Start the worker if it does not run."""
        if running(self.pid("worker")) is not None:
            return
        print("-- starting the worker", flush=True)
        argv = [sys.executable, "-m", "backend.worker"]
        start_process(
            "worker", argv, self._environment(state), self.root / "worker.log", self.pid("worker")
        )

    def down(self) -> list[str]:
        """End what runs; the names of what was ended."""
        return [n for n in ("worker", "backend", "label-studio") if stop(self.pid(n))]

    def expert(self, state: State, email: str) -> str:
        """The token of an expert's account, made at the first call."""
        return create_expert(state.studio_url, state.token, email, state.password)

    def _check_ports(self, state: State) -> None:
        """Raises SettingError if something else has a port of ours: what people have names it."""
        for name, key, port in (
            ("label-studio", "studio_port", state.studio_port),
            ("backend", "backend_port", state.backend_port),
        ):
            if running(self.pid(name)) is None and port_taken(port):
                raise SettingError(
                    f"Port {port} is taken by another program. {name} has had it since its first "
                    f"start: bookmarks, crux.toml and connected projects name it. End that "
                    f"program, or change {key} in {self.root / 'state.json'}, repeat this command, "
                    f"and run `crux connect` again for every project."
                )

    def _environment(self, state: State) -> dict[str, str]:
        own = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        given = {
            **ALLOCATOR,
            "HOME": str(Path.home()),
            "CRUX_STUDIO_URL": state.studio_url,
            "CRUX_STUDIO_TOKEN": state.token,
            "CRUX_WEBHOOK_SECRET": state.secret,
            "CRUX_HOME": str((self.root / "backend").resolve()),
        }
        return clean_environment(**{**given, **own, **self.settings})


def _healthy(state: State) -> bool:
    try:
        headers = {SECRET_HEADER: state.secret}
        return httpx.get(f"{state.backend_url}/health", headers=headers, timeout=2.0).is_success
    except httpx.TransportError:
        return False


def _say(message: str) -> None:
    print(f"   {message}", flush=True)
