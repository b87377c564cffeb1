"""The durable queue, and the worker that trains: `python -m backend.jobs`.

Events only say "look": ten thousand of them leave one job in the queue. A look is also taken at
the worker's start and every minute, so an event that never came (Label Studio sends it once,
with a second of patience) costs a minute and not a round.
"""

import fcntl
import logging
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huey import SqliteHuey, crontab

from backend.config import Settings, load
from backend.fit import Fit
from backend.registry import Registry
from backend.scorer import make_scorer
from selection.errors import BackendError, CruxError, StudioDown, VersionError
from selection.studio import Studio

log = logging.getLogger(__name__)

GATHER = 2  # seconds in which the events of busy experts make one look


class Jobs:
    """The queue of one home folder. `look` is all that the serving process needs."""

    def __init__(self, settings: Settings, fit: Fit | None = None) -> None:
        """fit: made from the settings at the first look if None. Raises BackendError."""
        self.settings = settings
        file = settings.home / "queue.db"
        with _written(file):
            settings.home.mkdir(parents=True, exist_ok=True)
            self.huey = SqliteHuey("crux", filename=str(file), results=False)
        self._job = self.huey.task(name="look")(self._look)
        self._made = fit

    def look(self, project: int, forced: bool = False) -> None:
        """Ask the worker to see whether the project has something to train on. Milliseconds.

        forced: train on what is there (Start Training). Raises BackendError on a full disk.
        """
        storage = self.huey.storage
        with _written(self.settings.home / "queue.db"):
            Registry(self.settings.home).folder(project).mkdir(parents=True, exist_ok=True)
            if forced:
                storage.put_data(_forced(project), uuid.uuid4().bytes)
            if storage.put_if_empty(_pending(project), b"1"):
                self._job.schedule((project,), delay=0 if forced else GATHER)

    def work(self) -> None:
        """Run the worker in this process until it is ended. Raises BackendError beside another."""
        with self._alone():
            registry = Registry(self.settings.home)
            for project in registry.projects():
                registry.sweep(project)
                registry.set_training(project, "idle")
            # one that waited longer than a training took has others behind it
            self.huey.periodic_task(crontab(minute="*"), name="look-at-all", expires=60)(
                self._look_at_all
            )
            self._look_at_all()
            log.info("worker is ready; queue %s", self.settings.home / "queue.db")
            self.huey.create_consumer(
                workers=1, periodic=True, initial_delay=0.05, max_delay=1.0
            ).run()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two workers of one home would sweep each other's versions; the lock ends with us."""
        path = self.settings.home / "worker.lock"
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackendError(
                    f"Another worker is at work in {self.settings.home}. End it, or give this one "
                    f"a folder of its own with CRUX_HOME."
                ) from None
            yield

    def _look_at_all(self) -> None:
        """A job a project: what goes wrong in one does not stop the others."""
        for project in Registry(self.settings.home).projects():
            self._job(project)

    def _look(self, project: int) -> None:
        storage = self.huey.storage
        # cleared before the project is read: an event during the reading makes another job
        storage.pop_data(_pending(project))
        forced = storage.peek_data(_forced(project))
        wanted = isinstance(forced, bytes)
        registry = Registry(self.settings.home)
        before = registry.training(project)["message"]
        state, message = "failed", "The worker met an unexpected error; its log has the details."
        try:
            self._fit().run(project, forced=wanted)
            state, message = "idle", ""
        except StudioDown as error:
            log.warning("project %s: %s The worker looks again within a minute.", project, error)
            state, message, wanted = "waiting", str(error), False
        except CruxError as error:
            message = str(error)
            if message != before:  # once, and not every minute that it lasts
                log.error("project %s: %s", project, message)
            wanted = wanted and not isinstance(error, VersionError)  # a disk can be made free
        finally:
            registry.set_training(project, state, message)
        if wanted and storage.peek_data(_forced(project)) == forced:
            storage.pop_data(_forced(project))  # unless the button was pressed again meanwhile

    def _fit(self) -> Fit:
        if self._made is None:
            self._made = make_fit(self.settings)
        return self._made


def make_fit(settings: Settings) -> Fit:
    """The composer with its real parts."""
    studio = Studio(settings.studio_url, settings.studio_token.get_secret_value())
    return Fit(settings, studio, lambda: make_scorer(settings))


@contextmanager
def _written(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackendError(
            f"Cannot write the queue {file}: {error}. Free some space, or choose another folder "
            f"with CRUX_HOME."
        ) from None


def _pending(project: int) -> str:
    return f"pending-{project}"


def _forced(project: int) -> str:
    return f"forced-{project}"


def main() -> None:
    """Entry point of the worker."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        Jobs(load()).work()
    except CruxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    # the queue names a job by its module: the serving process must find the same name there
    from backend import jobs

    jobs.main()
