"""The durable queue, and the worker that trains: `python -m backend.jobs`.

Events only say "look": ten thousand of them leave one job in the queue. A look is also taken at
the worker's start and every minute, so an event that never came (Label Studio sends it once,
with a second of patience) costs a minute and not a round.
"""

import logging
import sys
import uuid

from huey import SqliteHuey, crontab

from backend.config import Settings, load
from backend.fit import Fit
from backend.offline import resolve
from backend.registry import Registry
from backend.scorer import Scorer
from selection.errors import CruxError, StudioDown
from selection.studio import Studio

log = logging.getLogger(__name__)

GATHER = 2  # seconds in which the events of busy experts make one look


class Jobs:
    """The queue of one home folder. `look` is all that the serving process needs."""

    def __init__(self, settings: Settings) -> None:
        settings.home.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.huey = SqliteHuey("crux", filename=str(settings.home / "queue.db"), results=False)
        self._job = self.huey.task(name="look")(self._look)
        self._made: Fit | None = None

    def look(self, project: int, forced: bool = False) -> None:
        """Ask the worker to see whether the project has something to train on. Milliseconds.

        forced: train on what is there (Start Training).
        """
        Registry(self.settings.home).folder(project).mkdir(parents=True, exist_ok=True)
        storage = self.huey.storage
        if forced:
            storage.put_data(_forced(project), uuid.uuid4().bytes)
        if storage.put_if_empty(_pending(project), b"1"):
            self._job.schedule((project,), delay=0 if forced else GATHER)

    def work(self) -> None:
        """Run the worker in this process until it is ended."""
        registry = Registry(self.settings.home)
        for project in registry.projects():
            registry.sweep(project)
            registry.set_training(project, "idle")

        def look_at_all() -> None:
            for project in registry.projects():
                self._look(project)

        self.huey.periodic_task(crontab(minute="*"), name="look-at-all")(look_at_all)
        for project in registry.projects():
            self._job(project)
        log.info("worker is ready; queue %s", self.settings.home / "queue.db")
        self.huey.create_consumer(workers=1, periodic=True, initial_delay=0.05, max_delay=1.0).run()

    def _look(self, project: int) -> None:
        storage = self.huey.storage
        # cleared before the project is read: an event during the reading makes another job
        storage.pop_data(_pending(project))
        forced = storage.peek_data(_forced(project))
        wanted = isinstance(forced, bytes)
        registry = Registry(self.settings.home)
        try:
            self._fit().run(project, forced=wanted)
            registry.set_training(project, "idle")
        except StudioDown as error:
            log.warning("project %s: %s The worker looks again within a minute.", project, error)
            registry.set_training(project, "waiting", str(error))
            return
        except CruxError as error:
            log.error("project %s: %s", project, error)
            registry.set_training(project, "failed", str(error))
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


def make_scorer(settings: Settings) -> Scorer:
    """The model by the settings; it loads at its first use."""
    return Scorer(
        resolve(settings.llm, settings.home / "models"),
        threads=settings.threads or None,
        max_tokens=settings.max_tokens,
    )


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
