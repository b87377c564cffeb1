"""The other composer: a complete round -> a trained, measured and perhaps promoted version.

    collect -> due -> learn (majority) -> candidate (train) -> evaluate (align, promote or refuse)
            -> record -> settle (pointer, predictions in Label Studio)

Each step's output is found again after a kill: a version by its name, a record by its round,
predictions by their version. So running it twice does nothing twice.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Sequence
from functools import partial

from backend.candidate import Candidates
from backend.config import Settings
from backend.engine.scorer import Scorer
from backend.evaluate import Promotion, ground, measure, promotion
from backend.examples import Lesson, learn, too_little
from backend.predict import Reader
from backend.publish import Settle
from backend.train import Trained, train
from backend.versions.in_force import fits, in_force
from backend.versions.prompted import prompted
from backend.versions.registry import Manifest, Registry, make_registry
from selection.collect import Collected, collect
from selection.errors import RoundError, VersionError
from selection.push import tab_title
from selection.record import Record, TrainingState
from selection.studio.api import Project, Studio
from selection.types import Ints

log = logging.getLogger(__name__)


class Fit:
    """Runs the steps for one project at a time. One worker process owns it."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        make_scorer: Callable[[], Scorer],
        train: Callable[..., Trained] = train,
        registry: Registry | None = None,
    ) -> None:
        """registry: that of the settings' home if None. Raises SettingError."""
        self.settings = settings
        self.studio = studio
        self.registry = registry or make_registry(settings)
        self._reader = Reader(self.registry, make_scorer)
        self._candidates = Candidates(settings, self.registry, self._reader, train)
        self._settle = Settle(settings, studio, self.registry, self._reader)
        self._named: dict[int, tuple[str, ...]] = {}
        self._finished: dict[int, Hashable] = {}  # project -> what Label Studio told of it then

    def run(
        self, project_id: int, forced: bool = False, only_if_changed: bool = False
    ) -> Record | None:
        """Train and measure if there is something to; return the round's record, or None.

        forced: train on all verdicts that are there, whether the round is complete or not.
        only_if_changed: read no task of a project that was finished at the last run and that
        Label Studio tells unchanged. Raises CruxError; run again, it goes on where it stopped.
        """
        project = self.studio.project(project_id)
        if only_if_changed and self._finished.get(project_id) == _state_of(project):
            return None
        self._finished.pop(project_id, None)
        tasks = self.studio.tasks(project_id, project.schema)
        records = self._records(project_id)
        if records and not records[-1].settled:
            self._settle.run(project, tasks, records[-1])
            # with the predictions that they have got now: they are not imported twice
            tasks = self.studio.tasks(project_id, project.schema)
            records = self._records(project_id)
        collected = collect(tasks, project.schema)
        self._name(project_id, collected.problems)
        round = due(
            project_id, collected, records,
            train_after=self.settings.train_after, forced=forced, tabs=self.studio.tabs,
        )  # fmt: skip
        if round is None:
            self._settle.follow(project, tasks)
            if _nothing_waits(collected, records):
                self._finished[project_id] = _state_of(project)
            return None
        record = self._round(project, collected.until(round), round, records)
        return self._settle.run(project, tasks, record)

    def _name(self, project: int, problems: tuple[str, ...]) -> None:
        """Say what could not count, when it is new: a renamed label makes thousands of them."""
        if problems and self._named.get(project) != problems:
            more = f" ({len(problems) - 1} more like it.)" if len(problems) > 1 else ""
            log.warning("project %s: %s%s", project, problems[0], more)
        self._named[project] = problems

    def _records(self, project: int) -> list[Record]:
        """One that is unsettled and whose version somebody deleted is none: the round is done
        again."""
        return [
            record
            for record in self.registry.records(project)
            if record.settled or self.registry.has(project, record.version)
        ]

    def _round(
        self,
        project: Project,
        collected: Collected,
        round: int,
        records: Sequence[Record],
    ) -> Record:
        start = prompted(
            self.registry, project.id, self.settings.llm, project.policy, project.schema.labels
        )
        told = partial(_damaged, project.id)
        found = in_force(self.registry, project.id, start.model, start.labels, told)
        current = found or start
        lesson = learn(collected)
        candidate = self._candidates.make(project, collected, lesson, round) or current
        self.registry.set_training(
            project.id, TrainingState("evaluating", f"measuring {candidate.version}")
        )
        predict = self._reader.predictor(project.id)
        seed, resamples = self.settings.seed, self.settings.resamples
        decision = self._compare(collected, predict, lesson, candidate, current)
        winner = candidate if decision.promoted else current
        log.info("project %s round %s: %s", project.id, round, decision.reason)
        measured = measure(
            collected,
            predict,
            version=winner.version,
            start=start.version,
            before=self._before(project.id, records, round, start),
            patience=self.settings.patience,
            seed=seed,
            resamples=resamples,
        )
        record = Record(
            round=round,
            complete=collected.complete(round),
            labels=len(lesson.items),
            labels_bought=collected.labels_bought,
            version=winner.version,
            candidate=candidate.version,
            promoted=decision.promoted,
            promotion=decision.reason,
            ties=lesson.ties,
            train_seconds=candidate.seconds if lesson.enough else 0.0,
            settled=False,
            **vars(measured),
        )
        self.registry.save_record(project.id, record)
        return record

    def _intact(self, project: int, version: str) -> Manifest | None:
        """A version that can be compared with; None if it is missing or damaged."""
        try:
            return self.registry.intact(project, version)
        except VersionError as error:
            _damaged(project, error)
            return None

    def _before(
        self,
        project: int,
        records: Sequence[Record],
        round: int,
        start: Manifest,
    ) -> str | None:
        """The version that was in force `patience` rounds before this one."""
        earlier = [one for one in records if one.round < round]
        back = self.settings.patience
        if len(earlier) + 1 < back:
            return None
        if len(earlier) < back:
            return start.version
        # one with other labels or another base model cannot be compared with the one of now
        there = self._intact(project, earlier[-back].version)
        return there.version if there and fits(there, start.model, start.labels) else None

    def _compare(
        self,
        collected: Collected,
        predict: Callable[[str, Sequence[str]], Ints],
        lesson: Lesson,
        candidate: Manifest,
        current: Manifest,
    ) -> Promotion:
        if not lesson.enough:
            return Promotion(
                False, f"{current.version} stays: {too_little(collected, lesson)}"
            )
        if candidate.version == current.version:
            return Promotion(True, f"{candidate.version} stays: the same labels give the same.")
        gains = []
        for role in ("audit", "boundary"):
            area = ground(collected, role, self.settings.seed, self.settings.resamples)
            before, after = (
                predict(current.version, area.texts),
                predict(candidate.version, area.texts),
            )
            gains.append(area.gain(before, after))
        return promotion(candidate.version, current.version, gains[0], gains[1])


def _state_of(project: Project) -> Hashable:
    """Return what differs once a task or an annotation is added, or the project is set anew."""
    return project.tasks, project.annotations, project.config_xml, project.policy


def _nothing_waits(collected: Collected, records: Sequence[Record]) -> bool:
    """Return whether the newest round, if there is one, is answered, measured and settled."""
    last = collected.last_round
    return last < 0 or (
        collected.complete(last) and bool(records) and records[-1].round == last
        and records[-1].complete and records[-1].settled
    )  # fmt: skip


def _damaged(project: int, error: VersionError) -> None:
    log.error("project %s: %s Nothing is compared with it.", project, error)


def due(
    project: int,
    collected: Collected,
    records: Sequence[Record],
    *,
    train_after: int,
    forced: bool,
    tabs: Callable[[int], Collection[str]],
) -> int | None:
    """The last round that is complete and has no record of being so; None if there is none.

    train_after: new verdicts after which the last round is due, complete or not; 0: never.
    forced: it is due in any case. tabs: titles of the project's tabs, asked for if they matter.
    Raises RoundError if it is forced and nothing was pushed.
    """
    last = collected.last_round
    if last < 0:
        if forced:
            raise RoundError(
                f"Project {project} has no task that Crux pushed. Run crux round first."
            )
        return None
    seen = records[-1].labels_bought if records else 0
    if forced or (train_after and collected.labels_bought - seen >= train_after):
        return last
    done = records[-1].round if records else -1
    partial = {record.round for record in records if not record.complete}
    complete = [
        round
        for round in collected.rounds
        if (round > done or round in partial) and collected.complete(round)
    ]
    if not complete:
        return None
    pushed = tabs(project)  # the tab is made when all tasks of a round are there
    return max((round for round in complete if tab_title(round) in pushed), default=None)
