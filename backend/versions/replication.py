"""Shares pointers, records, samples, versions and the worker's state between machines.

Each machine has its own home and serves from it alone; through Redis the homes become equal.

    crux:projects                      numbers of the projects that are shared
    crux:project:7                     revision, and the JSON files of the project's folder
    crux:project:7:training            what the worker is doing now
    crux:project:7:versions            names of the versions that are here
    crux:project:7:promoted            names of those that were current
    crux:project:7:version:NAME        its files in pieces (backend/versions/transfer.py)

A change is written to Redis first and then to the home, and raises the project's revision. Each
machine reads the revision at most once a second and takes over what is newer. If Redis has lost
its memory, a machine whose home is newer writes it back. Without Redis nothing can be changed, and
every machine serves the files that it has.
"""

import json
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from redis.exceptions import RedisError

from backend.queue.broker import Broker
from backend.versions.folder import SHARED, Folder, Head, head, mentioned_versions
from backend.versions.manifest import Manifest, read_manifest
from backend.versions.transfer import receive, send
from selection.errors import BackendError, CruxError, VersionError

log = logging.getLogger(__name__)

EVERY = 1.0  # seconds between two readings of a project's revision
WAIT = 60.0  # seconds to wait for another process of this home that is fetching
REST = 5.0  # seconds before a Redis that did not answer is asked again
PROJECTS = "crux:projects"
T = TypeVar("T")


class Shared:
    """Keeps the folders below `root` equal to those of other machines, in many threads."""

    def __init__(self, broker: Broker, root: Path) -> None:
        self.broker = broker
        self.root = root
        self._redis: Any = broker.redis  # its types say that any answer may be a coroutine
        self._asked: dict[int, float] = {}
        self._ready: set[int] = set()
        self._resting = 0.0
        self._said = ""

    def projects(self) -> set[int]:
        """Return the numbers of the shared projects; none while Redis is away."""
        names: set[bytes] = self._quietly(lambda: self._redis.smembers(PROJECTS), set())
        return {int(name) for name in names if name.isdigit()}

    def refresh(self, project: int) -> None:
        """Take over what is newer elsewhere, at most once a second. Raises nothing.

        One thread or process of a home does it while the others use what they have. A process
        that was just started may have nothing yet, so all of its threads wait.
        """
        ready = project in self._ready
        if ready and time.monotonic() - self._asked[project] < EVERY:
            return
        self._asked[project] = time.monotonic()

        def look() -> None:
            folder = self._folder(project)
            there = head(*self._redis.hmget(_key(project), "epoch", "revision"))
            if there == folder.head() and (there[1] or not folder.files()):
                return
            with folder.alone(0.0 if ready else WAIT) as alone:
                if alone:
                    self._bring(project)

        self._quietly(look, None)
        self._ready.add(project)

    def put(self, project: int, name: str, body: Any) -> None:
        """Replace one of the project's files everywhere. Raises BackendError, VersionError."""
        folder = self._folder(project)
        with self.broker.reached(), folder.alone(WAIT) as alone:
            if not alone:
                raise BackendError(f"Project {project} is being fetched. Try again in a minute.")
            if self._read(project)[0][1] < max(folder.head()[1], 1):
                self._restore(project, folder)
            epoch = uuid.uuid4().hex

            def write(pipe: Any) -> None:
                known = head(*pipe.hmget(_key(project), "epoch", "revision"))
                pipe.multi()
                pipe.hset(
                    _key(project),
                    mapping={
                        "epoch": known[0] or epoch, "revision": known[1] + 1,
                        f"file:{name}": json.dumps(body),
                    },
                )  # fmt: skip
                pipe.sadd(PROJECTS, project)
                if name == "current":
                    pipe.sadd(_key(project, "promoted"), body["version"])

            self._redis.transaction(write, _key(project))
            self._bring(project)
            self._prune(project)

    def publish(self, project: int, version: str) -> None:
        """Make a version of this home one of every home. Raises BackendError, VersionError."""
        with self.broker.reached():
            send(
                self.broker.bulk, _key(project, "version", version), _key(project, "versions"),
                self._folder(project).version(version),
            )  # fmt: skip

    def offer(self, project: int, version: str) -> None:
        """Publish the version if that is possible now; else its promotion will. Raises nothing."""
        self._quietly(lambda: self.publish(project, version), None)

    def fetch(self, project: int, version: str) -> bool:
        """Fetch a version; return whether this home has it now. Raises nothing."""
        return self._quietly(lambda: self._receive(project, version), False)

    def manifests(self, project: int) -> dict[str, tuple[float, Manifest]]:
        """Return name -> (when it was made, in seconds since 1970, and manifest) in Redis."""

        def read() -> dict[str, tuple[float, Manifest]]:
            found = {}
            for name in self._redis.smembers(_key(project, "versions")):
                key = _key(project, "version", name.decode())
                made, text = self._redis.hmget(key, "made", "manifest.json:0")
                manifest = read_manifest(text) if made and text else None
                if manifest and manifest.version == name.decode():
                    found[manifest.version] = float(made), manifest
            return found

        return self._quietly(read, {})

    def tell(self, project: int, body: Mapping[str, object]) -> None:
        """What the worker is doing, for every machine. Raises nothing."""
        text = json.dumps(body)
        self._quietly(lambda: self._redis.set(_key(project, "training"), text), None)

    def told(self, project: int) -> dict[str, object] | None:
        """What the worker is doing, None if Redis does not know."""
        text = self._quietly(lambda: self._redis.get(_key(project, "training")), None)
        return None if text is None else _object(text)

    # the files of a project

    def _bring(self, project: int) -> None:
        """Make the folder equal to Redis, or Redis to the folder if that is newer."""
        there, files = self._read(project)
        folder = self._folder(project)
        if there[1] < max(folder.head()[1], 1):
            self._restore(project, folder)
        elif there != folder.head():
            current = files.get("current")
            # the version first: a pointer to a missing version would leave nothing to serve
            if current is not None and not self._receive(project, str(current["version"])):
                raise VersionError(
                    f"Project {project}: the current version {current['version']!r} is not in "
                    f"Redis. Promote it again on a machine that has it."
                )
            folder.take(files, there)

    def _restore(self, project: int, folder: Folder) -> None:
        """Write this home's files to a Redis that has an older revision or none."""
        files = folder.files()
        if not files:
            return
        log.warning("project %s: Redis is older than this home and is brought up to date", project)
        for version in sorted(mentioned_versions(files)):
            if (folder.version(version) / "manifest.json").is_file():
                self.publish(project, version)
        new: Head = uuid.uuid4().hex, max(folder.head()[1], 1)

        def write(pipe: Any) -> None:
            known = head(*pipe.hmget(_key(project), "epoch", "revision"))
            pipe.multi()
            if known[1] >= new[1]:  # another machine was faster
                return
            told = {f"file:{name}": json.dumps(body) for name, body in files.items()}
            pipe.delete(_key(project))
            pipe.hset(_key(project), mapping={"epoch": new[0], "revision": new[1], **told})
            pipe.sadd(PROJECTS, project)

        if self._redis.transaction(write, _key(project)):
            folder.know(new)

    def _prune(self, project: int) -> None:
        """Remove versions that were never current and that no record names."""
        _, files = self._read(project)
        promoted = {name.decode() for name in self._redis.smembers(_key(project, "promoted"))}
        for name in self._redis.smembers(_key(project, "versions")):
            if name.decode() not in promoted | mentioned_versions(files):
                self._redis.unlink(_key(project, "version", name.decode()))
                self._redis.srem(_key(project, "versions"), name)

    def _read(self, project: int) -> tuple[Head, dict[str, Any]]:
        """Return revision and files as Redis has them."""
        found = self._redis.hgetall(_key(project))
        files = {
            key.decode()[5:]: json.loads(text)
            for key, text in found.items()
            if key.startswith(b"file:") and SHARED.fullmatch(key.decode()[5:])
        }
        return head(found.get(b"epoch"), found.get(b"revision")), files

    def _receive(self, project: int, version: str) -> bool:
        final = self._folder(project).version(version)
        if (final / "manifest.json").is_file():
            return True
        return receive(self.broker.bulk, _key(project, "version", version), final)

    def _folder(self, project: int) -> Folder:
        return Folder(self.root / str(int(project)))

    def _quietly(self, action: Callable[[], T], otherwise: T) -> T:
        """Return `otherwise` while Redis is away or has something unusable; log why, once."""
        if time.monotonic() < self._resting:
            return otherwise
        try:
            found = action()
        except (RedisError, CruxError, ValueError, KeyError, TypeError) as error:
            said = str(error)
            if isinstance(error, RedisError):
                self._resting = time.monotonic() + REST
                said = self.broker.explain(error)
            if said != self._said:
                log.warning("%s This machine goes on with its own files.", said)
            self._said = said
            return otherwise
        self._said = ""
        return found


def _key(project: int, *more: str) -> str:
    return ":".join(("crux:project", str(int(project)), *more))


def _object(text: bytes) -> dict[str, object] | None:
    try:
        body = json.loads(text)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
