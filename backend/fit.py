"""The other composer: a complete round -> a trained, measured and perhaps promoted version.

    collect -> ledger, twins (the next person's tasks)
            -> due -> examples (majority) -> candidate (train) -> evaluate (promote or refuse)
            -> record -> publish (pointer, predictions in Label Studio)

The output of each step is found again after a kill: a version by its name, a record by its round,
predictions by their version. So running `Fit.run` twice does nothing twice.
"""

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from backend.candidate import Candidates
from backend.config import BackendSettings
from backend.due import due
from backend.engine.scorer import Scorer
from backend.evaluate import Promotion, compare, measure
from backend.examples import too_little, training_examples
from backend.predict import Predictor
from backend.publish import Publisher
from backend.train import Trained, train
from backend.versions import ledger
from backend.versions.in_force import fits, in_force, replaceable
from backend.versions.manifest import Manifest
from backend.versions.prompted import prompted
from backend.versions.registry import Registry, make_registry
from selection.collect import Collected, collect
from selection.corrections import changed_since
from selection.errors import RoundError, VersionError
from selection.policy import policy_hash
from selection.record import Record, TrainingState
from selection.studio.api import Project, Studio
from selection.twin import push_twins

log = logging.getLogger(__name__)
MOST = 6  # problems in a line of the log: one for each reason
SETTLE = timedelta(seconds=60)  # without another correction before a round is measured again


class Fit:
    """Runs the steps for one project at a time; one worker process owns it."""

    def __init__(
        self,
        settings: BackendSettings,
        studio: Studio,
        make_scorer: Callable[[], Scorer],
        train: Callable[..., Trained] = train,
        registry: Registry | None = None,
    ) -> None:
        """registry: that of the settings' home if None. Raises SettingError."""
        self.settings = settings
        self.studio = studio
        self.registry = registry or make_registry(settings)
        self._predictor = Predictor(settings.home, self.registry, make_scorer)
        self._candidates = Candidates(settings, self.registry, self._predictor, train)
        self._publisher = Publisher(settings, studio, self.registry, self._predictor)
        self._logged: dict[int, Hashable] = {}  # project -> what was logged of it
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
            self._publisher.publish(project, tasks, records[-1])
            # read the predictions that were imported just now, or they would be imported again
            tasks = self.studio.tasks(project_id, project.schema)
            records = self._records(project_id)
        collected = collect(tasks, project.schema, imported=self.settings.count_imported)
        self._log_problems(project_id, collected)
        policy = policy_hash(project.policy, project.schema.labels)
        there = {one.id for task in tasks for one in task.annotations}
        paid = ledger.note(self.registry, project_id, collected, there, policy)
        self._push_twins(project, collected)
        round = due(
            project_id, collected, records, bought=paid.verdicts,
            train_after=self.settings.train_after, forced=forced, tabs=self.studio.tabs,
            settled_at=datetime.now(UTC) - SETTLE,
        )  # fmt: skip
        if round is None:
            self._publisher.follow(project, tasks)
            if _nothing_waits(collected, records):
                self._finished[project_id] = _state_of(project)
            return None
        record = self._round(project, collected.until(round), round, records, paid.verdicts)
        return self._publisher.publish(project, tasks, record)

    def last(self, project_id: int) -> Record:
        """Make the loop's last version, which learns from every verdict, the audit's too.

        It takes over unmeasured: its kappa is quoted as that of the version before it. Raises
        CruxError; run again, it goes on where it stopped.
        """
        project = self.studio.project(project_id)
        tasks = self.studio.tasks(project_id, project.schema)
        collected = collect(tasks, project.schema, imported=self.settings.count_imported)
        records = self._records(project_id)
        round = collected.last_round
        newest = records[-1] if records else None
        if newest is None or newest.round != round or not (newest.complete and newest.settled):
            raise RoundError(f"Round {round} is not measured yet; the last version comes after it.")
        examples = training_examples(collected, last=True)
        version = self._candidates.last(project, collected, examples, round)
        self.registry.promote(project_id, version.version)
        record = replace(newest, final=version.version)
        self.registry.save_record(project_id, record)
        self._publisher.follow(project, tasks)
        return record

    def _push_twins(self, project: Project, collected: Collected) -> None:
        """Ask the next person about each text that waits for another verdict."""
        pushed = push_twins(self.studio, project, collected)
        if pushed:
            log.info("project %s: %s texts wait for the next person now", project.id, pushed)

    def _log_problems(self, project: int, collected: Collected) -> None:
        """Log what cannot count, when there is a new kind of it and not at every look."""
        problems = collected.problems
        kinds = frozenset(one.reason for one in collected.left_out), len(problems)
        if problems and self._logged.get(project) != kinds:
            more = f" ({len(problems) - MOST} more.)" if len(problems) > MOST else ""
            log.warning("project %s: %s%s", project, " ".join(problems[:MOST]), more)
        self._logged[project] = kinds

    def _records(self, project: int) -> list[Record]:
        """Return the records, without an unsettled one whose version somebody deleted.

        Its round is then trained and measured again.
        """
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
        bought: int,
    ) -> Record:
        """bought: verdicts that were ever given."""
        start = prompted(
            self.registry, project.id, self.settings.llm, project.policy, project.schema.labels
        )
        told = partial(_damaged, project.id)
        found = in_force(self.registry, project.id, start.model, start.labels, told)
        current = self._measured(project.id, records, found or start) or start
        examples = training_examples(collected)
        candidate = self._candidates.make(project, collected, examples, round) or current
        self.registry.set_training(
            project.id, TrainingState("evaluating", f"measuring {candidate.version}")
        )
        read = partial(self._predictor.beliefs, project.id)
        seed, resamples = self.settings.seed, self.settings.resamples
        if examples.enough:
            decision = compare(
                collected, read, candidate.version, current.version, seed, resamples,
                replaceable=replaceable(self.registry, project.id, current),
            )  # fmt: skip
        else:
            decision = Promotion(
                False, f"{current.version} stays: {too_little(collected, examples)}"
            )
        winner = candidate if decision.promoted else current
        log.info("project %s round %s: %s", project.id, round, decision.reason)
        earlier = self._earlier(project.id, records, round, start)
        measured = measure(
            collected,
            read,
            round=round,
            version=winner.version,
            start=start.version,
            before=self._before(records, round, start, earlier),
            earlier=earlier,
            patience=self.settings.patience,
            seed=seed,
            resamples=resamples,
            sample=self.registry.sample(project.id),
        )
        record = Record(
            round=round,
            complete=collected.complete(round),
            labels=len(examples.items),
            labels_bought=bought,
            version=winner.version,
            candidate=candidate.version,
            promoted=decision.promoted,
            promotion=decision.reason,
            ties=examples.ties,
            train_seconds=candidate.seconds if examples.enough else 0.0,
            settled=False,
            policy=policy_hash(project.policy, project.schema.labels),
            verdicts=collected.digest,
            start=start.version,
            # what is still in force is still quoted by this round
            final="" if decision.promoted else self._final(records, round),
            **vars(measured),
        )
        self.registry.save_record(project.id, record)
        return record

    @staticmethod
    def _final(records: Sequence[Record], round: int) -> str:
        """Return the last version that the round has had, if it is measured again."""
        return next((one.final for one in records if one.round == round), "")

    def _measured(
        self, project: int, records: Sequence[Record], current: Manifest
    ) -> Manifest | None:
        """Return the version in force, or the one before it if it has learned from the audit."""
        before = next((r.version for r in records if r.final == current.version), None)
        return current if before is None else self._intact(project, before)

    def _intact(self, project: int, version: str) -> Manifest | None:
        """Return a version to compare with, None if it is missing or damaged."""
        try:
            return self.registry.intact(project, version)
        except VersionError as error:
            _damaged(project, error)
            return None

    def _earlier(
        self, project: int, records: Sequence[Record], round: int, start: Manifest
    ) -> dict[int, str]:
        """Return round -> the version in force after it, for those that can still be compared.

        With other labels or another base model it answers another question.
        """
        there = {r.round: self._intact(project, r.version) for r in records if r.round < round}
        return {
            number: one.version
            for number, one in there.items()
            if one and fits(one, start.model, start.labels)
        }

    def _before(
        self, records: Sequence[Record], round: int, start: Manifest, earlier: Mapping[int, str]
    ) -> str | None:
        """Return the version that was in force `patience` rounds before this one, if any."""
        rounds = [one.round for one in records if one.round < round]
        back = self.settings.patience
        if len(rounds) + 1 < back:
            return None
        return start.version if len(rounds) < back else earlier.get(rounds[-back])


def _state_of(project: Project) -> Hashable:
    """Return what differs once a task or an annotation is added, or the project is set anew."""
    return project.tasks, project.annotations, project.config_xml, project.policy


def _nothing_waits(collected: Collected, records: Sequence[Record]) -> bool:
    """Return whether the newest round, if there is one, is answered, measured and settled."""
    last = collected.last_round
    return last < 0 or (
        collected.complete(last) and bool(records) and records[-1].round == last
        and records[-1].complete and records[-1].settled
        and not changed_since(collected, records)
    )  # fmt: skip


def _damaged(project: int, error: VersionError) -> None:
    log.error("project %s: %s Nothing is compared with it.", project, error)
