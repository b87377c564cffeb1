"""One worker is at work on a queue: it holds a lock on the home, or a lease in Redis.

Two workers would train the same round twice and sweep each other's versions. Without Redis a
second worker is refused. With Redis it stands by, and takes over when the first one's lease ends.
"""

import fcntl
import logging
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import tenacity
from redis.exceptions import LockError, RedisError

from backend.queue.broker import Broker
from selection.errors import BackendError

log = logging.getLogger(__name__)

LIFETIME = 10.0  # seconds after which a silent worker is replaced
RENEWAL = 3.0  # seconds between two renewals of the lease
STANDBY = 1.0  # seconds between two attempts of a worker that stands by


class Lease(Protocol):
    """The right to be the one worker, held within `with`."""

    def confirm(self) -> None:
        """Raise BackendError if another worker has taken over."""
        ...

    def held(self) -> bool:
        """Return whether any worker holds it. Raises BackendError where that cannot be told."""
        ...

    def __enter__(self) -> Self:
        """Take it. Raises BackendError, or waits until it is free."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give it back."""
        ...  # fmt: skip


class HomeLock:
    """A lock on the home, which ends with the process however that ends."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def confirm(self) -> None:
        """Do nothing: nobody can take the lock from a living process."""

    def held(self) -> bool:
        """See Lease; holds a shared lock for a moment to find out."""
        try:
            with (self.home / "worker.lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def __enter__(self) -> Self:
        """Take the lock. Raises BackendError if another worker has it."""
        self._file = (self.home / "worker.lock").open("w")
        # more than once: somebody may be asking `held` at this moment
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(BlockingIOError),
            wait=tenacity.wait_fixed(0.1),
            stop=tenacity.stop_after_attempt(5),
            reraise=True,
        )
        try:
            attempts(fcntl.flock, self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise BackendError(
                f"Another worker is at work in {self.home}. End it, or give this one "
                f"a folder of its own with CRUX_HOME."
            ) from None
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._file.close()


def start_over() -> None:
    """Start this program anew in this process: what it was about to do is gone."""
    os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the very command that started us


class _Taken(Exception):
    """The lease cannot be had now; the message says why."""


class RedisLease:
    """A lease in Redis, renewed by a thread. A Redis that is away takes it from nobody."""

    def __init__(self, broker: Broker, on_lost: Callable[[], None] = start_over) -> None:
        """on_lost: called when another worker has taken over."""
        self.broker = broker
        self._on_lost = on_lost
        self._name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lock = broker.redis.lock("crux:worker", timeout=LIFETIME, thread_local=False)
        self._one = threading.Lock()
        self._ended = threading.Event()
        self._reason = ""  # why the last attempt to take it failed

    def held(self) -> bool:
        """See Lease."""
        with self.broker.reached():
            return bool(self.broker.redis.exists(self._lock.name))

    def __enter__(self) -> Self:
        """Wait until no other worker holds the lease, and take it."""
        tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Taken),
            wait=tenacity.wait_fixed(STANDBY),
            before_sleep=self._log_reason,
        )(self._attempt)
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lease, so that another worker need not wait until it ends."""
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
            self._on_lost()
            raise BackendError("Another worker has taken over; this one changes nothing more.")

    def _attempt(self) -> None:
        try:
            if self._take():
                return
            holder = self.broker.redis.get(self._lock.name)
        except RedisError as error:
            raise _Taken(f"{self.broker.explain(error)} The worker waits for it.") from None
        name = holder.decode(errors="replace") if isinstance(holder, bytes) else "that just ended"
        raise _Taken(f"worker {name} is at work; this one stands by")

    def _log_reason(self, state: tenacity.RetryCallState) -> None:
        reason = str(state.outcome and state.outcome.exception())
        if reason != self._reason:
            self._reason = reason
            log.warning("%s", reason)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            with suppress(RedisError):  # the reading of the flags logs it already
                if not self._keep() and not self._ended.is_set():
                    log.error("another worker has taken over; this one starts anew")
                    self._on_lost()
                    return

    def _keep(self) -> bool:
        with self._one:
            try:
                return bool(self._lock.reacquire())
            except LockError:  # it ended, or Redis has forgotten it
                return self._take()

    def _take(self) -> bool:
        return bool(self._lock.acquire(blocking=False, token=self._name))
