"""Sends a version through Redis: its files in pieces, all of them or none.

A hash with a field "NAME:N" for the Nth piece of each file, and "made", its age. Only JSON and
safetensors are sent, and an adapter whose digest is not its manifest's is refused.
"""

import os
import re
import shutil
import uuid
from pathlib import Path
from typing import Any

from backend.versions.manifest import is_whole, move_whole, read_manifest
from selection.errors import StorageError, VersionError

PIECE = 16 * 1024 * 1024  # bytes; Redis takes 512 MB, but a piece must arrive within its time
UNFINISHED = 3_600  # seconds after which Redis drops what was sent incompletely
FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,80}\.(?:json|safetensors)):(\d{1,6})")


def send(redis: Any, key: str, names: str, folder: Path) -> None:
    """Put the version in `folder` under `key`, and its name into the set `names`.

    Does nothing if it is there. Raises VersionError if it cannot be read, RedisError.
    """
    if redis.exists(key):
        return
    unfinished = f"{key}:{uuid.uuid4().hex}"
    try:
        redis.hset(unfinished, "made", folder.stat().st_mtime)
        redis.expire(unfinished, UNFINISHED)
        for file in sorted(folder.iterdir()):
            if not FIELD.fullmatch(f"{file.name}:0"):
                continue
            with file.open("rb") as stream:
                number = 0
                while piece := stream.read(PIECE):
                    redis.hset(unfinished, f"{file.name}:{number}", piece)
                    number += 1
    except OSError as error:
        raise VersionError(
            f"Version {folder.name!r} cannot be read from {folder}: {error.strerror or error}."
        ) from None
    with redis.pipeline() as pipe:
        pipe.rename(unfinished, key)
        pipe.persist(key)
        pipe.sadd(names, folder.name)
        pipe.execute()


def receive(redis: Any, key: str, final: Path) -> bool:
    """Fetch the version of `key` into the folder `final`; return False if Redis lacks it.

    Raises VersionError if it arrives damaged, StorageError if it cannot be written, RedisError.
    """
    found = {field.decode(errors="replace") for field in redis.hkeys(key)}
    fields = [m for m in map(FIELD.fullmatch, sorted(found)) if m]
    if not fields:
        return False
    building = final.parent / f".building-{uuid.uuid4().hex}"
    try:
        building.mkdir(parents=True)
        for match in sorted(fields, key=lambda m: (m[1], int(m[2]))):
            with (building / match[1]).open("ab") as stream:
                stream.write(redis.hget(key, match[0]) or b"")
        _check(building, final.name)
        made = float(redis.hget(key, "made") or 0)
        os.utime(building, (made, made))  # versions are listed by age
        move_whole(building, final)
    except OSError as error:
        raise StorageError(
            f"Version {final.name!r} cannot be written to {final.parent}: "
            f"{error.strerror or error}. Free some space; it is fetched again."
        ) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return True


def _check(folder: Path, version: str) -> None:
    try:
        manifest = read_manifest((folder / "manifest.json").read_bytes())
        whole = manifest.version == version and is_whole(folder, manifest)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise VersionError(
            f"Version {version!r} arrived damaged from another machine and is not used. Promote "
            f"it again there."
        )
