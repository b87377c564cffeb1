"""One worker is at work on a queue: a lock on the home, or a lease in Redis.

Two workers would train the same round twice and sweep each other's versions. With SQLite a second
one is refused. With Redis it stands by, and takes over when the lease of the first has run out.
"""

import fcntl
import logging
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from redis.exceptions import LockError, RedisError

from backend.queue.broker import Broker
from selection.errors import BackendError

log = logging.getLogger(__name__)

LEASE = 10.0  # seconds for which a worker that is heard no more keeps its place
RENEWED = 3.0  # seconds between two renewals
ASKED = 5  # times that the lock is tried, a tenth of a second apart
TRIED = 1.0  # seconds between two attempts of one that stands by


class Lease(Protocol):
    """The right to be the worker, held within `with`."""

    def confirm(self) -> None:
        """Raises BackendError if another worker has taken over."""
        ...

    def held(self) -> bool:
        """Whether any worker is at work. Raises BackendError where that cannot be told."""
        ...

    def __enter__(self) -> Self:
        """Take the place. Raises BackendError, or waits for it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the place."""
        ...  # fmt: skip


class HomeLock:
    """A lock on the home, which ends with the process however that ends."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def confirm(self) -> None:
        """Nobody can have taken it."""

    def held(self) -> bool:
        """See Lease; the lock is tried for a moment."""
        try:
            with (self.home / "worker.lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def __enter__(self) -> Self:
        """Raises BackendError beside another worker."""
        self._file = (self.home / "worker.lock").open("w")
        for _ in range(ASKED):  # somebody may be asking whether a worker is there
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                time.sleep(0.1)
        self._file.close()
        raise BackendError(
            f"Another worker is at work in {self.home}. End it, or give this one "
            f"a folder of its own with CRUX_HOME."
        )

    def __exit__(self, *_: object) -> None:
        """Let another one in."""
        self._file.close()


def start_over() -> None:
    """This program from its beginning, in this process: what it was about to do is gone."""
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command that started us


class RedisLease:
    """A lease in Redis, renewed by a thread. Redis away takes it from nobody."""

    def __init__(self, broker: Broker, lost: Callable[[], None] = start_over) -> None:
        """lost: called when another worker has taken over."""
        self.broker = broker
        self._lost = lost
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lock = broker.redis.lock("crux:worker", timeout=LEASE, thread_local=False)
        self._one = threading.Lock()
        self._ended = threading.Event()

    def held(self) -> bool:
        """See Lease."""
        with self.broker.reached():
            return bool(self.broker.redis.exists(self._lock.name))

    def __enter__(self) -> Self:
        """Waits until no other worker is heard of."""
        said = ""
        while True:
            try:
                if self._take():
                    break
                holder = self.broker.redis.get(self._lock.name)
                now = f"worker {_text(holder)} is at work; this one stands by"
            except RedisError as error:
                now = f"{self.broker.explain(error)} The worker waits for it."
            if now != said:
                said = now
                log.warning("%s", now)
            time.sleep(TRIED)
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Another worker need not wait until the lease runs out."""
        self._ended.set()
        with suppress(RedisError), self._one:
            self._lock.release()

    def confirm(self) -> None:
        """Renew the lease now. Raises BackendError if that fails."""
        try:
            held = self._keep()
        except RedisError as error:
            raise BackendError(self.broker.explain(error)) from None
        if not held:
            self._lost()
            raise BackendError("Another worker has taken over; this one changes nothing more.")

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED):
            with suppress(RedisError):  # the queue says so already
                if not self._keep() and not self._ended.is_set():
                    log.error("another worker has taken over; this one starts anew")
                    self._lost()
                    return

    def _keep(self) -> bool:
        with self._one:
            try:
                return bool(self._lock.reacquire())
            except LockError:  # it ran out, or Redis has forgotten it
                return self._take()

    def _take(self) -> bool:
        return bool(self._lock.acquire(blocking=False, token=self._name))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else "that just ended"
