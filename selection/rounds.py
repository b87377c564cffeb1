"""The composer of the choice: runs the steps of a round, and goes on where it was cut off.

    pool -> label -> embed -> choose (boundary, pair, budget, audit) -> push, and then the experts.

What a step made is found again: vectors and beliefs in their caches, the chosen round in its
file, pushed tasks in Label Studio. So a round that was killed is simply run again.
"""

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from selection import pool as pools
from selection.backend_client import Backend
from selection.card import Card
from selection.choose import Plan, choose, unlabelled
from selection.collect import Collected, collect
from selection.config import Settings
from selection.embed import embed
from selection.errors import PoolError, ProjectError, RoundError, SettingError, StudioDown
from selection.label import BATCH, label
from selection.push import Order, push, tab_title
from selection.status import Status, status
from selection.stop import Decision
from selection.studio.api import Project, Studio
from selection.types import Audit, Beliefs, Choice, Ints, Pool

Progress = Callable[[str, int, int], None]
PAUSES = (1.0, 5.0, 15.0)  # seconds before a push that Label Studio cut off is taken up again
SAMPLE = 300  # random texts by which the backend fits a new version to the pool's balance
State = Literal["pushed", "resumed", "waiting", "training", "stop"]


@dataclass(frozen=True)
class Outcome:
    """What `crux round` did or is waiting for. tasks: newly pushed ones."""

    state: State
    round: int
    message: str
    tasks: int = 0
    decision: Decision | None = None


@dataclass(frozen=True)
class Waiting:
    """What a round waits for, and how far that is. failed: it will not come by itself."""

    step: str
    done: int
    total: int
    finished: bool = False
    failed: bool = False
    message: str = ""


class Rounds:
    """A project's loop, seen from the side that chooses."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        backend: Backend,
        say: Progress,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        if not settings.project:
            raise SettingError("No project is set. Give its number: --project N or CRUX_PROJECT.")
        self.settings = settings
        self.studio = studio
        self.backend = backend
        self.say = say
        self.pauses = pauses
        self.folder = settings.home / "rounds" / str(settings.project)

    def status(self) -> Status:
        """The table: what was bought, what it gave, what is still open."""
        return self.everything()[2]

    def everything(self) -> tuple[Project, Collected, Status]:
        """The project, what was bought, and the table."""
        project = self.studio.project(self.settings.project)
        collected = self._collect(project)
        found = status(self.settings, collected, self.backend.project(project.id))
        return project, collected, found

    def progress(self) -> Waiting:
        """What the newest round waits for: experts or the worker."""
        state = self.backend.project(self.settings.project)
        training = state.training
        if training.busy:  # no need to ask Label Studio meanwhile
            return Waiting(
                f"{training.state}, {training.message}", training.done, training.total
            )
        project = self.studio.project(self.settings.project)
        collected = collect(self.studio.tasks(project.id, project.schema), project.schema)
        now = status(self.settings, collected, state)
        last = now.open_round
        if last is None or (last.measured and not last.missing):
            return Waiting("done", 1, 1, finished=True)
        if last.missing:
            return Waiting("verdicts of experts", last.asked - last.missing, last.asked)
        return Waiting(
            "the worker begins", 0, 1, failed=training.state == "failed", message=now.training_sentence
        )

    def round(self, *, anyway: bool = False) -> Outcome:
        """Push the next round if the last one is finished; otherwise say what is missing.

        anyway: go on although the stop rule says stop.
        """
        with self._alone():
            project = self.studio.project(self.settings.project)
            collected = self._collect(project)
            resumed = self._resume(project, collected)
            if resumed is not None:
                return resumed
            now = status(self.settings, collected, self.backend.project(project.id))
            held = _held(now, anyway)
            return held or self._next(project, collected, now)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `crux round` at a time on this machine; the lock ends with the process."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "lock").open("w")
        except OSError as error:
            raise SettingError(
                f"Cannot write to {self.folder}: {error.strerror or error}. Choose another folder "
                f"with the setting home."
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RoundError(
                    f"Another crux round is at work on project {self.settings.project}. "
                    f"Wait for it, or end it."
                ) from None
            yield

    def _collect(self, project: Project) -> Collected:
        def say(done: int, total: int) -> None:
            if done < total:  # one page is no news
                self.say("reading tasks", done, total)

        return collect(self.studio.tasks(project.id, project.schema, say), project.schema)

    def _file(self, round: int) -> Path:
        return self.folder / f"round-{round}.json"

    # resume

    def _resume(self, project: Project, collected: Collected) -> Outcome | None:
        """Finish a push that was cut off: its file is there and its tab is not."""
        last = collected.last_round
        tabs = self.studio.tabs(project.id)
        for round in (last + 1, last):
            if round < 0 or tab_title(round) in tabs:
                continue
            order = self._kept(project, round)
            if order is None and round != last:
                continue
            order = order or _rebuilt(collected, round)
            new = self._push(project, order)
            self._show(project, order)
            message = f"Round {round} was cut off; its last {new} tasks are pushed now."
            return Outcome("resumed", round, message, new)
        return None

    def _kept(self, project: Project, round: int) -> Order | None:
        """The round's file, if there is one and its labels are still those of the project."""
        if not self._file(round).is_file():
            return None
        order = Order.load(self._file(round))
        fit = all(set(card.belief) == set(project.schema.labels) for card in order.cards)
        return order if fit else None

    def _pushing(self, done: int, total: int) -> None:
        self.say("pushing tasks", done, total)

    def _push(self, project: Project, order: Order) -> int:
        new = 0
        for pause in (*self.pauses, None):
            try:
                new += push(self.studio, project, order, self._pushing)
                break
            except StudioDown as error:
                # pushing again pushes what is missing: a busy SQLite answers 500 now and then
                if pause is None:
                    raise StudioDown(
                        f"{error} What is pushed stays; run crux round again to go on."
                    ) from None
                self.say(f"{error} Trying again in {pause:.0f} s.", 0, 0)
                time.sleep(pause)
        # the last verdict may have come before the push was complete, and makes no event again
        self.backend.check(project.id)
        return new

    # next

    def _next(self, project: Project, collected: Collected, now: Status) -> Outcome:
        round = collected.last_round + 1
        _same_draw(self.settings, collected)
        pool = self._pool(project)
        bought = collected.bought.rows(pool)
        if bought.all():
            raise PoolError(
                f"All {len(pool)} texts of the pool are bought. Add rows to {self.settings.pool}, "
                f"or stop here."
            )
        vectors = embed(
            pool.texts.tolist(),
            embedder=self.settings.embedder,
            home=self.settings.home,
            progress=lambda done, total: self.say("embedding the pool", done, total),
        )
        beliefs = label(
            pool,
            vectors,
            self.backend,
            project.id,
            limit=self.settings.read_limit,
            home=self.settings.home,
            taught=_taught(pool, collected),
            progress=lambda done, total: self.say("labelling the pool", done, total),
        )
        if beliefs.labels != project.schema.labels:
            raise ProjectError(
                f"The backend answers with the labels {beliefs.labels}, the project has "
                f"{project.schema.labels}. Run the command again in a minute; if that does not "
                f"help, restart the backend."
            )
        self.say("choosing", 0, 1)
        plan = Plan(
            round,
            bought,
            _inclusion(pool, collected),
            self.settings.per_round,
            self.settings.audit_per_round,
            self.settings.evaluation_share,
            self.settings.audit_reserve,
            self.settings.seed,
        )
        self.backend.sample(project.id, pool.texts[unlabelled(pool, plan, SAMPLE)].tolist())
        choice, sample = choose(pool, vectors, beliefs, plan)
        if not len(choice):
            raise PoolError(
                f"Nothing is left to buy: {int(bought.sum())} of {len(pool)} texts are bought, and "
                f"the rest is the audit's reserve. Add rows to the pool, or stop here."
            )
        order = self._order(pool, choice, sample, beliefs, round)
        order.save(self._file(round))
        new = self._push(project, order)
        self._show(project, order)
        return Outcome(
            "pushed",
            round,
            f"Round {round}: {new} tasks are in the queue (tab '{tab_title(round)}'), "
            f"{sum(card.experts for card in order.cards)} verdicts are asked for.",
            new,
        )

    def _pool(self, project: Project) -> Pool:
        """Every row of the pool as it is now, so that rows added later are seen."""
        source = self.settings.pool
        if not source:
            raise SettingError("No pool is set. Give a file or folder: --pool PATH or CRUX_POOL.")
        if source.startswith("project:"):
            reading = self._project_pool(project, source.removeprefix("project:"))
        else:
            reading = pools.read(
                source,
                id_column=self.settings.id_column,
                text_column=self.settings.text_column,
                max_characters=self.settings.max_characters,
            )
        try:
            pools.keep_aside(reading, self.folder / "aside.jsonl")
        except OSError as error:
            raise PoolError(
                f"Cannot write {self.folder / 'aside.jsonl'}: {error.strerror or error}. Free "
                f"some space and run crux round again; nothing was pushed."
            ) from None
        if reading.aside:
            first = reading.aside[0]
            self.say(
                f"{len(reading.aside)} rows of the pool cannot be used, first {first.place}: "
                f"{first.reason}; all of them: {self.folder / 'aside.jsonl'}",
                0,
                0,
            )
        return reading.pool

    def _project_pool(self, project: Project, number: str) -> pools.Reading:
        if not number.isdecimal() or int(number) == project.id:
            raise SettingError(
                f"The pool 'project:{number}' must name another project than {project.id}, "
                f"which experts label: give its number, as in project:12."
            )
        other = self.studio.project(int(number))
        tasks = self.studio.tasks(other.id, other.schema)
        rows = (
            pools.Row(f"task {t.id}", f"task-{t.id}", t.data.get(other.schema.text_field))
            for t in tasks
        )
        return pools.check(
            rows, source=f"project:{number}", max_characters=self.settings.max_characters
        )

    def _order(
        self, pool: Pool, choice: Choice, sample: Audit, beliefs: Beliefs, round: int
    ) -> Order:
        """Cards for the chosen rows. The model reads each of them, so no belief is the probe's."""
        texts = [str(text) for text in pool.texts[choice.row]]
        scores = list(self._read(texts))
        stratum = dict(zip(sample.row.tolist(), sample.stratum.tolist(), strict=True))
        cards = []
        for i, row in enumerate(choice.row.tolist()):
            role, chance = str(choice.role[i]), float(choice.inclusion[i])
            predicted = stratum.get(row, int(beliefs.predicted[row]))
            cards.append(
                Card(
                    id=str(pool.ids[row]),
                    round=round,
                    order=i,
                    role=role,
                    pair=str(choice.pair[i]),
                    inclusion=None if np.isnan(chance) else chance,
                    stratum=beliefs.labels[predicted],
                    experts=1 if role == "train" else self.settings.experts,
                    version=scores[i][0],
                    belief=scores[i][1],
                    why=str(choice.why[i]),
                    seed=self.settings.seed,
                    reserve=self.settings.audit_reserve,
                )
            )
        new = {card.id for card in cards}
        chances = zip(pool.ids[sample.row], sample.inclusion.tolist(), strict=True)
        moved = {str(i): p for i, p in chances if str(i) not in new}
        return Order(round, tuple(cards), tuple(texts), moved)

    def _read(self, texts: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
        """(version, belief) of each text; in parts, since the backend takes no more at once."""
        for start in range(0, len(texts), BATCH):
            scores = self.backend.score(self.settings.project, texts[start : start + BATCH])
            for row in np.round(scores.probability, 4).tolist():
                yield scores.version, dict(zip(scores.labels, row, strict=True))
            self.say("reading the chosen", min(start + BATCH, len(texts)), len(texts))

    def _show(self, project: Project, order: Order) -> None:
        """Let experts see the pre-annotations that the round was pushed with, if it has any."""
        version = order.cards[-1].version if order.cards else ""
        tasks = self.studio.tasks(project.id, project.schema)
        if any(p.version == version for task in tasks for p in task.predictions):
            self.studio.set_model_version(project.id, version)


def _held(now: Status, anyway: bool) -> Outcome | None:
    """Why the next round must not be pushed yet, if so."""
    if now.open_round is None:
        return None
    last = now.open_round
    if last.missing:
        return Outcome(
            "waiting",
            last.round,
            f"Round {last.round} still waits for {last.missing} of {last.asked} verdicts "
            f"(tab '{tab_title(last.round)}').",
        )
    if not last.measured:
        return Outcome("training", last.round, now.training_sentence)
    if now.decision.stop and not anyway:
        return Outcome("stop", last.round, now.decision.reason, decision=now.decision)
    return None


def _same_draw(settings: Settings, collected: Collected) -> None:
    """The audit's chances are those of one seed and one reserve, for all rounds."""
    for item in collected.items:
        drawn = (item.card.seed, item.card.reserve)
        if drawn != (settings.seed, settings.audit_reserve):
            raise SettingError(
                f"seed = {settings.seed} and audit_reserve = {settings.audit_reserve} differ from "
                f"round {item.card.round}'s {drawn[0]} and {drawn[1]}. With others the audit's "
                f"chances, and so production kappa, would be wrong: set them back."
            )


def _rebuilt(collected: Collected, round: int) -> Order:
    """A round whose file is lost: what has arrived of it is the round."""
    items = [item for item in collected.items if item.card.round == round]
    return Order(round, tuple(i.card for i in items), tuple(i.text for i in items), {})


def _taught(pool: Pool, collected: Collected) -> tuple[Ints, Ints]:
    """Rows and labels that experts gave for training; tasks with several verdicts are left out."""
    position = {str(name): row for row, name in enumerate(pool.ids)}
    found = [
        (position[item.card.id], next(iter(item.verdicts.values())))
        for item in collected.role("train")
        if len(set(item.verdicts.values())) == 1 and item.card.id in position
    ]
    rows = np.array([row for row, _ in found], dtype=np.int64)
    return rows, np.array([name for _, name in found], dtype=np.int64)


def _inclusion(pool: Pool, collected: Collected) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n,) chance of each audited row, NaN elsewhere."""
    inclusion = np.full(len(pool), np.nan)
    position = {str(name): row for row, name in enumerate(pool.ids)}
    for item in collected.role("audit"):
        if item.card.id in position and item.card.inclusion is not None:
            inclusion[position[item.card.id]] = item.card.inclusion
    return inclusion
