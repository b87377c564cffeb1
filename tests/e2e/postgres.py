"""A real PostgreSQL for one test, in a folder and on a port of its own; nothing of it stays."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.processes import free_port

PASSWORD = "a-database-password"
MISSING = "PostgreSQL is missing (initdb, pg_ctl); install it: apt-get install postgresql"


@dataclass(frozen=True)
class Database:
    """A running PostgreSQL. run: runs one of its programs with an input and returns its output."""

    port: int
    run: Callable[..., str]

    def keep(self, dump: Path) -> None:
        """Write its content to a file with which another one can begin."""
        dump.parent.mkdir(parents=True, exist_ok=True)
        part = dump.with_suffix(f".{os.getpid()}")
        part.write_text(self.run("pg_dump", *self.address, "studio"))
        part.replace(dump)

    def begin(self, dump: Path) -> None:
        """Fill an empty database with what `keep` wrote."""
        self.run("psql", "-q", "-v", "ON_ERROR_STOP=1", *self.address, "studio",
                 input=dump.read_text())  # fmt: skip

    @property
    def address(self) -> list[str]:
        """The options by which PostgreSQL's programs find it."""
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "studio"]

    @property
    def settings(self) -> dict[str, str]:
        """The environment by which Label Studio finds it."""
        return {
            "DJANGO_DB": "default", "POSTGRE_HOST": "127.0.0.1", "POSTGRE_PORT": str(self.port),
            "POSTGRE_NAME": "studio", "POSTGRE_USER": "studio", "POSTGRE_PASSWORD": PASSWORD,
        }  # fmt: skip


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, which Debian does not put on the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@contextmanager
def postgres() -> Iterator[Database]:
    """Start one, and remove it at the end. Without PostgreSQL: skips, or fails if CI is set."""
    folder = programs()
    if folder is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING, pytrace=False)
        pytest.skip(MISSING)
    root = Path(tempfile.mkdtemp(prefix="crux-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user:
        shutil.chown(root, user)
    data, port = root / "data", free_port()
    (root / "password").write_text(PASSWORD)
    (root / "password").chmod(0o644)

    def run(*argv: str, input: str = "") -> str:
        with (root / "said").open("w+") as said:  # a pipe would wait for the server itself to end
            done = subprocess.run(
                [str(folder / argv[0]), *argv[1:]], user=user, cwd=root, input=input, text=True,
                stdout=said, stderr=subprocess.STDOUT, check=False,
                env={
                    "PATH": os.defpath, "LC_ALL": "C.UTF-8", "PGPASSWORD": PASSWORD,
                    "PGCTLTIMEOUT": "300",  # seconds that pg_ctl waits for a start or a stop
                },
            )  # fmt: skip
            said.seek(0)
            out = said.read()
        assert done.returncode == 0, f"{argv[0]}: {out}"
        return out

    try:
        run(
            "initdb", "--pgdata", str(data), "--username", "studio", "--auth", "scram-sha-256",
            "--pwfile", str(root / "password"), "--no-sync", "--encoding", "UTF8",
        )  # fmt: skip
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {root}"
        run("pg_ctl", "start", "-w", "--pgdata", str(data), "-l", str(root / "log"), "-o", options)
        database = Database(port, run)
        run("createdb", *database.address, "studio")
        yield database
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "stop", "-w", "--mode", "immediate", "--pgdata", str(data))
        shutil.rmtree(root, ignore_errors=True)
