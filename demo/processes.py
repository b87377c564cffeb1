"""Processes that outlive the command that started them, and are ended by nobody else.

A pid file says which process is ours: its number and the moment it started, so that a process
that was given the same number later is never touched.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selection.errors import CruxError, SettingError

HOST = "127.0.0.1"
Say = Callable[[str], None]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def port_taken(port: int) -> bool:
    """Does something answer on this port of this machine?"""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass(frozen=True)
class Process:
    """A process that we started. started: what the system says of the moment it began."""

    name: str
    pid: int
    started: str
    log: Path
    pid_file: Path

    @property
    def alive(self) -> bool:
        """Is it still this process, and not a finished one or another of the same number?"""
        _bury(self.pid)
        return _started(self.pid) == self.started

    def last_words(self, lines: int = 12) -> str:
        """The end of its log, for a message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def start_process(
    name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, pid_file: Path
) -> Process:
    """Start a program in a session of its own, its output appended to `log`.

    env: its whole environment. Raises SettingError if the program is not there, CruxError if
    the process of this pid file still runs.
    """
    if (there := running(pid_file)) is not None:
        raise CruxError(f"{there.name} runs already (process {there.pid}); `make down` ends it.")
    for path in (log, pid_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    out, append = os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        # Not subprocess.Popen: it warns when a process outlives the object, which is the point.
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, out, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except FileNotFoundError as error:
        raise SettingError(f"{argv[0]} is missing; run `make install`.") from error
    process = Process(name, pid, _started(pid), log, pid_file)
    body = {"name": name, "pid": pid, "started": process.started, "log": str(log)}
    pid_file.write_text(json.dumps(body))
    return process


def running(pid_file: Path) -> Process | None:
    """The process of this pid file if it still runs."""
    try:
        body = json.loads(pid_file.read_text())
        process = Process(body["name"], body["pid"], body["started"], Path(body["log"]), pid_file)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return process if process.alive else None


def stop(pid_file: Path, patience: float = 15.0) -> bool:
    """End the process of this pid file and its children; True if there was one.

    Asks first; after `patience` seconds it is killed. Without a process that is certainly ours
    nothing is ended, and the pid file goes.
    """
    process = running(pid_file)
    if process is not None:
        for end in (signal.SIGTERM, signal.SIGKILL):
            _signal_group(process.pid, end)
            if _gone(process, patience):
                break
    pid_file.unlink(missing_ok=True)
    return process is not None


def wait_until(
    process: Process, ready: Callable[[], bool], timeout: float, say: Say | None = None
) -> None:
    """Return when ready() is true. Raises CruxError with the log's end if it dies or is too slow.

    say: told every five seconds that it still takes.
    """
    begun = told = time.monotonic()
    while not ready():
        now = time.monotonic()
        if not process.alive:
            raise CruxError(f"{process.name} ended at its start:\n{process.last_words()}")
        if now - begun > timeout:
            raise CruxError(
                f"{process.name} is not ready after {timeout:.0f} s; its log is {process.log}:\n"
                f"{process.last_words()}"
            )
        if say and now - told > 5:
            told = now
            say(f"{process.name} is starting ({now - begun:.0f} s)")
        time.sleep(0.2)


def _started(pid: int) -> str:
    """When the process of this number began; "" if there is none, or only its remains."""
    if not Path("/proc/self/stat").exists():
        asked = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name, in brackets, may hold blanks and brackets; behind it stand state and start time.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{fields[19]} ticks after boot"


def _bury(pid: int) -> None:
    """Collect the exit status if it was a child of ours, so that no remains stay."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _signal_group(pid: int, end: signal.Signals) -> None:
    try:
        os.killpg(pid, end)
    except ProcessLookupError:
        return


def _gone(process: Process, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not process.alive:
            return True
        time.sleep(0.1)
    return False
