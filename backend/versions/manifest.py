"""A model version: what it was made from, and the files that it consists of."""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from selection.errors import StorageError
from selection.policy import policy_hash
from selection.record import Version
from selection.whole_file import whole_file

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
PROBE = "probe.safetensors"
SEAL = "seal"  # the key in a manifest's file that holds the digest of all other keys


@dataclass(frozen=True)
class Manifest:
    """What went into a version; its name is a hash of that.

    kind: 'prompted' (the base model as it is) or 'trained'. round: -1 for prompted ones.
    pool_prior, drawn: the labels' shares in the pool by the experts, and the random texts that
    they are told from. examples: [task's pool id, label] of every training label. offsets: added
    to the k label logits (correction of the prior shift). digest, config_digest: SHA-256 of the
    adapter's weights and of its config, empty if there are none. embedder: on whose vectors the
    probe (engine/probe.py) reads, probe_digest: its SHA-256, both "" if the version has none. made:
    when, ISO 8601 in UTC.
    """

    version: str
    kind: str
    round: int
    model: str
    policy: str
    labels: tuple[str, ...]
    offsets: tuple[float, ...] = ()
    pool_prior: tuple[float, ...] = ()
    recipe: Mapping[str, float] = field(default_factory=dict)
    examples: tuple[tuple[str, str], ...] = ()
    ties: int = 0
    seconds: float = 0.0
    digest: str = ""
    drawn: float = 0.0
    made: str = ""
    config_digest: str = ""
    embedder: str = ""
    probe_digest: str = ""

    @property
    def files(self) -> dict[str, str]:
        """Return name -> SHA-256 of every file of the adapter and the probe."""
        every = {
            ADAPTER: self.digest, ADAPTER_CONFIG: self.config_digest, PROBE: self.probe_digest
        }  # fmt: skip
        return {name: digest for name, digest in every.items() if digest}


def version_name(prefix: str, *ingredients: Any) -> str:
    """Return a version's name: the same ingredients give the same name."""
    body = json.dumps(ingredients, sort_keys=True, ensure_ascii=False)
    return f"{prefix}-{hashlib.sha256(body.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def describe(manifest: Manifest) -> Version:
    """Return the version as `crux models` lists it: its examples counted, not named."""
    body = {**vars(manifest), "examples": len(manifest.examples)}
    taught = Counter(label for _, label in manifest.examples)
    named = policy_hash(manifest.policy, manifest.labels)
    return Version(**body, taught=dict(taught), policy_hash=named)  # asdict() breaks a Counter


def read_manifest(text: str | bytes) -> Manifest:
    """Read a manifest. Raises ValueError, KeyError or TypeError if it is none."""
    body = json.loads(text)
    if body.pop(SEAL, None) not in (None, _seal(body)):
        raise ValueError("it is not what training wrote")
    body["labels"], body["offsets"] = tuple(body["labels"]), tuple(body["offsets"])
    body["examples"] = tuple((str(i), str(name)) for i, name in body["examples"])
    body["pool_prior"] = tuple(body["pool_prior"])
    return Manifest(**body)


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest with a seal, so that `read_manifest` notices every change.

    Raises StorageError.
    """
    body = json.loads(json.dumps(asdict(manifest)))  # with lists for tuples, as it is read
    write_json(path, {**body, SEAL: _seal(body)})


def _seal(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def with_digests(manifest: Manifest, folder: Path) -> Manifest:
    """Return it with the digests of the version's files, "" where there is none. Raises OSError."""
    adapter, config, probe = (
        digest_of(folder / name) if (folder / name).is_file() else ""
        for name in (ADAPTER, ADAPTER_CONFIG, PROBE)
    )
    return replace(manifest, digest=adapter, config_digest=config, probe_digest=probe)


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file. Raises OSError."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_whole(
    folder: Path,
    manifest: Manifest,
    has_digest: Callable[[Path, str], bool] = lambda file, digest: digest_of(file) == digest,
) -> bool:
    """Return whether a folder holds every file of its manifest, unchanged. Raises OSError.

    has_digest: whether a file has that SHA-256.
    """
    files = manifest.files
    return manifest.kind == "prompted" or (
        ADAPTER in files and all(has_digest(folder / name, files[name]) for name in files)
    )


def write_json(path: Path, body: Any) -> None:
    """Replace a file whole, or leave it as it was. Raises StorageError on a full disk.

    A lone surrogate, which JSON can hold, is escaped, so that it is read back as it was.
    """
    text = json.dumps(body, ensure_ascii=False, indent=1)
    try:
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror or error}. Free some space; the worker tries "
            f"again by itself and nothing that was there is lost."
        ) from None


def open_up(folder: Path) -> None:
    """Give all files the mode that the umask gave the manifest. Raises OSError.

    safetensors writes files that only this user may read, and a model server may run as another.
    """
    mode = (folder / "manifest.json").stat().st_mode
    for file in folder.iterdir():
        if file.is_file():
            file.chmod(mode)


def move_whole(building: Path, final: Path) -> None:
    """Move a finished folder into place, unless another process made the same meanwhile."""
    try:
        os.replace(building, final)
    except OSError:
        if (final / "manifest.json").is_file():
            return
        if not final.exists():
            raise
        shutil.rmtree(final)  # somebody deleted half of it
        os.replace(building, final)
