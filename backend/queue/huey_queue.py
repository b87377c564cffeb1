"""The queue of looks: Huey on SQLite in the home, or on Redis. Its messages are JSON.

Huey's own messages are pickles, by which whoever can write to the queue runs what he likes on
the worker's machine. What is not a message of ours is dropped with a line in the log.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from huey import Huey
from huey.api import PeriodicTask, Task
from huey.registry import Message
from huey.storage import RedisStorage, SqliteStorage
from pydantic import BaseModel, ConfigDict, Field, NaiveDatetime, ValidationError, model_validator
from redis.exceptions import RedisError

from backend.queue.broker import Broker
from selection.errors import BackendError

log = logging.getLogger(__name__)

NAME = "crux"
PATIENCE = 0.8  # seconds for a lock on the file: Label Studio waits one for /webhook
T = TypeVar("T")


class Job(BaseModel):
    """A message of the queue. Times are UTC; only "look" is about one project."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(max_length=64, pattern=r"^[0-9a-zA-Z-]+$")
    task: Literal["look", "look-at-all", "nothing"]
    project: int | None = Field(default=None, ge=0, lt=10**18, strict=True)
    due: NaiveDatetime | None = None
    expires: NaiveDatetime | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.task == "look") != (self.project is not None):
            raise ValueError("a look is at one project")
        return self


class Json:
    """Huey's serializer: a Message to JSON and back, of our three tasks and nothing else."""

    def serialize(self, message: Message) -> bytes:
        """Bytes for the queue. Raises ValidationError for what `Job` cannot say."""
        job = Job(
            id=message.id,
            task=message.name.rpartition(".")[2],
            project=message.args[0] if message.args else None,
            due=message.eta,
            expires=message.expires_resolved,
        )
        return job.model_dump_json(exclude_none=True).encode()

    def deserialize(self, data: bytes) -> Message:
        """What was serialized. Raises ValidationError for anything else."""
        job = Job.model_validate_json(bytes(data))
        return Message(
            id=job.id,
            name=f"{__name__}.{job.task}",
            eta=job.due,
            retries=0,
            retry_delay=0,
            args=() if job.project is None else (job.project,),
            kwargs={},
            expires_resolved=job.expires,
        )


class Queue(Huey):  # type: ignore[misc]  # huey carries no types
    """Huey as its worker needs it here: it waits for a queue that is away, and drops rubbish."""

    def __init__(
        self, place: str, reached: Callable[[], AbstractContextManager[None]], **storage: Any
    ) -> None:
        """place: for people. reached: makes what the storage raises a BackendError."""
        super().__init__(NAME, results=False, serializer=Json(), **storage)
        self.place = place
        self.reached = reached
        self._away = False
        self._nothing = self.add("nothing", lambda: None)

    def add(self, name: str, run: Callable[..., None], **options: Any) -> Any:
        """Register what a message of that name does."""
        return self.task(name=name, **options)(_of_this_module(run))

    def every(self, when: Callable[..., bool], name: str, run: Callable[[], None]) -> None:
        """Register what is done regularly. A job that waited a minute has others behind it."""
        self.periodic_task(when, name=name, expires=60)(_of_this_module(run))

    def waiting(self) -> int:
        """Jobs in the queue, due or not."""
        return int(self.pending_count()) + int(self.scheduled_count())

    def projects(self) -> set[int]:
        """Numbers of the projects that a job which is due will look at. One that is scheduled
        does not count: if the clock was set back, it is due in an hour."""
        return {int(job.args[0]) for job in self.pending() if job.args}

    def dequeue(self) -> Task | None:
        """The next job, None if there is none or the queue is away."""
        return self._patient(super().dequeue, None)

    def read_schedule(self, timestamp: Any = None) -> list[Task]:
        """The jobs that have become due; none if the queue is away."""
        return self._patient(lambda: super(Queue, self).read_schedule(timestamp), [])

    def enqueue(self, task: Task) -> None:
        """Put a job into the queue; a periodic one comes again if the queue is away."""
        if isinstance(task, PeriodicTask):
            self._patient(lambda: super(Queue, self).enqueue(task), None)
        else:
            super().enqueue(task)

    def deserialize_task(self, data: bytes) -> Task:
        """The job of a message; a job that does nothing for what is no message of ours."""
        try:
            return super().deserialize_task(data)
        except ValidationError:
            log.warning("dropped %s bytes from the queue that are no message of Crux", len(data))
            return self._nothing.s()

    def is_revoked(self, task: Task, timestamp: Any = None, peek: bool = True) -> bool:
        """Never: nothing revokes a job here, and to look for it is a command for each."""
        return False

    def delete(self, key: str) -> bool:
        """What Huey calls after a job to forget that it was revoked."""
        return False

    def _patient(self, action: Callable[[], T], nothing: T) -> T:
        try:
            found = action()
        except (RedisError, sqlite3.Error, OSError):
            if not self._away:
                self._away = True
                log.warning("the queue %s does not answer; waiting for it", self.place)
            return nothing
        if self._away:
            self._away = False
            log.info("the queue %s answers again", self.place)
        return found


def open_queue(home: Path, broker: Broker | None) -> Queue:
    """The queue on `broker`, else a file in `home`. Raises BackendError if that is in vain."""
    if broker is not None:
        # not blocking: a job that Redis handed to a reader who had given up would be lost
        return Queue(
            broker.address, broker.reached, storage_class=RedisStorage,
            connection_pool=broker.pool, blocking=False,
        )  # fmt: skip
    file = home / "queue.db"

    def reached() -> AbstractContextManager[None]:
        return _written(file)

    with reached():
        home.mkdir(parents=True, exist_ok=True)
        return Queue(
            str(file), reached, storage_class=SqliteStorage, filename=str(file),
            timeout=PATIENCE, factory=_Unhurried,
        )  # fmt: skip


class _Unhurried(sqlite3.Connection):
    """Writes reach the disk at checkpoints. A power cut may cost the last looks, which are taken
    every minute anyway, and never the file; a kill of any process costs nothing."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute("pragma synchronous=normal")


@contextmanager
def _written(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackendError(
            f"Cannot write the queue {file}: {error}. Free some space, or choose another folder "
            f"with CRUX_HOME."
        ) from None


def _of_this_module(run: Callable[..., None]) -> Callable[..., None]:
    """Huey names a job by the module of its function, which is not the same for `python -m`."""

    def named(*args: Any) -> None:
        run(*args)

    return named
