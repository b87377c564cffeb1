"""What `crux round` did, and what the newest round waits for."""

from dataclasses import dataclass
from typing import Literal

from selection.allowance import allowance
from selection.config import Settings
from selection.order import Order
from selection.push import tab_title
from selection.record import ProjectState, TrainingState
from selection.status import Status
from selection.stop import Decision

State = Literal["pushed", "resumed", "waiting", "training", "policy", "stop", "finishing"]


def data_manager(settings: Settings) -> str:
    """Return the address of the project's tasks."""
    return f"{settings.studio_url.rstrip('/')}/projects/{settings.project}/data"


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
    """What a round waits for: `done` of `total`. failed: it will not come by itself."""

    step: str
    done: int
    total: int
    finished: bool = False
    failed: bool = False
    message: str = ""


def pushed(order: Order, new: int, settings: Settings, before: Status) -> Outcome:
    """Say what was pushed: where it is, whom and how long it takes, what it costs.

    new: tasks. before: the status without this round.
    """
    verdicts = sum(card.experts for card in order.cards)
    people = max((card.experts for card in order.cards), default=1)
    audited = sum(card.role == "audit" for card in order.cards)
    spent = before.labels_bought
    lines = [
        f"Round {order.round}: {new} tasks are in the queue, {verdicts} verdicts are asked for "
        f"(budget: {spent} of {settings.budget} were given before, "
        f"{max(settings.budget - spent - verdicts, 0)} are left after this round).",
        f"Queue: {data_manager(settings)} (tab '{tab_title(order.round)}'). What people answer "
        f"there through Label All Tasks counts; the labeling instructions say why.",
        _takes(people, before.seconds, verdicts),
    ]
    if people > 1:
        lines[-1] += (
            " Second verdicts come as tasks of their own, for other people, once the first is "
            "given."
        )
    if order.round and before.policy.changed:
        lines.append("It asks under the new words of the policy.")
    wanted = allowance(settings, spent)[1]
    if audited < wanted:
        lines.append(
            f"{audited} of the texts are drawn at random to measure the model, and not "
            f"{wanted}: the audit's reserve holds no more. Add rows to the pool."
        )
    return Outcome("pushed", order.round, "\n".join(lines), new)


def _takes(people: int, seconds: float | None, verdicts: int) -> str:
    who = "It takes one person" if people == 1 else f"It takes {people} people or more"
    if seconds is None:
        return f"{who}; how long it takes is known after the first answers."
    minutes = max(round(seconds * verdicts / 60), 1)
    noun = "minute" if minutes == 1 else "minutes"
    each = f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.1f}"
    return f"{who}, about {minutes} {noun} in all at {each} s a verdict."


def fewer(now: Status, texts: int, experts: int) -> Outcome:
    """Say that texts of the open round ask for fewer verdicts now."""
    round = now.open_round.round if now.open_round else 0
    return Outcome(
        "waiting",
        round,
        f"{'1 text' if texts == 1 else f'{texts} texts'} of round {round} "
        f"{'asks' if texts == 1 else 'ask'} for fewer verdicts now: experts = {experts}. Run "
        f"crux round again to go on.",
    )


def held(now: Status, anyway: bool, new_policy: bool = False) -> Outcome | None:
    """Return why the next round must not be pushed yet, None if it may be.

    anyway: even if the stop rule says stop. new_policy: although the policy has changed.
    """
    last = now.open_round
    if last is None:
        return None
    policy = f" {now.policy.sentence}" if now.policy.changed else ""
    if last.missing:
        return Outcome(
            "waiting",
            last.round,
            f"Round {last.round} still waits for {last.missing} of {last.asked} verdicts "
            f"(tab '{tab_title(last.round)}'). {last.waits_for}{policy}",
        )
    if not last.measured:
        return Outcome("training", last.round, f"{now.training_sentence}{policy}")
    if policy and not new_policy:
        return Outcome("policy", last.round, now.policy.sentence)
    if now.decision.stop and not anyway:
        return Outcome("stop", last.round, now.decision.reason, decision=now.decision)
    return None


def finishing(now: Status) -> Outcome:
    """Say that the last version is being made, and what its kappa will be."""
    round = now.open_round.round if now.open_round else 0
    return Outcome(
        "finishing",
        round,
        f"The loop ends after round {round}. One last version learns from all "
        f"{now.taught + now.measured:,} verdicts, the audit's too; nothing is left to measure it "
        f"with, so its kappa is quoted as that of {now.current}.",
    )


def last_version(state: ProjectState) -> Waiting:
    """Return whether the loop's last version is there."""
    final = state.rounds[-1].final if state.rounds else ""
    failed = state.training.state == "failed"
    message = state.training.message if failed else final
    return Waiting("the worker begins", 0, 1, bool(final), failed and not final, message)


def worker_at_work(training: TrainingState) -> Waiting:
    """Return how far the worker is."""
    return Waiting(f"{training.state}, {training.message}", training.done, training.total)


def waiting(now: Status) -> Waiting:
    """Return what the newest round waits for while the worker is not at work."""
    last = now.open_round
    if last is None or (last.measured and not last.missing):
        return Waiting("done", 1, 1, finished=True)
    if last.missing:
        done = last.asked - last.missing
        return Waiting("verdicts of experts", done, last.asked, message=last.waits_for)
    failed = now.training.state == "failed"
    return Waiting("the worker begins", 0, 1, failed=failed, message=now.training_sentence)
