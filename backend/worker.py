"""The durable queue, and the worker that trains: `python -m backend.worker`.

Events only say "look": ten thousand of them leave one job in the queue. A look is also taken at
the worker's start and every minute, so an event that never came (Label Studio sends it once,
with a second of patience) costs a minute and not a round.
"""

import logging
import os
import re
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from huey import crontab

from backend import logs
from backend.config import Settings, load
from backend.engine.scorer import make_scorer
from backend.fit import Fit
from backend.queue.broker import open_broker
from backend.queue.huey_queue import open_queue
from backend.queue.lease import HomeLock, Lease, RedisLease
from backend.versions.registry import Registry, make_registry
from selection.errors import BackendError, CruxError, StudioDown, StudioError, VersionError
from selection.record import TrainingState
from selection.studio.api import Studio

log = logging.getLogger(__name__)

NICE = 10  # annotators wait for the backend on the same machine, nobody waits for a training
GATHER = 2  # seconds in which the events of busy experts make one look
MARK = re.compile(r"(?:pending|forced)-(\d{1,18})")
MOST_WAITING = 1_000  # looks at projects without a folder; a real project gets one soon enough


class Jobs:
    """The queue of one installation. `look` is all that the serving process needs."""

    def __init__(self, settings: Settings, fit: Fit | None = None) -> None:
        """fit: made from the settings at the first look if None.

        Raises BackendError for a home that cannot be written, SettingError for a queue URL that
        is none. Redis need not be there yet.
        """
        self.settings = settings
        broker = open_broker(settings.queue_url)
        self.lease: Lease = RedisLease(broker) if broker else HomeLock(settings.home)
        self.huey = open_queue(settings.home, broker)
        self._job = self.huey.add("look", self._look)
        self.huey.every(crontab(minute="*"), "look-at-all", self._look_at_all)
        self.registry = make_registry(settings)
        self._made = fit

    def alive(self) -> bool:
        """Whether a worker is at work on this queue. Raises BackendError if Redis is away."""
        return self.lease.held()

    def look(self, project: int, forced: bool = False) -> None:
        """Ask the worker to see whether the project has something to train on. Milliseconds.

        forced: train on what is there (Start Training). Raises BackendError on a full disk, if
        Redis is away, or if too many looks at unknown projects wait.
        """
        with self.huey.reached():
            storage = self.huey.storage
            # read before it is written: ten thousand events write once
            pending = storage.has_data_for_key(_pending(project))
            if not pending and not self._known(project) and self.huey.waiting() >= MOST_WAITING:
                raise BackendError(
                    f"{MOST_WAITING} looks wait for the worker already, and project {project} is "
                    f"not known here. Is the worker running (python -m backend.worker)?"
                )
            if forced:
                storage.put_data(_forced(project), uuid.uuid4().bytes)
            if not pending and storage.put_if_empty(_pending(project), b"1"):
                self._job.schedule((project,), delay=0 if forced else GATHER)

    def _known(self, project: int) -> bool:
        return self.registry.folder(project).is_dir()

    def work(self) -> None:
        """Run the worker in this process until it is ended.

        Beside another one it raises BackendError, or with Redis stands by. Raises SettingError
        for a setting that no look could use.
        """
        self._fit()
        with self.lease:
            for project in self.registry.projects():
                self.registry.sweep(project)
                self._say_killed(project)
                self.registry.set_training(project, TrainingState())
            with suppress(BackendError), self.huey.reached():  # then in a minute
                self._look_at_all()
            log.info("worker is ready; queue %s", self.huey.place)
            self.huey.create_consumer(
                workers=1, periodic=True, initial_delay=0.05, max_delay=1.0
            ).run()

    def _say_killed(self, project: int) -> None:
        left = self.registry.training(project)
        if left.busy:
            log.warning(
                "project %s: the worker ended in the middle of %s (%s); this one goes on from "
                "what is saved", project, left.state, left.message,
            )  # fmt: skip

    def _look_at_all(self) -> None:
        """A job a project: what goes wrong in one does not stop the others.

        A project that waits in the queue gets no second job, or a long training would gather one
        a minute.
        """
        marks = (MARK.fullmatch(key) for key in self.huey.storage.result_items())
        marked = {int(mark[1]) for mark in marks if mark}  # whose job was lost, or has no folder
        wanted = marked.union(self.registry.projects())
        for project in sorted(wanted - self.huey.projects()):
            self._job(project)

    def _look(self, project: int) -> None:
        storage = self.huey.storage
        with self._forgiven():
            with self.huey.reached():
                # cleared before the project is read: an event during that makes another job
                storage.pop_data(_pending(project))
                forced = storage.peek_data(_forced(project))
            wanted = isinstance(forced, bytes)
            if self._run(project, wanted) and wanted:
                with self.huey.reached():
                    # unless the button was pressed again meanwhile
                    if storage.peek_data(_forced(project)) == forced:
                        storage.pop_data(_forced(project))

    def _run(self, project: int, forced: bool) -> bool:
        """Train if there is something to; whether the button need not be pressed for it again."""
        before = self.registry.training(project).message
        state, message = "failed", "The worker met an unexpected error; its log has the details."
        done, known = True, True
        try:
            self._fit().run(project, forced=forced)
            state, message = "idle", ""
        except StudioDown as error:
            log.warning("project %s: %s The worker looks again within a minute.", project, error)
            state, message, done = "waiting", str(error), False
            known = self._known(project)
        except CruxError as error:
            message = str(error)
            if message != before:  # once, and not every minute that it lasts
                log.error("project %s: %s", project, message)
            done = not isinstance(error, (VersionError, BackendError))  # those heal by themselves
            known = not isinstance(error, StudioError) or self._known(project)
        finally:
            # a folder for every number that a stranger sends would fill the disk
            if known:
                self.registry.set_training(project, TrainingState(state, message))
        if not known and not done:
            with self.huey.reached():
                self.huey.storage.put_data(_pending(project), b"1")  # for the look at all
        return done

    @contextmanager
    def _forgiven(self) -> Iterator[None]:
        """A queue or a folder that fails in the middle of a look: the next one comes by itself."""
        try:
            yield
        except CruxError as error:
            log.warning("%s The worker looks again within a minute.", error)

    def _fit(self) -> Fit:
        if self._made is None:
            registry = make_registry(self.settings, self.lease.confirm)
            self._made = make_fit(self.settings, registry)
        return self._made


def make_fit(settings: Settings, registry: Registry) -> Fit:
    """The composer with its real parts."""
    studio = Studio(settings.studio_url, settings.studio_token.get_secret_value())
    # Nothing to remember: what the worker asks twice is on disk (reader.py), of a version each.
    scorer = partial(make_scorer, settings, answers=0)
    return Fit(settings, studio, scorer, registry=registry)


def _pending(project: int) -> str:
    return f"pending-{project}"


def _forced(project: int) -> str:
    return f"forced-{project}"


def main() -> None:
    """Entry point of the worker."""
    try:
        settings = load()
        logs.configure(settings)
        os.nice(NICE)
        Jobs(settings).work()
    except CruxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
