"""The state of the loop: what was bought, what it gave, what is open, and whether to stop."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from selection.align import items_needed
from selection.annotators import Annotator, annotators, seconds_a_verdict, waits_for
from selection.collect import Collected
from selection.config import Settings
from selection.corrections import changed_since
from selection.forecast import LARGEST, texts_needed
from selection.gained import gained
from selection.policy import PolicyState, policy_state
from selection.preannotation import Habit, habits
from selection.record import ProjectState, Record, TrainingState
from selection.region_history import RegionHistory, region_histories
from selection.second import LEAST
from selection.stop import Decision, decide
from selection.studio.api import Project
from selection.wording import counted

HALF_WIDTH = 0.1  # of the interval that the forecast aims at
USUAL_KAPPA = 0.6  # of a model with experts, to plan with while there is none


@dataclass(frozen=True)
class OpenRound:
    """The newest round.

    asked, missing: verdicts. measured: a version was made and measured. waits_for: who has what
    left, in a sentence.
    """

    round: int
    asked: int
    missing: int
    measured: bool
    waits_for: str = ""


@dataclass(frozen=True)
class RoundStatus:
    """A measured round, and what the stop rule said at that moment."""

    record: Record
    decision: Decision

    def as_json(self) -> dict[str, Any]:
        """Return the record, with the decision beside it."""
        one = self.decision
        return {
            **self.record.as_json(), "decision": one.rule, "stop": one.stop, "reason": one.reason
        }  # fmt: skip


@dataclass(frozen=True)
class Status:
    """The whole state of a project's loop.

    labels_bought: verdicts that were given, also those that Label Studio no longer has. budget: of
    verdicts. gained: what the latest rounds have brought, in a sentence. people: who answers.
    seconds: median that a verdict takes; None before the first. taught, measured: verdicts in Label
    Studio by their use.
    """

    project: int
    current: str
    labels_bought: int
    rounds: tuple[RoundStatus, ...]
    open_round: OpenRound | None
    decision: Decision
    training: TrainingState
    forecast: str
    problems: tuple[str, ...]
    budget: int
    policy: PolicyState
    gained: str = ""
    people: tuple[Annotator, ...] = ()
    habits: tuple[Habit, ...] = ()
    seconds: float | None = None
    taught: int = 0
    measured: int = 0
    regions: tuple[RegionHistory, ...] = ()

    @property
    def training_sentence(self) -> str:
        """Say what the worker is doing."""
        now = self.training
        if now.state == "failed":
            return f"Training failed: {now.message}{self._next_try}"
        if now.state == "waiting":
            return f"The worker waits: {now.message}"
        if now.state == "idle":
            return "All verdicts are there; the worker has not begun yet."
        steps = f", {now.done} of {now.total}" if now.total else ""
        return f"The worker is {now.state} ({now.message}{steps})."

    @property
    def _next_try(self) -> str:
        """Say when the worker tries again; "" where nothing is planned."""
        now = self.training
        if not now.next_try:
            return ""
        at = datetime.fromisoformat(now.next_try)
        times = f"It has failed {now.failures} times in a row. " if now.failures > 1 else ""
        return f" {times}The next try is at {at:%H:%M} UTC; Start Training tries at once."

    def as_json(self) -> dict[str, Any]:
        """Return the table for programs."""
        return {
            "project": self.project,
            "current": self.current,
            "labels_bought": self.labels_bought,
            "rounds": [one.as_json() for one in self.rounds],
            "open": None
            if self.open_round is None
            else {
                "round": self.open_round.round,
                "asked": self.open_round.asked,
                "missing": self.open_round.missing,
                "measured": self.open_round.measured,
                "waits_for": self.open_round.waits_for,
            },
            "stop": self.decision.stop,
            "decision": self.decision.rule,
            "reason": self.decision.reason,
            "training": self.training.as_json(),
            "forecast": self.forecast,
            "gained": self.gained,
            "problems": list(self.problems),
            "budget": self.budget,
            "policy": {**vars(self.policy), "verdicts": dict(self.policy.verdicts)},
            "people": [vars(one) for one in self.people],
            "preselections": [one.sentence for one in self.habits],
            "seconds_a_verdict": self.seconds,
            "verdicts_that_teach": self.taught,
            "verdicts_that_measure": self.measured,
            "regions": [asdict(one) for one in self.regions],
        }


def status(
    settings: Settings,
    project: Project,
    collected: Collected,
    backend: ProjectState,
    users: Collection[str] = (),
) -> Status:
    """Combine what Label Studio holds and what the backend measured.

    users: everybody who could answer.
    """
    history = backend.rounds
    bought = max(collected.labels_bought, backend.paid.verdicts)
    newest = collected.round(collected.last_round)
    found = habits(collected)
    policy = policy_state(
        project.policy, project.schema.labels, newest[-1].card.policy if newest else "", backend
    )
    return Status(
        project=backend.project,
        current=backend.current,
        labels_bought=bought,
        rounds=tuple(
            RoundStatus(record, _decide(settings, history[: i + 1], record.labels_bought))
            for i, record in enumerate(history)
        ),
        open_round=_open(collected, history, users),
        decision=_decide(settings, history, bought),
        training=backend.training,
        forecast=_forecast(history, settings.experts, settings.budget - bought),
        gained=gained(history, backend.current, settings.delta),
        taught=sum(len(item.verdicts) for item in collected.role("train")),
        measured=sum(len(item.verdicts) for item in collected.role("audit")),
        problems=tuple(_problems(collected, backend, policy, found)),
        budget=settings.budget,
        policy=policy,
        people=annotators(collected),
        habits=found,
        seconds=seconds_a_verdict(collected),
        regions=region_histories(collected),
    )


def _problems(
    collected: Collected, backend: ProjectState, policy: PolicyState, found: Sequence[Habit]
) -> Iterator[str]:
    """Yield a sentence for everything that somebody should know or decide."""
    if policy.sentence:
        yield policy.sentence
    yield from collected.problems
    if backend.paid.gone:
        gone = backend.paid.gone
        yield (
            f"{gone} {'verdict is' if gone == 1 else 'verdicts are'} no longer in Label Studio, "
            f"since their tasks or annotations were deleted. They are paid for, and neither teach "
            f"nor measure."
        )
    if changed_since(collected, backend.rounds):
        last = backend.rounds[-1].round
        when = (
            f"they count when round {collected.last_round} is measured; Start Training takes them "
            f"in now"
            if last != collected.last_round
            else "the worker measures the round again within two minutes"
            if collected.complete(last)
            else "the worker measures the round again when what is missing now is answered; Start "
            "Training does so at once"
        )
        yield f"Verdicts were corrected, added or deleted after round {last} was measured: {when}."
    for one in found:
        if one.swayed:
            yield (
                f"{one.sentence} What stands preselected sways this expert: raise "
                f"preannotate_above or blind_share."
            )


def _decide(settings: Settings, history: Sequence[Record], bought: int) -> Decision:
    return decide(
        history,
        delta=settings.delta,
        policy_floor=settings.policy_floor,
        labels_bought=bought,
        budget=settings.budget,
        max_rounds=settings.max_rounds,
    )


def _open(
    collected: Collected, records: Sequence[Record], users: Collection[str]
) -> OpenRound | None:
    last = collected.last_round
    if last < 0:
        return None
    asked = sum(item.card.experts for item in collected.round(last))
    measured = any(r.round == last and r.settled for r in records)
    # a round that was trained on before it was complete is measured again when it is
    measured = measured and any(r.round == last and r.complete for r in records)
    missing = 0 if measured else collected.waiting(last)
    who = waits_for(collected, users) if missing else ""
    return OpenRound(last, asked, missing, measured, who)


def _forecast(history: Sequence[Record], experts: int, left: int) -> str:
    """Say how many more audited texts production kappa needs, and what they cost.

    That is the larger of two numbers: what the 1 / sqrt(n) law says by the present interval, and
    the plan of forecast.py less what is audited: while positives are few, intervals narrow more
    slowly than by the law. experts: who judge the same text. left: of the budget.
    """
    if not history:
        return ""
    production = history[-1].production_kappa
    needed = items_needed(production, HALF_WIDTH)
    if needed == 0:
        return f"Production kappa is known to within {HALF_WIDTH:g}."
    shares = history[-1].prevalence.values()
    if not shares:
        return "" if needed is None else _cost("About", needed, experts, left)
    kappa = USUAL_KAPPA if production.value is None else production.value
    planned = texts_needed(1 - max(shares), kappa, HALF_WIDTH)
    if planned is None:
        more = max(LARGEST - production.items, needed or 1)
        return _cost("More than", more, experts, left)
    return _cost("About", max(planned - production.items, needed or 1), experts, left)


def _cost(about: str, texts: int, experts: int, left: int) -> str:
    """Say what so many more audited texts cost, and whether the budget has it."""
    verdicts = round(texts * (1 + LEAST * (experts - 1)))
    over = f"; the budget has {max(left, 0):,} left" if verdicts > left else ""
    return (
        f"{about} {counted(texts, 'more audited text')} ({counted(verdicts, 'verdict')}{over}) to "
        f"know production kappa to within {HALF_WIDTH:g}."
    )
