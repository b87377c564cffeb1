"""Processes that outlive the command that started them, and that no other command ends.

A pid file says which process is ours: its number and the moment it started. A process that is
given the same number later is never touched.
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
    """Return a port that nobody else gets while this process lives.

    A socket stays bound to it without listening. The system then gives the port to nobody who
    asks for any port, but lets a server with SO_REUSEADDR or SO_REUSEPORT (all that are started
    here) listen on it, end, and listen again. Until then connections are refused.
    """
    return _held(0)


def free_port_from(first: int) -> int:
    """Return the first port from `first` on that is free, and hold it as free_port does."""
    for port in range(first, first + 100):
        try:
            return _held(port)
        except OSError:
            continue  # somebody listens on it, or holds it as we do
    raise SettingError(f"None of the ports {first} to {first + 99} is free.")


def _held(port: int) -> int:
    """Bind a socket to the port, 0 for any, that lets nothing but a server in beside it."""
    with socket.socket() as holder:
        holder.bind((HOST, port))  # without the options, so that two holders exclude each other
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            holder.setsockopt(socket.SOL_SOCKET, option, 1)
        chosen = int(holder.getsockname()[1])
        holder.detach()  # or the socket would be closed here
        return chosen


def port_taken(port: int) -> bool:
    """Return whether something answers on this port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@dataclass(frozen=True)
class Process:
    """A process that we started. started: the moment it began, as the system states it."""

    name: str
    pid: int
    started: str
    log: Path
    pid_file: Path

    @property
    def alive(self) -> bool:
        """Whether this very process runs, not a later one with the same number."""
        _reap(self.pid)
        return _started(self.pid) == self.started

    def end_of_log(self, lines: int = 12) -> str:
        """Return the end of its log, for a message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


def start_process(
    name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, pid_file: Path
) -> Process:
    """Start a program in a session of its own and append its output to `log`.

    env: its whole environment. Raises SettingError if the program is missing, CruxError if the
    process of this pid file still runs.
    """
    if (there := running(pid_file)) is not None:
        raise CruxError(
            f"{there.name} is already running (process {there.pid}); `make down` stops it."
        )
    for path in (log, pid_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    out, append = os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        # Not subprocess.Popen, which warns when a process outlives its object: here that is wanted.
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
    """Return the process of this pid file if it still runs."""
    try:
        body = json.loads(pid_file.read_text())
        process = Process(body["name"], body["pid"], body["started"], Path(body["log"]), pid_file)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return process if process.alive else None


def stop(pid_file: Path, patience: float = 15.0) -> bool:
    """Stop the process of this pid file and its children. Return whether there was one.

    A process that has not ended `patience` seconds after SIGTERM is killed. A process that is not
    certainly ours is left alone. The pid file is removed in every case.
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
    """Return when ready() is true. Raises CruxError with the log's end if it ends or is too slow.

    say: called every five seconds while it is starting.
    """
    begun = told = time.monotonic()
    while not ready():
        now = time.monotonic()
        if not process.alive:
            raise CruxError(f"{process.name} ended while it was starting:\n{process.end_of_log()}")
        if now - begun > timeout:
            raise CruxError(
                f"{process.name} is not ready after {timeout:.0f} s; its log is {process.log}:\n"
                f"{process.end_of_log()}"
            )
        if say and now - told > 5:
            told = now
            say(f"{process.name} is starting ({now - begun:.0f} s)")
        time.sleep(0.2)


def _started(pid: int) -> str:
    """Return when the process of this number began; "" if there is none, or a zombie."""
    if not Path("/proc/self/stat").exists():
        asked = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return asked.stdout.strip()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # The name is in brackets and may contain blanks and brackets; state and start time follow it.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else f"{fields[19]} ticks after boot"


def _reap(pid: int) -> None:
    """Collect the exit status if it was a child of ours, so that no zombie stays."""
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
