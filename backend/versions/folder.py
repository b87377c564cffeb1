"""The shared files of a project's folder, and which revision of them the folder has."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from backend.versions.manifest import NAME, write_json
from selection.errors import StorageError, VersionError

SHARED = re.compile(r"current|sample\.json|verdicts\.json|rounds/\d{1,9}\.json")
HEAD = "shared.json"
Head = tuple[str, int]  # the epoch (one life of Redis) and the revision in it
NEW: Head = ("", 0)


class Folder:
    """The folder home/projects/7, which is made at the first write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def files(self) -> dict[str, object]:
        """Return name -> content of the shared files, without damaged ones."""
        files = {}
        for path in (*self.path.glob("*"), *self.path.glob("rounds/*.json")):
            name = path.relative_to(self.path).as_posix()
            body = _json(path) if SHARED.fullmatch(name) else None
            if body is not None:
                files[name] = body
        return files

    def take(self, files: dict[str, object], head: Head) -> None:
        """Write what differs, the pointer last. Raises StorageError on a full disk."""
        known = self.files()
        for name in sorted(files, key=lambda name: (name == "current", name)):
            if name not in known or known[name] != files[name]:
                write_json(self.path / name, files[name])
        self.know(head)

    def head(self) -> Head:
        """Return the revision that the folder has."""
        body = _json(self.path / HEAD)
        return head(body.get("epoch"), body.get("revision")) if isinstance(body, dict) else NEW

    def know(self, head: Head) -> None:
        """Keep the revision that the folder has. Raises StorageError on a full disk."""
        write_json(self.path / HEAD, {"epoch": head[0], "revision": head[1]})

    def version(self, name: str) -> Path:
        """Return where a version is or would be. Raises VersionError for a name that is none."""
        if not NAME.fullmatch(name):
            raise VersionError(f"{name!r} is not the name of a version.")
        return self.path / "versions" / name

    @contextmanager
    def alone(self, patience: float) -> Iterator[bool]:
        """Lock the folder for this thread among all of this home; tell whether that succeeded.

        patience: seconds to wait for it. Raises StorageError if the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".shared.lock")
            lock.acquire(timeout=patience)
        except TimeoutError:
            yield False
            return
        except OSError as error:
            raise StorageError(
                f"Cannot write {self.path}: {error.strerror or error}. Free some space."
            ) from None
        try:
            yield True
        finally:
            lock.release()


def head(epoch: bytes | str | None, revision: bytes | int | None) -> Head:
    """Make a head of its two parts as Redis or the file has them. Raises ValueError."""
    if epoch is None or revision is None:
        return NEW
    return epoch.decode() if isinstance(epoch, bytes) else str(epoch), int(revision)


def mentioned_versions(files: dict[str, object]) -> set[str]:
    """Return all words in the pointer and the records that could be names of versions."""
    return {
        word
        for body in files.values()
        if isinstance(body, dict)
        for word in body.values()
        if isinstance(word, str) and NAME.fullmatch(word)
    }


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
