"""Measured rounds -> stop or go on, by which rule, and why in one sentence.

The rules compare intervals, not values: at 200 items the 95 % interval of a kappa is about
0.10 to either side, so a plateau or parity that shows only in the values is mostly luck. What a
reason calls possible is the whole interval; its confidence stands in the record and on the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from selection.record import Measurement
from selection.types import Estimate
from selection.wording import bare, counted, kappa

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
        f"Experts agree with each other at only kappa {_figures(expert)}: make the policy clearer "
        "first, because a model cannot learn what experts do not agree on.",
    )


def _parity(gap: Estimate, delta: float, minimum: int) -> Decision | None:
    if gap.low is None or gap.high is None or gap.low <= -delta or gap.items < minimum:
        return None
    return Decision(
        True,
        "parity",
        "The model agrees with the experts as well as they agree with each other: it is "
        f"{_range(gap.low, gap.high)} ({counted(gap.items, 'text')}), and less than {delta:.2f} "
        "behind counts as level.",
    )


def _plateau(gain: Estimate | None, delta: float, patience: int, minimum: int) -> Decision | None:
    if gain is None or gain.high is None or gain.high >= delta or gain.items < minimum:
        return None
    return Decision(
        True,
        "plateau",
        f"More verdicts no longer help: over the last {counted(patience, 'round')} the model's "
        f"kappa changed by {_figures(gain)}, and a gain of {delta:.2f} is ruled out.",
    )


def _spent(labels: int, budget: int, rounds: int, max_rounds: int) -> Decision | None:
    if labels >= budget:
        reason = f"The budget is used up: {labels:,} of {budget:,} verdicts are bought."
    elif rounds >= max_rounds:
        reason = f"The last planned round is done: {rounds} of {max_rounds}."
    else:
        return None
    return Decision(True, "budget", reason)


def _missing(last: Measurement, delta: float, minimum: int) -> str:
    """What keeps the loop from parity."""
    gap = last.gap
    if gap.value is None:
        return f"Model and experts cannot be compared yet: {bare(gap.reason)}."
    few = "Too few audited texts to tell model and experts apart"
    if gap.items < minimum:
        return f"{few}: two experts judged {gap.items} of them, and at least {minimum} are needed."
    if gap.low is None or gap.high is None:
        return (
            f"{few}: the model is {_range(gap.value, gap.value)} on {counted(gap.items, 'text')}, "
            f"and how sure that is cannot be said yet ({bare(gap.reason)})."
        )
    if _side(gap.high).endswith("behind"):
        return (
            f"The model is still {kappa(-gap.value)} behind the experts "
            f"({kappa(-gap.high)} to {kappa(-gap.low)}, {counted(gap.items, 'text')}); less "
            f"than {delta:.2f} counts as level."
        )
    return (
        f"{few}: the model is {_range(gap.value, gap.value)}, and anything from "
        f"{_range(gap.low, gap.high)} is possible ({counted(gap.items, 'text')}). Surely less than "
        f"{delta:.2f} behind counts as level."
    )


def _range(low: float, high: float) -> str:
    """Say how the model stands to the experts: '0.04 behind to 0.03 ahead', '0.09 behind'."""
    first, last = _side(low), _side(high)
    return first if first == last else f"{first} to {last}"


def _side(difference: float) -> str:
    size = kappa(abs(difference))
    if size == "0.00":
        return "level"
    return f"{size} {'ahead' if difference > 0 else 'behind'}"


def _figures(estimate: Estimate) -> str:
    """'0.31 (0.20 to 0.39, 60 texts)'; every caller has made sure that these are defined."""
    value, low, high = (kappa(one or 0.0) for one in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high}, {counted(estimate.items, 'text')})"
