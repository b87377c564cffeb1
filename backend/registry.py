"""Model versions on disk: immutable directories, and a pointer to the current one.

    home/projects/7/versions/round2-9c41d2aa01f3/   manifest.json, adapter_model.safetensors, …
    home/projects/7/current                         the name of a version
    home/projects/7/rounds/2.json                   what fit measured after round 2
    home/projects/7/sample.json                     random texts of the pool
    home/projects/7/training.json                   what the worker is doing now

A version is built in a folder of its own and moved to its place whole; pointer and records are
replaced atomically. So a kill at any moment leaves either the old state or the new one.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from selection.errors import VersionError

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ADAPTER = "adapter_model.safetensors"


@dataclass(frozen=True)
class Manifest:
    """What went into a version, which is also what its name is made from.

    kind: 'prompted' (the base model as it is) or 'trained'. round: -1 for prompted ones.
    pool_prior, drawn: the labels' shares in the pool by the experts, and the random texts that
    they are told from. examples: [task's pool id, label] of every training label. offsets: added
    to the k label logits (correction of the prior shift). digest: SHA-256 of the adapter, empty if
    there is none.
    """

    version: str
    kind: str
    round: int
    model: str
    policy: str
    labels: tuple[str, ...]
    offsets: tuple[float, ...] = ()
    pool_prior: tuple[float, ...] = ()
    recipe: dict[str, Any] = field(default_factory=dict)
    examples: tuple[tuple[str, str], ...] = ()
    ties: int = 0
    seconds: float = 0.0
    digest: str = ""
    drawn: float = 0.0


def named(prefix: str, *ingredients: Any) -> str:
    """A version's name: the same ingredients give the same name."""
    body = json.dumps(ingredients, sort_keys=True, ensure_ascii=False)
    return f"{prefix}-{hashlib.sha256(body.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def write_json(path: Path, body: Any) -> None:
    """Replace a file whole, or leave it as it was. Raises VersionError on a full disk."""
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        with suppress(OSError):  # the folder itself may be what is wrong
            unfinished.unlink(missing_ok=True)
        raise VersionError(
            f"Cannot write {path}: {error.strerror or error}. Free some space; the worker tries "
            f"again by itself and nothing that was there is lost."
        ) from None


class Registry:
    """The versions and records of every project under one folder."""

    def __init__(self, home: Path) -> None:
        self.root = home / "projects"
        self._intact: dict[Path, tuple[str, int, int, int]] = {}

    def folder(self, project: int) -> Path:
        """The project's folder; it need not exist."""
        return self.root / str(int(project))

    def projects(self) -> list[int]:
        """Numbers of the projects that have a folder."""
        if not self.root.is_dir():
            return []
        return sorted(int(p.name) for p in self.root.iterdir() if p.name.isdigit())

    def path(self, project: int, version: str) -> Path:
        """The version's directory. Raises VersionError for a name that is none."""
        if not NAME.fullmatch(version):
            raise VersionError(f"{version!r} is not the name of a version.")
        return self.folder(project) / "versions" / version

    def versions(self, project: int) -> list[Manifest]:
        """All complete versions, oldest first. A damaged one is named in the log and left out."""
        folder = self.folder(project) / "versions"
        if not folder.is_dir():
            return []
        names = [p for p in folder.iterdir() if NAME.fullmatch(p.name)]
        found = []
        for path in sorted(names, key=lambda p: (p.stat().st_mtime, p.name)):
            try:
                found.append(self.get(project, path.name))
            except VersionError as error:
                log.error("project %s: %s", project, error)
        return found

    def has(self, project: int, version: str) -> bool:
        """Whether the version is there, whole."""
        return (self.path(project, version) / "manifest.json").is_file()

    def get(self, project: int, version: str) -> Manifest:
        """A version's manifest. Raises VersionError if it is missing or damaged."""
        path = self.path(project, version) / "manifest.json"
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            body["labels"], body["offsets"] = tuple(body["labels"]), tuple(body["offsets"])
            body["examples"] = tuple((str(i), str(name)) for i, name in body["examples"])
            body["pool_prior"] = tuple(body["pool_prior"])
            return Manifest(**body)
        except FileNotFoundError:
            raise VersionError(
                f"Project {project} has no version {version!r}. crux models list shows them."
            ) from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise VersionError(
                f"The manifest of version {version!r} is damaged ({error}). Delete {path.parent} "
                f"and press Start Training, or promote another version with crux models."
            ) from None

    def adapter(self, project: int, manifest: Manifest) -> Path | None:
        """The version's directory if it has an intact adapter, None for a prompted one.

        Raises VersionError if the adapter's bytes are not those that training wrote.
        """
        if manifest.kind == "prompted":
            return None
        folder = self.path(project, manifest.version)
        file = folder / ADAPTER
        if not self._is_intact(file, manifest.digest):
            raise VersionError(
                f"The adapter of version {manifest.version!r} is missing or damaged. Promote "
                f"another version with crux models, or delete {folder} and press Start Training."
            )
        return folder

    def _is_intact(self, file: Path, digest: str) -> bool:
        """Whether the bytes are those of the digest; read again only when the file has changed,
        since every request asks."""
        try:
            now = file.stat()
            seen = (digest, now.st_ino, now.st_size, now.st_mtime_ns)
            if self._intact.get(file) == seen:
                return True
            if _digest(file) != digest:
                return False
        except OSError:
            return False
        self._intact[file] = seen
        return True

    def build(self, project: int, version: str, fill: Callable[[Path], Manifest]) -> Manifest:
        """Make a version unless it is there: `fill` writes into an empty folder.

        The folder becomes the version only after `fill` has returned, in one move.
        """
        final = self.path(project, version)
        if self.has(project, version):
            return self.get(project, version)
        building = final.parent / f".building-{uuid.uuid4().hex}"
        try:
            building.mkdir(parents=True)
            manifest = fill(building)
            if (building / ADAPTER).is_file():
                digest = _digest(building / ADAPTER)
                manifest = Manifest(**{**asdict(manifest), "digest": digest})
            write_json(building / "manifest.json", asdict(manifest))
            self._move(building, final)
        except (OSError, SafetensorError) as error:
            raise VersionError(
                f"Version {version!r} could not be saved under {final.parent}: "
                f"{getattr(error, 'strerror', None) or error}. Free some space; training is "
                f"tried again."
            ) from None
        finally:
            shutil.rmtree(building, ignore_errors=True)
        return self.get(project, version)

    @staticmethod
    def _move(building: Path, final: Path) -> None:
        """Take the place, unless another process made the same version meanwhile."""
        try:
            os.replace(building, final)
        except OSError:
            if (final / "manifest.json").is_file():
                return
            if not final.exists():
                raise
            shutil.rmtree(final)  # what somebody deleted by half
            os.replace(building, final)

    def sweep(self, project: int) -> None:
        """Remove what killed trainings left behind. Only for the one worker that trains."""
        for left in (self.folder(project) / "versions").glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)

    def current(self, project: int) -> str | None:
        """Name of the current version, None before the first promotion."""
        path = self.folder(project) / "current"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["version"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise VersionError(
                f"The pointer {path} is damaged. Set it with: crux models promote VERSION."
            ) from None

    def promote(self, project: int, version: str) -> Manifest:
        """Point at a version that is there and intact. Raises VersionError otherwise."""
        manifest = self.get(project, version)
        self.adapter(project, manifest)
        write_json(self.folder(project) / "current", {"version": version})
        return manifest

    def sample(self, project: int) -> list[str]:
        """Random texts of the pool, as crux round sent them; none before that."""
        path = self.folder(project) / "sample.json"
        try:
            return [str(text) for text in json.loads(path.read_text(encoding="utf-8"))]
        except (FileNotFoundError, ValueError):
            return []  # the next crux round sends it again

    def save_sample(self, project: int, texts: Sequence[str]) -> None:
        """Keep random texts of the pool, by which a new version is fitted to it."""
        write_json(self.folder(project) / "sample.json", list(texts))

    def records(self, project: int) -> list[dict[str, Any]]:
        """What fit measured, one record a round, ascending. Raises VersionError if damaged."""
        folder = self.folder(project) / "rounds"
        files = [file for file in folder.glob("*.json") if file.stem.isdecimal()]
        return [_record(file) for file in sorted(files, key=lambda p: int(p.stem))]

    def save_record(self, project: int, record: dict[str, Any]) -> None:
        """Keep the record of its round."""
        write_json(self.folder(project) / "rounds" / f"{record['round']}.json", record)

    def training(self, project: int) -> dict[str, Any]:
        """What the worker is doing for the project."""
        path = self.folder(project) / "training.json"
        idle = {"state": "idle", "message": "", "done": 0, "total": 0}
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return idle
        return {**idle, **state} if isinstance(state, dict) else idle

    def set_training(
        self, project: int, state: str, message: str = "", done: int = 0, total: int = 0
    ) -> None:
        """Say what the worker is doing; readers never see half a file."""
        body = {"state": state, "message": message, "done": done, "total": total}
        write_json(self.folder(project) / "training.json", body)


def _record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record["round"] != int(file.stem):
            raise ValueError("it is not the record of its round")
        return record
    except (ValueError, KeyError, OSError) as error:
        raise VersionError(
            f"The record {file} is damaged ({error}). Delete it and press Start Training: the "
            f"round is measured anew."
        ) from None


def describe(manifest: Manifest) -> dict[str, Any]:
    """A version as `crux models` lists it."""
    body = asdict(manifest)
    body["examples"] = len(manifest.examples)
    return body


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
