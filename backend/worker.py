"""The worker: looks at the projects that are flagged, and trains: `python -m backend.worker`.

Events only raise a flag. The worker also sweeps every minute over the projects that are not
finished, so an event that never came (Label Studio sends each once and waits one second) costs a
minute and not a round. A look that fails is repeated with exponential backoff.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import NoReturn

from backend import logs
from backend.config import BackendSettings, load
from backend.engine.scorer import Scorer, make_scorer
from backend.fit import Fit
from backend.queue.broker import open_broker
from backend.queue.jobs import Jobs
from backend.queue.upgrade import take_over
from backend.versions.registry import Registry, make_registry
from selection.errors import BackendError, CruxError, StudioDown, StudioError, VersionError
from selection.record import TrainingState
from selection.studio.api import Studio

log = logging.getLogger(__name__)

NICE = 10  # priority: annotators wait for the backend on this machine, nobody for a training
POLL = 0.2  # seconds between two readings of the flags
GATHER = 2.0  # seconds in which the events of busy experts make one look
SWEEP = 60.0  # seconds between two sweeps, and before the first repetition of what failed
LONGEST = 3_600.0  # seconds of backoff at most
UNEXPECTED = "The worker met an unexpected error; its log has the details."


@dataclass(frozen=True)
class _Retry:
    """A look that is to be repeated. at: when, by the worker's clock. failures: in a row.

    held: events do not bring it forward, because each would repeat a training that fails.
    """

    at: float
    failures: int
    held: bool


class Worker:
    """The one process of an installation that trains."""

    def __init__(
        self,
        settings: BackendSettings,
        fit: Fit | None = None,
        clock: Callable[[], float] = time.monotonic,
        scorer: Callable[[], Scorer] | None = None,
    ) -> None:
        """fit: made from the settings if None. scorer: of a server whose model it uses.

        Raises BackendError, SettingError as Jobs does.
        """
        self.settings = settings
        self.jobs = Jobs(settings)
        self.registry = make_registry(settings, self.jobs.lease.confirm)
        self._given_fit = fit
        self._scorer = scorer
        self._clock = clock
        self._first_seen: dict[int, float] = {}  # of the `look` flags that are up
        self._retries: dict[int, _Retry] = {}
        self._next_sweep = clock()
        self._away = False  # whether the queue has not answered

    @cached_property
    def fit(self) -> Fit:
        """The composer, with its real parts unless others were given."""
        return self._given_fit or make_fit(self.settings, self.registry, self._scorer)

    def work(self) -> NoReturn:
        """Look at projects until the process is ended by SIGTERM or SIGINT.

        Beside another worker it raises BackendError, or with Redis stands by. Raises SettingError
        for a setting that no look could use.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        self.stay()

    def stay(self) -> NoReturn:
        """Look at projects for as long as the process lives. Raises as work does."""
        assert self.fit  # noqa: S101  (a bad setting is told before anything is begun)
        with self.jobs.lease:
            self._begin()
            log.info("worker is ready; queue %s", self.jobs.flags.place)
            while True:
                # an unexpected error ends this thread, with its trace in the log; another goes on
                looking = threading.Thread(target=self._turns, name="look", daemon=True)
                looking.start()
                while looking.is_alive():
                    looking.join(1.0)

    def turn(self) -> None:
        """Look once at every project that is due."""
        for project, swept in self._due().items():
            self._look(project, swept)

    def _turns(self) -> None:
        while True:
            self.turn()
            time.sleep(POLL)

    def _begin(self) -> None:
        with suppress(BackendError):
            take_over(self.jobs.flags, self.settings.home, open_broker(self.settings.queue_url))
        for project in self.registry.projects():
            self.registry.sweep(project)
            left = self.registry.training(project)
            if left.busy:
                log.warning(
                    "project %s: the worker ended in the middle of %s (%s); this one goes on from "
                    "what is saved", project, left.state, left.message,
                )  # fmt: skip
            self.registry.set_training(project, TrainingState())

    # which projects

    def _due(self) -> dict[int, bool]:
        """Project -> whether it is only swept, in the order in which they are looked at."""
        try:
            raised = self.jobs.flags.raised()
        except BackendError as error:
            self._queue_is_away(error)
            return {}
        if self._away:
            self._away = False
            log.info("the queue %s answers again", self.jobs.flags.place)
        now = self._clock()
        self._first_seen = {p: self._first_seen.get(p, now) for p in raised["look"]}
        flagged = {
            project
            for project, since in self._first_seen.items()
            if now - since >= GATHER and not self._held(project)
        }
        again = {project for project, retry in self._retries.items() if retry.at <= now}
        swept: set[int] = set()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP
            swept = raised["training"].union(self.registry.projects()) - self._retries.keys()
        last = {project for project in raised["last"] if project not in self._retries}
        wanted = [*sorted(raised["train"]), *sorted(flagged | again | last)]
        return {**dict.fromkeys(wanted, False), **dict.fromkeys(sorted(swept - {*wanted}), True)}

    def _held(self, project: int) -> bool:
        retry = self._retries.get(project)
        return retry is not None and retry.held

    def _queue_is_away(self, error: BackendError) -> None:
        """The worker waits for a queue that is away; the log says so once."""
        if not self._away:
            self._away = True
            log.warning("%s The worker waits for it.", error)

    # one of them

    def _look(self, project: int, swept: bool) -> None:
        try:
            # before the project is read: an event during the look raises the flag again
            self.jobs.flags.clear(project, "look")
            forced = self.jobs.flags.take_up(project)
        except BackendError as error:
            self._queue_is_away(error)
            return
        failure: CruxError | None = BackendError(UNEXPECTED)
        expected = False
        try:
            self.fit.run(project, forced=forced, only_if_changed=swept and not forced)
            if self.jobs.flags.has(project, "last"):
                self.fit.last(project)
                self.jobs.flags.clear(project, "last")
            failure, expected = None, True
        except CruxError as error:
            failure, expected = error, True
        finally:
            try:
                self._conclude(project, failure, expected)
            except CruxError as error:  # the home's disk is full, or the queue went away
                log.warning("%s The worker looks again within a minute.", error)

    def _conclude(self, project: int, failure: CruxError | None, expected: bool) -> None:
        """Say how the look ended, lower its flags, and plan the next try."""
        before = self.registry.training(project)
        known = self.registry.folder(project).is_dir()
        if failure is None:
            self._retries.pop(project, None)
            self.jobs.flags.clear(project, "training")
            self._say(project, before, TrainingState())
        elif isinstance(failure, StudioDown):
            log.warning("project %s: %s The worker looks again within a minute.", project, failure)
            self._retry(project, SWEEP, 0, held=not known)
            if known:
                self._say(project, before, TrainingState("waiting", str(failure)))
            else:  # no folder for a number that a stranger may have sent
                self.jobs.flags.set(project, "look")
        elif isinstance(failure, StudioError) and not known:
            self._retries.pop(project, None)
            self.jobs.flags.clear(project, "training")
            log.error("project %s: %s", project, failure)
        else:
            self._failed(project, before, failure, expected)

    def _failed(
        self, project: int, before: TrainingState, failure: CruxError, expected: bool
    ) -> None:
        last = self._retries.get(project)
        failures = (last.failures if last else 0) + 1
        delay = min(SWEEP * 2 ** (failures - 1), LONGEST)
        self._retry(project, delay, failures, held=before.busy or not expected)
        if expected and str(failure) != before.message:  # once, and not at every try
            log.error("project %s: %s", project, failure)
        # what heals by itself is tried again as it was asked for; anything else is not
        if expected and not isinstance(failure, (VersionError, BackendError)):
            self.jobs.flags.clear(project, "training")
            self.jobs.flags.clear(project, "last")
        at = (datetime.now(UTC) + timedelta(seconds=delay)).isoformat(timespec="seconds")
        self._say(
            project, before,
            TrainingState("failed", str(failure), failures=failures, next_try=at),
        )  # fmt: skip

    def _retry(self, project: int, delay: float, failures: int, held: bool) -> None:
        self._retries[project] = _Retry(self._clock() + delay, failures, held)

    def _say(self, project: int, before: TrainingState, now: TrainingState) -> None:
        if now != before:
            self.registry.set_training(project, now)


def make_fit(
    settings: BackendSettings, registry: Registry, scorer: Callable[[], Scorer] | None = None
) -> Fit:
    """Return the composer with its real parts. scorer: made from the settings if None."""
    studio = Studio(settings.studio_url, settings.studio_token.get_secret_value())
    # no answers in memory: what the worker asks twice is on disk (predict.py)
    own = partial(make_scorer, settings, answers=0)
    return Fit(settings, studio, scorer or own, registry=registry)


def work_beside(settings: BackendSettings, scorer: Callable[[], Scorer]) -> None:
    """Start a worker in this process, in a thread, with the model that serves.

    Beside another worker, and for a setting that no look could use, it logs why and ends.
    """

    def stay() -> None:
        try:
            Worker(settings, scorer=scorer).stay()
        except CruxError as error:
            log.critical("This server trains nothing: %s", error)

    threading.Thread(target=stay, name="worker", daemon=True).start()


def step_back() -> None:
    """Lower this process's priority to NICE; one that is lower already stays as it is."""
    if os.getpriority(os.PRIO_PROCESS, 0) < NICE:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def main() -> None:
    """Run the worker; an error that a person can meet is one sentence."""
    try:
        settings = load()
        logs.configure(settings)
        step_back()
        Worker(settings).work()
    except CruxError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
