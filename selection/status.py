"""What was bought, what it gave, what is open: the table of `crux status` and the report."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selection.align import items_needed
from selection.collect import Collected
from selection.config import Settings
from selection.forecast import LARGEST, texts_needed
from selection.stop import Decision, RoundResult, decide
from selection.types import CONFIDENCE, Estimate

HALF_WIDTH = 0.1  # of the interval that the forecast aims at
USUAL_KAPPA = 0.6  # of a model with experts, to plan with while there is none


@dataclass(frozen=True)
class OpenRound:
    """The newest round. asked, missing: verdicts. measured: a version was made and measured."""

    round: int
    asked: int
    missing: int
    measured: bool


@dataclass(frozen=True)
class Status:
    """The whole state of a project's loop."""

    project: int
    current: str
    labels_bought: int
    rounds: tuple[dict[str, Any], ...]
    open_round: OpenRound | None
    decision: Decision
    training: dict[str, Any]
    forecast: str
    problems: tuple[str, ...]

    @property
    def training_sentence(self) -> str:
        """What the worker is doing, for people."""
        state, message = self.training.get("state", "idle"), self.training.get("message", "")
        done, total = self.training.get("done", 0), self.training.get("total", 0)
        if state == "failed":
            return f"Training failed: {message}"
        if state == "waiting":
            return f"The worker waits: {message}"
        if state == "idle":
            return "All verdicts are there; the worker has not begun yet."
        steps = f", {done} of {total}" if total else ""
        return f"The worker is {state} ({message}{steps})."

    def as_json(self) -> dict[str, Any]:
        """The table for programs."""
        return {
            "project": self.project,
            "current": self.current,
            "labels_bought": self.labels_bought,
            "rounds": list(self.rounds),
            "open": None
            if self.open_round is None
            else {
                "round": self.open_round.round,
                "asked": self.open_round.asked,
                "missing": self.open_round.missing,
                "measured": self.open_round.measured,
            },
            "stop": self.decision.stop,
            "decision": self.decision.rule,
            "reason": self.decision.reason,
            "training": self.training,
            "forecast": self.forecast,
            "problems": list(self.problems),
        }


def status(settings: Settings, collected: Collected, backend: dict[str, Any]) -> Status:
    """Put together what Label Studio holds and what the backend measured.

    backend: the answer of GET /projects/N.
    """
    history: list[RoundResult] = []
    rounds = []
    for record in backend["rounds"]:
        history.append(_result(record))
        one = _decide(settings, history, record["labels_bought"])
        rounds.append({**record, "decision": one.rule, "stop": one.stop, "reason": one.reason})
    return Status(
        project=int(backend["project"]),
        current=str(backend["current"]),
        labels_bought=collected.labels_bought,
        rounds=tuple(rounds),
        open_round=_open(collected, backend["rounds"]),
        decision=_decide(settings, history, collected.labels_bought),
        training=dict(backend["training"]),
        forecast=_forecast(history, rounds),
        problems=collected.problems,
    )


def _decide(settings: Settings, history: Sequence[RoundResult], bought: int) -> Decision:
    return decide(
        history,
        delta=settings.delta,
        patience=settings.patience,
        policy_floor=settings.policy_floor,
        labels_bought=bought,
        budget=settings.budget,
        max_rounds=settings.max_rounds,
    )


def _result(record: dict[str, Any]) -> RoundResult:
    return RoundResult(
        round=record["round"],
        labels=record["labels"],
        version=record["version"],
        expert=estimate(record["expert_kappa"]),
        boundary=estimate(record["boundary_kappa"]),
        production=estimate(record["production_kappa"]),
        gap=estimate(record["gap"]),
        gain=estimate(record["gain"]) if record["gain"] else None,
    )


def estimate(body: dict[str, Any]) -> Estimate:
    """The Estimate that `as_json` wrote."""
    return Estimate(
        body["value"],
        body["low"],
        body["high"],
        body["items"],
        body.get("reason", ""),
        body.get("confidence", CONFIDENCE),
    )


def _open(collected: Collected, records: Sequence[dict[str, Any]]) -> OpenRound | None:
    last = collected.last_round
    if last < 0:
        return None
    asked = sum(item.card.experts for item in collected.items if item.card.round == last)
    measured = any(r["round"] == last and r["settled"] for r in records)
    # a round that was trained on before it was complete is measured again when it is
    measured = measured and any(r["round"] == last and r["complete"] for r in records)
    return OpenRound(last, asked, collected.waiting(last), measured)


def _forecast(history: Sequence[RoundResult], rounds: Sequence[dict[str, Any]]) -> str:
    """How many more audited texts production kappa takes.

    The larger of two: what the 1 / sqrt(n) law makes of the interval there is, and the plan of
    cost.py less what is audited. While positives are few intervals narrow more slowly than by the
    law: from 50 texts at a tenth positive it promises .1 at 280, and simulation finds 370.
    """
    if not history:
        return ""
    production = history[-1].production
    aim = f"to know production kappa to within {HALF_WIDTH:g}."
    needed = items_needed(production, HALF_WIDTH)
    if needed == 0:
        return f"Production kappa is known to within {HALF_WIDTH:g}."
    shares = rounds[-1]["prevalence"].values()
    if not shares:
        return "" if needed is None else f"About {needed} more audited texts {aim}"
    kappa = USUAL_KAPPA if production.value is None else production.value
    planned = texts_needed(1 - max(shares), kappa, HALF_WIDTH)
    if planned is None:
        return f"More than {max(LARGEST - production.items, needed or 1)} more audited texts {aim}"
    return f"About {max(planned - production.items, needed or 1)} more audited texts {aim}"
