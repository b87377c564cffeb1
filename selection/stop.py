"""Measured rounds -> stop or go on, by which rule, and why in one sentence.

The rules compare intervals, not values: at 200 items the 95 % interval of a kappa is about
0.10 to either side, so a plateau or parity that shows only in the values is mostly luck.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selection.record import Measurement
from selection.types import Estimate

MINIMUM_ITEMS = 30  # an estimate on fewer ends no loop and replaces no trained version

Rule = Literal["parity", "plateau", "budget", "policy", "go on"]


@dataclass(frozen=True)
class Decision:
    """stop: whether the loop ends here. rule: which rule said so. reason: one sentence."""

    stop: bool
    rule: Rule
    reason: str


def decide(
    history: Sequence[Measurement],
    *,
    delta: float = 0.05,
    policy_floor: float = 0.4,
    minimum_items: int = MINIMUM_ITEMS,
    labels_bought: int,
    budget: int,
    max_rounds: int,
) -> Decision:
    """Decide whether another round is worth its labels; the first rule that applies decides.

    policy: even the upper bound of the experts' kappa is below `policy_floor`. parity: the
    lower bound of the gap is above -delta. plateau: the upper bound of the gain over the last
    `patience` rounds is below delta. budget: labels or rounds (entries of `history`) are used
    up. An estimate that is undefined or has fewer than `minimum_items` items ends nothing: a
    handful of items that all agree has a narrow interval around a wrong value.
    """
    spent = _spent(labels_bought, budget, len(history), max_rounds)
    if not history:
        return spent or Decision(False, "go on", "No round is finished yet, so go on.")
    last = history[-1]
    return (
        _policy(last.expert_kappa, policy_floor, minimum_items)
        or _parity(last.gap, delta, minimum_items)
        or _plateau(last.gain, delta, last.patience, minimum_items)
        or spent
        or Decision(False, "go on", _missing(last, delta, minimum_items))
    )


def _policy(expert: Estimate, floor: float, minimum: int) -> Decision | None:
    if expert.high is None or expert.high >= floor or expert.items < minimum:
        return None
    return Decision(
        True,
        "policy",
        f"Experts agree only with kappa {_figures(expert)}: fix the policy first, because a "
        "model cannot learn what experts do not agree on.",
    )


def _parity(gap: Estimate, delta: float, minimum: int) -> Decision | None:
    if gap.low is None or gap.low <= -delta or gap.items < minimum:
        return None
    return Decision(
        True,
        "parity",
        "The model agrees with the experts as well as they agree with each other: its kappa "
        f"less theirs is {_figures(gap)}, so it is less than {delta:.2f} behind.",
    )


def _plateau(gain: Estimate | None, delta: float, patience: int, minimum: int) -> Decision | None:
    if gain is None or gain.high is None or gain.high >= delta or gain.items < minimum:
        return None
    return Decision(
        True,
        "plateau",
        f"More labels no longer help: over the last {_count(patience, 'round')} the model's "
        f"kappa changed by {_figures(gain)}, and a gain of {delta:.2f} is ruled out.",
    )


def _spent(labels: int, budget: int, rounds: int, max_rounds: int) -> Decision | None:
    if labels >= budget:
        reason = f"The label budget is used up: {labels} of {budget} labels are bought."
    elif rounds >= max_rounds:
        reason = f"The last planned round is done: {rounds} of {max_rounds}."
    else:
        return None
    return Decision(True, "budget", reason)


def _missing(last: Measurement, delta: float, minimum: int) -> str:
    """What keeps the loop from parity."""
    gap = last.gap
    if gap.value is None:
        return f"Go on: model and experts cannot be compared yet ({_bare(gap.reason)})."
    if gap.low is None or gap.high is None:
        return (
            f"Go on: the model's kappa less the experts' is {gap.value:.2f} on "
            f"{_count(gap.items, 'item')}, but it has no interval yet ({_bare(gap.reason)})."
        )
    if gap.items < minimum:
        return (
            f"Go on: the model's kappa less the experts' is {_figures(gap)}, and at least "
            f"{minimum} items that two experts judged are needed to tell."
        )
    start = f"Go on: the model's kappa less the experts' is {_figures(gap)}"
    if gap.high < -delta:
        return f"{start}, so it is still more than {delta:.2f} behind."
    return f"{start}, and the lower bound must rise above {-delta:.2f} before it counts as reached."


def _figures(estimate: Estimate) -> str:
    """'0.31 [0.20, 0.39] on 60 items', or '0.31 [0.20, 0.39], 98 %, on 60 items' where the
    interval is no 95 % one; every caller has made sure that these are defined."""
    bounds = f"[{_number(estimate.low)}, {_number(estimate.high)}]"
    confidence = f"{estimate.confidence_said}," if estimate.confidence_said else ""
    items = _count(estimate.items, "item")
    return f"{_number(estimate.value)} {bounds}{confidence} on {items}"


def _number(value: float | None) -> str:
    # adding 0.0 turns the -0.00 of a small negative number into 0.00
    return "unknown" if value is None else f"{round(value, 2) + 0.0:.2f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _bare(reason: str) -> str:
    return reason.strip().rstrip(".") or "no reason given"
