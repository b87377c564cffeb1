"""Starts backends and workers in a tenth of a second, by forking a process that has imported all.

Imports take seconds, and these tests start several dozen processes. A fork runs the same entry
points as the commands, with their environment, in a session of its own, and can be killed like any
process. Where the start itself is tested, a command starts the process.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.processes import Process, _started


class Nursery:
    """The process that forks; call `end` to end it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forkserver"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
            cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def start_process(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], log: Path, pid_file: Path
    ) -> Process:
        """Start gunicorn or the worker, as demo.processes.start_process does."""
        assert self._process.stdin and self._process.stdout
        order = {"argv": list(argv), "env": dict(env), "log": str(log)}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        pid = int(self._process.stdout.readline())
        process = Process(name, pid, _started(pid), log, pid_file)
        body = {"name": name, "pid": pid, "started": process.started, "log": str(log)}
        pid_file.write_text(json.dumps(body))
        return process

    def end(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()


def _become(order: dict[str, Any]) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(order["env"])
    out = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, handle in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, out)):
        os.dup2(handle, number)
    if "PYTHONPATH" in os.environ:
        runpy.run_path(str(Path(os.environ["PYTHONPATH"]) / "sitecustomize.py"))
    sys.orig_argv = order["argv"]
    module, sys.argv = order["argv"][2], [order["argv"][0], *order["argv"][3:]]
    if module == "gunicorn":
        from gunicorn.app.wsgiapp import run

        run()
    assert module == "backend.worker"
    from backend.worker import main

    main()


def _serve() -> None:
    import backend.web.app
    import backend.worker  # noqa: F401  (these imports take seconds)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # leave no zombies
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                _become(order)
            except SystemExit as end:  # print what Python prints at the end of a program
                print(end if isinstance(end.code, str) else "", file=sys.stderr, flush=True)
            except BaseException:  # a fork must never continue with this loop
                traceback.print_exc()
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    _serve()
