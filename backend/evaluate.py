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
from selection.collect import Collected, Item
from selection.record import Measurement, WeakExpert
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


def promotion(candidate: str, current: str, production: Estimate, boundary: Estimate) -> Promotion:
    """Promote unless the candidate is significantly worse on the same items.

    production, boundary: kappa of the candidate less that of the current version. Production
    decides; the boundary does where production is undefined (too few audited items).
    """
    for name, diff in (("in production", production), ("on the boundary", boundary)):
        if diff.value is None or diff.low is None or diff.high is None:
            continue
        figures = (
            f"{diff.value:+.2f} [{diff.low:+.2f}, {diff.high:+.2f}] of kappa {name} on "
            f"{diff.items} items"
        )
        if diff.high < 0:
            return Promotion(
                False, f"{candidate} is refused: it is worse than {current} by {figures}."
            )
        return Promotion(
            True, f"{candidate} is promoted: against {current} it has {figures}, so not worse."
        )
    reason = production.reason or boundary.reason
    return Promotion(
        True,
        f"{candidate} is promoted: nothing speaks against it, since no comparison is possible"
        f" yet ({reason}).",
    )


def compare(
    collected: Collected, predict: Predict, candidate: str, current: str, seed: int, resamples: int
) -> Promotion:
    """Compare two versions on the items of the audit and of the boundary."""
    if candidate == current:
        return Promotion(True, f"{candidate} stays: the same labels give the same version.")
    production, boundary = (
        items.gain(predict(current, items.texts), predict(candidate, items.texts))
        for items in (ground(collected, role, seed, resamples) for role in ("audit", "boundary"))
    )
    return promotion(candidate, current, production, boundary)


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
