"""Which projects the worker should look at: durable flags, in a folder or in Redis.

    look       something may have changed: an event, a promotion, the end of a push
    train      somebody pressed Start Training
    training   the worker has taken up a `train`; it goes when that needs no further try
    last       the loop has ended: make the version that learns from everything

A project has at most one flag of each kind, so ten thousand events leave one. A flag carries
nothing but the project's number: whoever can write flags can make the worker look, and no more.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from backend.queue.broker import Broker
from selection.errors import BackendError

Kind = Literal["look", "train", "training", "last"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


class Flags(Protocol):
    """The flags of one installation. Every call raises BackendError if they cannot be reached."""

    place: str  # for people

    def raised(self) -> dict[Kind, set[int]]:
        """Return the projects that have a flag, by its kind."""
        ...

    def has(self, project: int, kind: Kind) -> bool:
        """Return whether the project has this flag."""
        ...

    def set(self, project: int, kind: Kind) -> None:
        """Raise the flag; does nothing if it is up."""
        ...

    def clear(self, project: int, kind: Kind) -> None:
        """Lower the flag; does nothing if it is down."""
        ...

    def take_up(self, project: int) -> bool:
        """Turn `train` into `training`; return whether the project is `training` now."""
        ...


class FolderFlags:
    """Flags as empty files in one folder, for one machine: `7.look`.

    A killed process loses none. A power cut may lose the last ones, which costs a minute.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder. Raises BackendError if it cannot be made."""
        self.place = str(folder)
        self._folder = folder
        with self._reached():
            folder.mkdir(parents=True, exist_ok=True)

    def raised(self) -> dict[Kind, set[int]]:
        """See Flags; files of other names are passed over."""
        found: dict[Kind, set[int]] = {kind: set() for kind in KINDS}
        with self._reached():
            for file in self._folder.iterdir():
                number, _, kind = file.name.partition(".")
                for known in KINDS:
                    if kind == known and _NUMBER.fullmatch(number):
                        found[known].add(int(number))
        return found

    def has(self, project: int, kind: Kind) -> bool:
        """See Flags."""
        return self._file(project, kind).exists()

    def set(self, project: int, kind: Kind) -> None:
        """See Flags."""
        file = self._file(project, kind)
        if not file.exists():  # ten thousand events write once
            with self._reached():
                file.touch()

    def clear(self, project: int, kind: Kind) -> None:
        """See Flags."""
        with self._reached():
            self._file(project, kind).unlink(missing_ok=True)

    def take_up(self, project: int) -> bool:
        """See Flags."""
        with self._reached(), suppress(FileNotFoundError):
            self._file(project, "train").replace(self._file(project, "training"))
        return self.has(project, "training")

    def _file(self, project: int, kind: Kind) -> Path:
        return self._folder / f"{int(project)}.{kind}"

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise BackendError(
                f"Cannot write the queue {self.place}: {error.strerror or error}. Free some space, "
                f"or choose another folder with CRUX_HOME."
            ) from None


class RedisFlags:
    """Flags as members of one Redis set a kind, for several machines: `crux:queue:look`."""

    def __init__(self, broker: Broker) -> None:
        """Connect to nothing yet."""
        self.place = broker.address
        self._broker = broker
        self._redis: Any = broker.redis  # its types say that any answer may be a coroutine

    def raised(self) -> dict[Kind, set[int]]:
        """See Flags; members that are no number are passed over."""
        with self._broker.reached(), self._redis.pipeline(transaction=False) as pipe:
            for kind in KINDS:
                pipe.smembers(_key(kind))
            found = pipe.execute()
        return {
            kind: {int(one) for one in members if _NUMBER.fullmatch(one.decode(errors="replace"))}
            for kind, members in zip(KINDS, found, strict=True)
        }

    def has(self, project: int, kind: Kind) -> bool:
        """See Flags."""
        with self._broker.reached():
            return bool(self._redis.sismember(_key(kind), project))

    def set(self, project: int, kind: Kind) -> None:
        """See Flags."""
        with self._broker.reached():
            self._redis.sadd(_key(kind), project)

    def clear(self, project: int, kind: Kind) -> None:
        """See Flags."""
        with self._broker.reached():
            self._redis.srem(_key(kind), project)

    def take_up(self, project: int) -> bool:
        """See Flags."""
        with self._broker.reached():
            moved = bool(self._redis.smove(_key("train"), _key("training"), project))
        return moved or self.has(project, "training")


def _key(kind: Kind) -> str:
    return f"crux:queue:{kind}"
