import json
import os
import socket
import sys
from pathlib import Path

import pytest

from demo.processes import (
    HOST,
    Process,
    _started,
    free_port,
    free_port_from,
    port_taken,
    running,
    start_process,
    stop,
    wait_until,
)
from demo.servers import Admin, clean_environment, start_label_studio
from selection.errors import CruxError, SettingError

SLEEPER = "print('ready', flush=True); import time; time.sleep(600)"
PATIENCE = 120.0  # seconds; a busy machine takes long to start a process


def start(folder: Path, code: str, name: str = "Sleeper") -> Process:
    return start_process(
        name, [sys.executable, "-c", code], clean_environment(), folder / "log", folder / "pid"
    )


def wait_for(process: Process, word: str) -> None:
    wait_until(process, lambda: word in process.end_of_log(), PATIENCE)


def test_a_process_runs_until_it_is_stopped(tmp_path: Path) -> None:
    process = start(tmp_path, SLEEPER)
    wait_for(process, "ready")
    assert running(tmp_path / "pid") == process
    assert stop(tmp_path / "pid") is True
    assert not process.alive
    assert running(tmp_path / "pid") is None
    assert not (tmp_path / "pid").exists()
    assert stop(tmp_path / "pid") is False


def test_the_children_of_a_process_end_with_it(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print("child", child.pid, flush=True)
time.sleep(600)
"""
    process = start(tmp_path, code)
    wait_for(process, "child")
    wait_for(process, "ready")
    child = int(next(w for w in process.end_of_log().split() if w.isdigit()))
    assert os.getpgid(child) == process.pid
    stop(tmp_path / "pid")
    wait_until(this_process(), lambda: has_ended(child), PATIENCE)


def this_process() -> Process:
    return Process("this test", os.getpid(), _started(os.getpid()), Path(), Path())


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    process = start(tmp_path, stubborn)
    wait_for(process, "ready")
    assert stop(tmp_path / "pid", patience=0.3) is True
    assert not process.alive


def test_another_process_of_the_same_number_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path, SLEEPER)
    body = json.loads((tmp_path / "pid").read_text())
    stale = tmp_path / "stale"
    stale.write_text(json.dumps(body | {"started": "1 ticks after boot"}))
    assert stop(stale) is False
    assert process.alive
    assert not stale.exists()
    stop(tmp_path / "pid")


@pytest.mark.parametrize("content", ["", "17", "[]", '{"pid": 1}', "not json"])
def test_a_damaged_pid_file_stops_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "pid").write_text(content)
    assert stop(tmp_path / "pid") is False


def test_a_process_is_not_started_twice(tmp_path: Path) -> None:
    first = start(tmp_path, SLEEPER)
    says = f"Sleeper is already running .process {first.pid}.; `make down` stops it"
    with pytest.raises(CruxError, match=says):
        start(tmp_path, SLEEPER)
    stop(tmp_path / "pid")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"/no/such is missing; run `make install`\."):
        start_process("x", ["/no/such"], {}, tmp_path / "log", tmp_path / "pid")
    assert running(tmp_path / "pid") is None


def test_the_log_of_a_process_that_ends_while_starting_is_shown(tmp_path: Path) -> None:
    process = start(tmp_path, "raise SystemExit('no such setting: x')", name="The server")
    says = "The server ended while it was starting:\nno such setting: x"
    with pytest.raises(CruxError, match=says):
        wait_until(process, lambda: False, PATIENCE)


def test_a_process_that_is_not_ready_in_time_is_named(tmp_path: Path) -> None:
    process = start(tmp_path, SLEEPER)
    with pytest.raises(CruxError, match="Sleeper is not ready after 0 s"):
        wait_until(process, lambda: False, 0.0)
    stop(tmp_path / "pid")


def test_a_log_is_readable_by_its_owner_alone_and_the_environment_is_clean(tmp_path: Path) -> None:
    process = start(tmp_path, "import os; print(sorted(os.environ))")
    wait_for(process, "PATH")
    assert process.log.stat().st_mode & 0o077 == 0
    assert process.end_of_log() == "['LANG', 'PATH', 'PYTHONUNBUFFERED']"


def test_label_studio_does_not_move_to_another_port(tmp_path: Path) -> None:
    admin = Admin("a@example.org", "password", "0" * 40)
    port = free_port()
    with socket.create_server((HOST, port)):
        assert port_taken(port)
        with pytest.raises(SettingError, match=f"Port {port} is taken"):
            start_label_studio(
                tmp_path, Path(sys.executable), port, admin, tmp_path / "log", tmp_path / "pid"
            )
    assert not port_taken(port)


def test_a_free_port_is_given_to_nobody_else_before_and_after_its_server_runs() -> None:
    ours = {free_port() for _ in range(200)}
    assert len(ours) == 200
    for _ in range(2):  # a server may end and start again
        assert others_of_any_port() & ours == set()
        for port in ours:
            assert not port_taken(port)
            with socket.create_server((HOST, port)):
                assert port_taken(port)


def test_the_first_free_port_is_held_until_its_server_comes() -> None:
    start = free_port()
    with socket.create_server((HOST, start)):
        held = free_port_from(start)
        assert start < held < start + 100
        assert free_port_from(start) not in (start, held)
        assert not port_taken(held)
        with socket.create_server((HOST, held)):
            assert port_taken(held)


def others_of_any_port() -> set[int]:
    """Ports that the system gives to 5,000 sockets that ask for any."""
    found = set()
    for _ in range(5_000):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, 0))
            found.add(int(other.getsockname()[1]))
    return found


def test_label_studio_that_is_not_installed_is_named(tmp_path: Path) -> None:
    admin = Admin("a@example.org", "password", "0" * 40)
    with pytest.raises(SettingError, match=r"Label Studio is missing \(/no/such\); run `make inst"):
        start_label_studio(tmp_path, Path("/no/such"), 1, admin, tmp_path / "log", tmp_path / "pid")


def test_an_admins_secrets_are_in_no_repr() -> None:
    assert repr(Admin("a@example.org", "pass", "t0ken")) == "Admin(email='a@example.org')"
