"""The composer of the choice: run the steps of a round, and go on where it was cut off.

    pool -> embed -> label -> choose (boundary, cluster, pair, budget, audit) -> push, then experts

What a step made is found again: vectors and beliefs in their caches, the order of the round in its
file, pushed tasks in Label Studio. So a round that was killed is simply run again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from selection.allowance import allowance
from selection.backend_client import BackendClient, Scores
from selection.choose import Plan, choose, drawn
from selection.collect import Collected, collect
from selection.config import Settings
from selection.confusion import Earlier
from selection.embed import embed, embed_pool
from selection.errors import PoolError, ProjectError, RoundError, SettingError
from selection.label import BATCH, fixed, label
from selection.lock import alone
from selection.order import Order, make_order, rebuilt, require_same_draw
from selection.outcome import (
    Outcome,
    Waiting,
    fewer,
    finishing,
    held,
    last_version,
    pushed,
    waiting,
    worker_at_work,
)
from selection.permanent import permanent
from selection.policy import policy_hash
from selection.pool_sample import PoolSample
from selection.pool_source import read_pool
from selection.preannotation import earned
from selection.push import push_patiently, tab_title
from selection.record import ProjectState
from selection.second import second_chance
from selection.status import Status, status
from selection.studio.api import Project, Studio, Task
from selection.twin import ask_fewer
from selection.types import Beliefs, Doubles, Pool
from selection.vectors import Vectors
from selection.words import by_words


@dataclass(frozen=True)
class _Labelled:
    """The project in which experts label, as it was read once for the whole round."""

    project: Project
    tasks: list[Task]
    collected: Collected


class Rounds:
    """A project's loop, seen from the side that chooses.

    on_progress: called with (step, done, total); a total of 0 is a plain message.
    """

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        backend: BackendClient,
        on_progress: Callable[[str, int, int], None],
    ) -> None:
        if not settings.project:
            raise SettingError("No project is set. Give its number: --project N or CRUX_PROJECT.")
        self.settings = settings
        self.studio = studio
        self.backend = backend
        self.on_progress = on_progress
        self.folder = settings.home / "rounds" / str(settings.project)

    def status(self) -> Status:
        """Return the table: what was bought, what it gave, what is still open."""
        return self.everything()[2]

    def everything(self) -> tuple[Project, Collected, Status]:
        """Return the project, what was bought, and the table."""
        state = self._state()
        labelled = self._read_project(state)
        return labelled.project, labelled.collected, self._status(labelled, state)

    def progress(self) -> Waiting:
        """Return what the newest round waits for: experts or the worker."""
        state = self._state()
        if state.training.busy:  # no need to ask Label Studio meanwhile
            return worker_at_work(state.training)
        labelled = self._read_project(state, quiet=True)
        return waiting(self._status(labelled, state))

    def round(self, *, anyway: bool = False, new_policy: bool = False) -> Outcome:
        """Push the next round if the last one is finished; otherwise say what is missing.

        anyway: go on even if the stop rule says stop. new_policy: although the policy has changed.
        """
        with alone(self.folder, self.settings.project):
            state = self._state()
            labelled = self._read_project(state)
            resumed = self._resume(labelled)
            if resumed is not None:
                return resumed
            now = self._status(labelled, state)
            experts = self.settings.experts
            texts = ask_fewer(self.studio, labelled.tasks, labelled.collected, experts)
            if texts:
                self.backend.check(labelled.project.id)
                return fewer(now, texts, experts)
            return held(now, anyway, new_policy) or self._next(labelled, state, now)

    def finish(self) -> Outcome:
        """Ask for the loop's last version, once the newest round is measured."""
        with alone(self.folder, self.settings.project):
            state = self._state()
            now = self._status(self._read_project(state), state)
            if now.open_round is None:
                raise RoundError("There is nothing to learn from yet. Run crux round first.")
            unfinished = held(now, anyway=True, new_policy=True)
            if unfinished is not None:
                return unfinished
            self.backend.last(self.settings.project)
            return finishing(now)

    def finishing(self) -> Waiting:
        """Return how far the last version is."""
        state = self._state()
        if state.training.busy:
            return worker_at_work(state.training)
        return last_version(state)

    def _status(self, labelled: _Labelled, state: ProjectState) -> Status:
        users = set(self.studio.people().values())
        return status(self.settings, labelled.project, labelled.collected, state, users)

    def _read_project(self, state: ProjectState, quiet: bool = False) -> _Labelled:
        def on_page(done: int, total: int) -> None:
            if done < total and not quiet:  # a single page needs no message
                self.on_progress("reading tasks", done, total)

        project = self.studio.project(self.settings.project)
        tasks = self.studio.tasks(project.id, project.schema, on_page)
        collected = collect(tasks, project.schema, imported=state.count_imported)
        return _Labelled(project, tasks, collected)

    def _state(self) -> ProjectState:
        return self.backend.project(self.settings.project)

    # resume

    def _resume(self, labelled: _Labelled) -> Outcome | None:
        """Finish a push that was cut off: its file is there and its tab is not."""
        last = labelled.collected.last_round
        tabs = self.studio.tabs(labelled.project.id)
        for round in (last + 1, last):
            if round < 0 or tab_title(round) in tabs:
                continue
            order = self._saved_order(labelled.project, round)
            if order is None and round != last:
                continue
            new = self._push(labelled, order or rebuilt(labelled.collected, round))
            message = f"Round {round} was cut off; its last {new} tasks are pushed now."
            return Outcome("resumed", round, message, new)
        return None

    def _file(self, round: int) -> Path:
        return self.folder / f"round-{round}.json"

    def _saved_order(self, project: Project, round: int) -> Order | None:
        """Load the round's file, if there is one and its labels are still those of the project."""
        if not self._file(round).is_file():
            return None
        order = Order.load(self._file(round))
        fits = all(set(card.belief) == set(project.schema.labels) for card in order.cards)
        return order if fits else None

    # push

    def _push(self, labelled: _Labelled, order: Order) -> int:
        new = push_patiently(
            self.studio, labelled.project, order, labelled.tasks, self.on_progress
        )
        # the last verdict may have come before the push was complete, and makes no event again
        self.backend.check(labelled.project.id)
        self._show_predictions(labelled, order)
        return new

    def _show_predictions(self, labelled: _Labelled, order: Order) -> None:
        """Let experts see the pre-annotations that the round was pushed with, if it has any."""
        version = order.cards[-1].version if order.cards else ""
        new = any(card.version == version and not card.blind for card in order.cards)
        known = any(p.version == version for task in labelled.tasks for p in task.predictions)
        if new or known:
            self.studio.set_model_version(labelled.project.id, version)

    # next

    def _next(self, labelled: _Labelled, state: ProjectState, now: Status) -> Outcome:
        project, collected = labelled.project, labelled.collected
        round = collected.last_round + 1
        require_same_draw(self.settings, collected)
        pool = read_pool(
            self.settings, self.studio, project, self.folder / "aside.jsonl", self.on_progress
        )
        bought = collected.bought.rows(pool)
        if bought.all():
            raise PoolError(
                f"All {len(pool)} texts of the pool are bought. Add rows to {self.settings.pool}, "
                f"or stop here."
            )
        vectors = embed_pool(
            pool.texts.tolist(),
            embedder=self.settings.embedder,
            home=self.settings.home,
            on_progress=lambda done, total: self.on_progress("embedding the pool", done, total),
        )
        beliefs = self._beliefs(pool, vectors, labelled)
        self.on_progress("choosing", 0, 1)
        newest = state.rounds[-1] if state.rounds else None
        second = second_chance(newest, self.settings.audit_per_round, self.settings.experts_width)
        per_round, audited = allowance(self.settings, now.labels_bought, second)
        trained = any(one.version == beliefs.version for one in state.versions if one.round >= 0)
        plan = Plan(
            round,
            trained,
            bought,
            collected.inclusion(pool),
            per_round,
            audited,
            self.settings.audit_reserve,
            self.settings.seed,
        )
        rows, weight = drawn(pool, beliefs, plan, always=fixed(self.settings.read_limit))
        texts = tuple(map(str, pool.texts[rows]))
        self.backend.sample(project.id, PoolSample(texts, tuple(weight.tolist())))
        words = None if trained else self._words(project, vectors)
        choice, sample = choose(
            pool, vectors, beliefs, plan, words=words, earlier=Earlier(*collected.regions(pool))
        )
        if not len(choice):
            raise PoolError(
                f"Nothing is left to buy: {int(bought.sum())} of {len(pool)} texts are bought, and "
                f"the rest is the audit's reserve. Add rows to the pool, or stop here."
            )
        scores = list(self._read(pool.texts[choice.row].tolist()))
        order = make_order(
            round, pool, choice, sample, scores, self.settings,
            policy=policy_hash(project.policy, project.schema.labels),
            visible=earned(state, self.settings.preannotate_above),
            second=second,
        )  # fmt: skip
        order.save(self._file(round))
        new = self._push(labelled, order)
        return pushed(order, new, self.settings, now, audited)

    def _words(self, project: Project, vectors: Vectors) -> Doubles:
        """Return (n, k) how much each text speaks for each label by the policy's words."""
        return by_words(
            vectors,
            project.policy,
            project.schema.labels,
            partial(embed, embedder=self.settings.embedder, home=self.settings.home),
        )

    def _beliefs(self, pool: Pool, vectors: Vectors, labelled: _Labelled) -> Beliefs:
        beliefs = label(
            pool,
            vectors,
            self.backend,
            self.settings.project,
            number=permanent(pool.ids, self.settings.seed),
            limit=self.settings.read_limit,
            home=self.settings.home,
            taught=labelled.collected.taught(pool),
            on_progress=lambda done, total: self.on_progress("labelling the pool", done, total),
        )
        labels = labelled.project.schema.labels
        if beliefs.labels != labels:
            raise ProjectError(
                f"The backend answers with the labels {beliefs.labels}, the project has "
                f"{labels}. Run the command again in a minute; if that does not help, restart the "
                f"backend."
            )
        return beliefs

    def _read(self, texts: Sequence[str]) -> Iterator[Scores]:
        """Have the model read the chosen texts, so that no card holds a belief of the surrogate's.

        In parts, since the backend takes only so many texts at once.
        """
        for start in range(0, len(texts), BATCH):
            yield self.backend.score(self.settings.project, texts[start : start + BATCH])
            self.on_progress("reading the chosen", min(start + BATCH, len(texts)), len(texts))
