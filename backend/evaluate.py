"""Verdicts and versions -> the three kappas, their gap and gain, and whether to promote.

The audit's texts, drawn at random, measure every version in production: none learns from them while
the loop goes on. The chosen texts test the version that chose them, whose beliefs stand on their
cards from before anybody saw them; afterwards they teach the next one. Both are blind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from selection.calibrate import Unjudged
from selection.collect import Collected
from selection.item import Item
from selection.kappa import Measure, Said, agreement, mean_kappa
from selection.pool_sample import PoolSample
from selection.record import Measurement, Remeasured, WeakExpert
from selection.stop import MINIMUM_ITEMS
from selection.types import Doubles, Estimate
from selection.verdict_table import sample_of, verdicts_of

T = TypeVar("T")
Read = Callable[[str, Sequence[str]], Doubles]  # version, texts -> (n, k) beliefs


@dataclass(frozen=True)
class Promotion:
    """Whether a candidate takes over, and why, in one sentence."""

    promoted: bool
    reason: str


@dataclass(frozen=True)
class Ground:
    """Items that at least one expert judged, with how they were drawn."""

    items: list[Item]
    k: int
    seed: int
    resamples: int

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items]

    def _measured(self, statistic: Callable[..., T], *predicted: Said, **options: object) -> T:
        rng = np.random.default_rng(self.seed)  # the same draws for all that is compared
        table = verdicts_of(self.items, self.k), sample_of(self.items)
        return statistic(*predicted, *table, rng=rng, resamples=self.resamples, **options)

    def experts(self) -> Alignment:
        """Alignment of the experts with each other."""
        return self._measured(expert_alignment)

    def weakest(self) -> Weakest | None:
        """An expert who stands out, or None."""
        return self._measured(weakest_expert)

    def model(self, predicted: Said, others: Unjudged | None = None) -> Estimate:
        """Kappa of a model with the experts. predicted: what it says of the items. others: what it
        believes of texts without a verdict."""
        return self._measured(model_alignment, predicted, others=others)

    def gap(self, predicted: Said) -> Estimate:
        """Kappa of a model less that of the experts."""
        return self._measured(gap, predicted)

    def gain(
        self, before: Said, after: Said, confidence: float = 0.95, of: Measure = mean_kappa
    ) -> Estimate:
        """Kappa (or what else `of` measures) of `after` less that of `before`."""
        return self._measured(difference, before, after, confidence=confidence, of=of)


def ground(collected: Collected, seed: int, resamples: int) -> Ground:
    """The judged items of the audit."""
    return _ground(collected.role("audit"), collected, seed, resamples)


def boundary(collected: Collected, round: int, seed: int, resamples: int) -> Estimate:
    """Return the kappa with the experts, on a round's chosen texts, of the version that chose them.

    That is test, then train: what its card says was written before the verdict. Texts whose
    pre-annotation the experts could see do not count.
    """
    chosen = [
        replace(item, card=replace(item.card, inclusion=None))  # an older Crux drew some of them
        for item in collected.role("train")
        if item.card.round == round
        and item.card.blind
        and set(item.card.belief) == set(collected.labels)
    ]
    tested = _ground(chosen, collected, seed, resamples)
    said = [max(i.card.belief, key=i.card.belief.__getitem__) for i in tested.items]
    predicted = np.array([collected.labels.index(one) for one in said], dtype=np.int64)
    return tested.model(predicted)


def _ground(
    items: Iterable[Item], collected: Collected, seed: int, resamples: int
) -> Ground:
    judged = [item for item in items if item.verdicts]
    return Ground(judged, len(collected.labels), seed, resamples)


def promotion(
    candidate: str, current: str, gain: Estimate, replaceable: str = "", of: str = "kappa"
) -> Promotion:
    """Promote a candidate that is not significantly worse in production, if the audit is enough.

    gain: kappa of the candidate less that of the current version, on the audit. An interval below
    zero refuses on any number of items: it is so wide on a few that it lies below zero for 4 % of
    equally good versions at most. One that is not below zero counts from MINIMUM_ITEMS on. With
    fewer the current version stays, unless it is `replaceable`: why, to follow "which". of: what
    the gain is of.
    """
    figures = _figures(gain, of)
    if gain.high is not None and gain.high < 0:
        return Promotion(False, f"{candidate} is refused: it is worse than {current} by {figures}.")
    if gain.high is not None and gain.items >= MINIMUM_ITEMS:
        return Promotion(
            True,
            f"{candidate} is promoted: against {current} it has {figures}, so it is not shown to "
            f"be worse.",
        )
    untold = (
        f"whether {candidate} is worse cannot be told: that takes {MINIMUM_ITEMS} items, and there "
        f"is {figures}."
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


def _figures(gain: Estimate, of: str) -> str:
    items = f"in production on {gain.items} item{'' if gain.items == 1 else 's'}"
    if gain.value is None:
        return f"no {of} {items} ({gain.reason})"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.2f} of {of} {items} ({gain.reason})"
    return f"{gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}] of {of} {items}"


def compare(
    collected: Collected,
    read: Read,
    candidate: str,
    current: str,
    seed: int,
    resamples: int,
    *,
    replaceable: str,
) -> Promotion:
    """Compare two versions on the items of the audit.

    replaceable: why the current one need not stay where there are too few of them; "" if it must.
    """
    if candidate == current:
        return Promotion(True, f"{candidate} stays: the same labels give the same version.")
    items = ground(collected, seed, resamples)
    before, after = (read(version, items.texts) for version in (current, candidate))
    gain, of = items.gain(before, after), "kappa"
    if gain.value is None and gain.items >= MINIMUM_ITEMS:
        # The audit has met one label only. If that kept the current version, a loop whose label is
        # rare would go on choosing by a version that had hardly seen it.
        gain, of = items.gain(before, after, of=agreement), "agreement"
    return promotion(candidate, current, gain, replaceable, of)


def measure(
    collected: Collected,
    read: Read,
    *,
    round: int,
    version: str,
    start: str,
    before: str | None,
    earlier: Mapping[int, str],
    patience: int,
    seed: int,
    resamples: int,
    sample: PoolSample,
) -> Measurement:
    """Measure the version in force after a round.

    start: the prompted version. before: the version in force `patience` rounds ago, or None.
    earlier: round -> the version that was in force after it, each measured again: the audit has
    grown since, and two kappas can be compared only on the same texts. sample: drawn texts of the
    pool, which say how common the beliefs of the version in force are; the other versions have not
    read them. gap and gain, by which the loop may end, compare the verdicts with the labels as they
    are: how often they end it wrongly is known for that alone (docs/decisions.md, "The
    statistics").
    """
    audit = ground(collected, seed, resamples)
    now = read(version, audit.texts)
    said = now.argmax(axis=1)
    others = Unjudged(read(version, sample.texts), np.array(sample.weight))
    experts, weakest = audit.experts(), audit.weakest()
    gain = None
    if before is not None:
        then = read(before, audit.texts).argmax(axis=1)
        gain = audit.gain(then, said, PLATEAU_CONFIDENCE)
    again: dict[str, tuple[Estimate, Estimate]] = {}
    for name in dict.fromkeys(earlier.values()):  # one may have been in force for many rounds
        believed = read(name, audit.texts)
        again[name] = audit.model(believed), audit.gain(believed, now)
    return Measurement(
        expert_kappa=experts.kappa,
        expert_agreement=experts.agreement,
        prevalence=dict(zip(collected.labels, experts.prevalence, strict=False)),
        boundary_kappa=boundary(collected, round, seed, resamples),
        production_kappa=audit.model(now, others),
        start_kappa=audit.model(read(start, audit.texts)),
        gap=audit.gap(said),
        gain=gain,
        patience=patience,
        weakest_expert=None
        if weakest is None
        else WeakExpert(weakest.expert, weakest.kappa, weakest.others),
        earlier=tuple(Remeasured(round, name, *again[name]) for round, name in earlier.items()),
    )
