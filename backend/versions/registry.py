"""Model versions on disk: immutable directories, and a pointer to the current one.

    home/projects/7/versions/round2-9c41d2aa01f3/   manifest.json, adapter_model.safetensors, …
    home/projects/7/current                         the name of a version
    home/projects/7/rounds/2.json                   what fit measured after round 2
    home/projects/7/sample.json                     random texts of the pool
    home/projects/7/verdicts.json                   every verdict that was ever seen (ledger.py)
    home/projects/7/training.json                   what the worker is doing now

A version is built in a temporary folder and moved into place whole; the pointer and the records
are replaced atomically. So a kill at any moment leaves either the old state or the new one.
"""

import json
import logging
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from backend.config import BackendSettings
from backend.queue.broker import open_broker
from backend.versions.manifest import (
    NAME,
    Manifest,
    digest_of,
    is_whole,
    move_whole,
    open_up,
    read_manifest,
    with_digests,
    write_json,
    write_manifest,
)
from backend.versions.replication import Shared
from selection.errors import StorageError, VersionError
from selection.pool_sample import PoolSample
from selection.record import Record, TrainingState

log = logging.getLogger(__name__)


class Registry:
    """The versions and records of every project under one folder."""

    def __init__(
        self,
        home: Path,
        shared: Shared | None = None,
        confirm: Callable[[], None] | None = None,
    ) -> None:
        """shared: exchanges changes with other machines; a change then needs Redis and raises
        BackendError when that is away. None where this folder is all there is.
        confirm: called before a round's outcome changes; raises in a worker that was replaced.
        """
        self.root = home / "projects"
        self.shared = shared
        self._confirm = confirm or (lambda: None)
        self._intact: dict[Path, tuple[str, int, int, int]] = {}

    def folder(self, project: int) -> Path:
        """Return the project's folder, which need not exist."""
        return self.root / str(int(project))

    def projects(self) -> list[int]:
        """Return the numbers of the projects that have a folder, here or on another machine."""
        found = self.shared.projects() if self.shared else set()
        return sorted(found | {int(p.name) for p in self.root.glob("*") if p.name.isdigit()})

    def path(self, project: int, version: str) -> Path:
        """Return the version's directory. Raises VersionError for a name that is none."""
        if not NAME.fullmatch(version):
            raise VersionError(f"{version!r} is not the name of a version.")
        return self.folder(project) / "versions" / version

    def versions(self, project: int) -> list[Manifest]:
        """Return all complete versions, oldest first; a damaged one is logged and left out."""
        found = dict(self.shared.manifests(project)) if self.shared else {}
        for path in self.folder(project).glob("versions/*"):
            try:
                if NAME.fullmatch(path.name):
                    found[path.name] = path.stat().st_mtime, self.get(project, path.name)
            except VersionError as error:
                log.error("project %s: %s", project, error)
        return [one for _, one in sorted(found.values(), key=lambda o: (o[0], o[1].version))]

    def has(self, project: int, version: str) -> bool:
        """Return whether the version is there; fetch it if only another machine has it."""
        if (self.path(project, version) / "manifest.json").is_file():
            return True
        return self.shared is not None and self.shared.fetch(project, version)

    def get(self, project: int, version: str) -> Manifest:
        """Return a version's manifest. Raises VersionError if it is missing or damaged."""
        path = self.path(project, version) / "manifest.json"
        try:
            if not self.has(project, version):
                raise FileNotFoundError
            return read_manifest(path.read_bytes())
        except FileNotFoundError:
            raise VersionError(
                f"Project {project} has no version {version!r}. crux models list shows them."
            ) from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise VersionError(
                f"The manifest of version {version!r} is damaged ({error}). Delete {path.parent} "
                f"and press Start Training, or promote another version with crux models."
            ) from None

    def intact(self, project: int, version: str) -> Manifest:
        """Return the manifest of a version that is there and whole, its adapter included.

        Raises VersionError otherwise.
        """
        manifest = self.get(project, version)
        self.adapter(project, manifest)
        return manifest

    def adapter(self, project: int, manifest: Manifest) -> Path | None:
        """Return the version's directory if its adapter is intact, None for a prompted version.

        Raises VersionError if the adapter's bytes are not those that training wrote.
        """
        if manifest.kind == "prompted":
            return None
        folder = self.path(project, manifest.version)
        if not is_whole(folder, manifest, self._has_digest):
            raise VersionError(
                f"The adapter of version {manifest.version!r} is missing or damaged. Promote "
                f"another version with crux models, or delete {folder} and press Start Training."
            )
        return folder

    def _has_digest(self, file: Path, digest: str) -> bool:
        """Return whether the file has this digest.

        The file is read again only when it has changed, because every request asks.
        """
        try:
            now = file.stat()
            seen = (digest, now.st_ino, now.st_size, now.st_mtime_ns)
            if self._intact.get(file) == seen:
                return True
            if digest_of(file) != digest:
                return False
        except OSError:
            return False
        self._intact[file] = seen
        return True

    def build(self, project: int, version: str, fill: Callable[[Path], Manifest]) -> Manifest:
        """Make a version unless it is there; `fill` writes into an empty folder.

        The folder becomes the version only after `fill` has returned, in one move. Raises
        StorageError if it cannot be written.
        """
        final = self.path(project, version)
        if self.has(project, version):
            return self.get(project, version)
        building = final.parent / f".building-{uuid.uuid4().hex}"
        try:
            building.mkdir(parents=True)
            manifest = fill(building)
            made_now = datetime.now(UTC).isoformat(timespec="seconds")
            manifest = replace(with_digests(manifest, building), made=made_now)
            write_manifest(building / "manifest.json", manifest)
            open_up(building)
            move_whole(building, final)
        except (OSError, SafetensorError) as error:
            raise StorageError(
                f"Version {version!r} could not be saved under {final.parent}: "
                f"{getattr(error, 'strerror', None) or error}. Free some space; training is "
                f"tried again."
            ) from None
        finally:
            shutil.rmtree(building, ignore_errors=True)
        made = self.get(project, version)
        if self.shared and made.kind == "trained":
            self.shared.offer(project, version)  # a worker that takes over need not train it again
        return made

    def sweep(self, project: int) -> None:
        """Remove what killed trainings left behind. Only the one worker may call it."""
        for left in (self.folder(project) / "versions").glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)

    def current(self, project: int) -> str | None:
        """Return the name of the current version, None before the first promotion."""
        self._refresh(project)
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
        """Make an intact version the current one. Raises VersionError otherwise."""
        manifest = self.intact(project, version)
        if self.shared:
            self.shared.publish(project, version)
        self._confirm()
        self._put(project, "current", {"version": version})
        return manifest

    def sample(self, project: int) -> PoolSample:
        """Return the texts of the pool that crux round sent; none before that."""
        try:
            return PoolSample.from_json(self.read(project, "sample.json") or [])
        except (ValueError, KeyError, TypeError):
            return PoolSample()  # the next crux round sends it again

    def save_sample(self, project: int, sample: PoolSample) -> None:
        """Keep drawn texts of the pool; a new version's threshold is fitted on them."""
        self._put(project, "sample.json", sample.as_json())

    def records(self, project: int) -> list[Record]:
        """Return the records of the rounds, ascending. Raises VersionError if one is damaged."""
        self._refresh(project)
        folder = self.folder(project) / "rounds"
        files = (file for file in folder.glob("*.json") if file.stem.isdecimal())
        return [_record(file) for file in sorted(files, key=lambda p: int(p.stem))]

    def save_record(self, project: int, record: Record) -> None:
        """Keep the record of its round."""
        self.keep(project, f"rounds/{record.round}.json", record.as_json())

    def training(self, project: int) -> TrainingState:
        """Return what the worker is doing for the project; idle where that cannot be read."""
        told = self.shared.told(project) if self.shared else None
        try:
            return TrainingState.from_json(told or self.read(project, "training.json"))
        except (ValueError, TypeError):
            return TrainingState()

    def set_training(self, project: int, training: TrainingState) -> None:
        """Say what the worker is doing; readers never see half a file."""
        write_json(self.folder(project) / "training.json", training.as_json())
        if self.shared:
            self.shared.tell(project, training.as_json())

    def read(self, project: int, name: str) -> Any:
        """Return the JSON of a shared file; None if it is not there. Raises ValueError."""
        self._refresh(project)
        try:
            return json.loads((self.folder(project) / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def keep(self, project: int, name: str, body: Any) -> None:
        """Write the JSON of a shared file, unless this worker was replaced."""
        self._confirm()
        self._put(project, name, body)

    def _refresh(self, project: int) -> None:
        if self.shared:
            self.shared.refresh(project)

    def _put(self, project: int, name: str, body: Any) -> None:
        if self.shared:
            self.shared.put(project, name, body)
        else:
            write_json(self.folder(project) / name, body)


def make_registry(settings: BackendSettings, confirm: Callable[[], None] | None = None) -> Registry:
    """Return the registry of the settings' home, shared if they name a queue URL.

    Raises SettingError for an address that is none.
    """
    broker = open_broker(settings.queue_url)
    shared = Shared(broker, settings.home / "projects") if broker else None
    return Registry(settings.home, shared, confirm)


def _record(file: Path) -> Record:
    try:
        record = Record.from_json(json.loads(file.read_text(encoding="utf-8")))
        if record.round != int(file.stem):
            raise ValueError("it is not the record of its round")
        return record
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise VersionError(
            f"The record {file} is damaged ({error}). Delete it and press Start Training: the "
            f"round is measured anew."
        ) from None
