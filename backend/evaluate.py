"""Verdicts and versions -> the three kappas, their gap and gain, and whether to promote.

Everything is measured on blind items only: the boundary set (chosen pairs held back from
training) and the audit sample (drawn at random, weighted back to the pool).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from selection.align import (
    PLATEAU_CONFIDENCE,
    Alignment,
    Weakest,
    difference,
    expert_alignment,
    gap,
    model_alignment,
    weakest_expert,
)
from selection.collect import Collected
from selection.item import Item
from selection.record import Measurement, WeakExpert
from selection.stop import MINIMUM_ITEMS
from selection.types import Estimate, Ints
from selection.verdict_table import sample_of, verdicts_of

T = TypeVar("T")
Predict = Callable[[str, Sequence[str]], Ints]


@dataclass(frozen=True)
class Promotion:
    """Whether a candidate takes over, and why, in one sentence."""

    promoted: bool
    reason: str


@dataclass(frozen=True)
class Ground:
    """The items of one role that at least one expert judged, with how they were drawn."""

    items: list[Item]
    k: int
    seed: int
    resamples: int

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items]

    def _measured(self, statistic: Callable[..., T], *predicted: Ints, **options: float) -> T:
        rng = np.random.default_rng(self.seed)  # the same draws for all that is compared
        table = verdicts_of(self.items, self.k), sample_of(self.items)
        return statistic(*predicted, *table, rng=rng, resamples=self.resamples, **options)

    def experts(self) -> Alignment:
        """Alignment of the experts with each other."""
        return self._measured(expert_alignment)

    def weakest(self) -> Weakest | None:
        """An expert who stands out, or None."""
        return self._measured(weakest_expert)

    def model(self, predicted: Ints) -> Estimate:
        """Kappa of a model with the experts. predicted: (n,) its labels of the items."""
        return self._measured(model_alignment, predicted)

    def gap(self, predicted: Ints) -> Estimate:
        """Kappa of a model less that of the experts."""
        return self._measured(gap, predicted)

    def gain(self, before: Ints, after: Ints, confidence: float = 0.95) -> Estimate:
        """Kappa of `after` less kappa of `before`."""
        return self._measured(difference, before, after, confidence=confidence)


def ground(collected: Collected, role: str, seed: int, resamples: int) -> Ground:
    """The judged items of one role."""
    items = [item for item in collected.role(role) if item.verdicts]
    return Ground(items, len(collected.labels), seed, resamples)


def promotion(
    candidate: str, current: str, production: Estimate, boundary: Estimate, replaceable: str = ""
) -> Promotion:
    """Promote a candidate that is not significantly worse on the same items, if these are enough.

    production, boundary: kappa of the candidate less that of the current version. Production
    decides, and the boundary where production cannot tell. An interval below zero refuses on any
    number of items: it is so wide on a few that it lies below zero for 4 % of equally good
    versions at most. One that is not below zero counts from MINIMUM_ITEMS on. If neither place has
    that many, the current version stays, unless it is `replaceable`: why, to follow "which".
    """
    gains = {"in production": production, "on the boundary": boundary}
    for place, gain in gains.items():
        if gain.high is None:
            continue
        figures = _figures(place, gain)
        also = "" if gain is production else f" There is {_figures('in production', production)}."
        if gain.high < 0:
            return Promotion(
                False, f"{candidate} is refused: it is worse than {current} by {figures}.{also}"
            )
        if gain.items >= MINIMUM_ITEMS:
            return Promotion(
                True,
                f"{candidate} is promoted: against {current} it has {figures}, so it is not shown "
                f"to be worse.{also}",
            )
    known = " and ".join(_figures(place, gain) for place, gain in gains.items())
    untold = (
        f"whether {candidate} is worse cannot be told: that takes {MINIMUM_ITEMS} items, and there "
        f"is {known}."
    )
    if replaceable:
        return Promotion(
            True, f"{candidate} is promoted in place of {current}, which {replaceable}; {untold}"
        )
    return Promotion(
        False,
        f"{current} stays, since {untold} crux models promote {candidate} puts it into force all "
        f"the same.",
    )


def _figures(place: str, gain: Estimate) -> str:
    items = f"{place} on {gain.items} item{'' if gain.items == 1 else 's'}"
    if gain.value is None:
        return f"no kappa {items} ({gain.reason})"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.2f} of kappa {items} ({gain.reason})"
    return f"{gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] of kappa {items}"


def compare(
    collected: Collected,
    predict: Predict,
    candidate: str,
    current: str,
    seed: int,
    resamples: int,
    *,
    replaceable: str,
) -> Promotion:
    """Compare two versions on the items of the audit and of the boundary.

    replaceable: why the current one need not stay where there are too few of them; "" if it must.
    """
    if candidate == current:
        return Promotion(True, f"{candidate} stays: the same labels give the same version.")
    production, boundary = (
        items.gain(predict(current, items.texts), predict(candidate, items.texts))
        for items in (ground(collected, role, seed, resamples) for role in ("audit", "boundary"))
    )
    return promotion(candidate, current, production, boundary, replaceable)


def measure(
    collected: Collected,
    predict: Predict,
    *,
    version: str,
    start: str,
    before: str | None,
    patience: int,
    seed: int,
    resamples: int,
) -> Measurement:
    """Measure the version in force after a round.

    start: the prompted version. before: the version in force `patience` rounds ago, or None.
    """
    audit = ground(collected, "audit", seed, resamples)
    boundary = ground(collected, "boundary", seed, resamples)
    now = predict(version, audit.texts)
    experts, weakest = audit.experts(), audit.weakest()
    gain = None
    if before is not None:
        gain = audit.gain(predict(before, audit.texts), now, PLATEAU_CONFIDENCE)
    return Measurement(
        expert_kappa=experts.kappa,
        expert_agreement=experts.agreement,
        prevalence=dict(zip(collected.labels, experts.prevalence, strict=False)),
        boundary_kappa=boundary.model(predict(version, boundary.texts)),
        boundary_expert_kappa=boundary.experts().kappa,
        production_kappa=audit.model(now),
        start_kappa=audit.model(predict(start, audit.texts)),
        gap=audit.gap(now),
        gain=gain,
        patience=patience,
        weakest_expert=None
        if weakest is None
        else WeakExpert(weakest.expert, weakest.kappa, weakest.others),
    )
