"""What `crux round` did, and what the newest round waits for."""

from dataclasses import dataclass
from typing import Literal

from selection.push import tab_title
from selection.record import TrainingState
from selection.status import Status
from selection.stop import Decision

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
    """What a round waits for: `done` of `total`. failed: it will not come by itself."""

    step: str
    done: int
    total: int
    finished: bool = False
    failed: bool = False
    message: str = ""


def held(now: Status, anyway: bool) -> Outcome | None:
    """Return why the next round must not be pushed yet, None if it may be.

    anyway: even if the stop rule says stop.
    """
    last = now.open_round
    if last is None:
        return None
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


def worker_at_work(training: TrainingState) -> Waiting:
    """Return how far the worker is."""
    return Waiting(f"{training.state}, {training.message}", training.done, training.total)


def waiting(now: Status) -> Waiting:
    """Return what the newest round waits for while the worker is not at work."""
    last = now.open_round
    if last is None or (last.measured and not last.missing):
        return Waiting("done", 1, 1, finished=True)
    if last.missing:
        return Waiting("verdicts of experts", last.asked - last.missing, last.asked)
    failed = now.training.state == "failed"
    return Waiting("the worker begins", 0, 1, failed=failed, message=now.training_sentence)
