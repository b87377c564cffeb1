"""verdicts (and predictions) -> Cohen's kappa of experts and models, each with an interval.

kappa.py and interval.py compute a kappa and its interval; this file says what is compared.
"""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from selection.calibrate import Unjudged
from selection.interval import TOGETHER_IN_GAP, estimated
from selection.kappa import Items, Measure, Said, kappas, mean_kappa
from selection.types import NO_VERDICT, Estimate, Sample, Verdicts

# Of the intervals that can end the loop, since the rules look at them after every round: with 95 %
# parity would end up to 10 % of loops falsely, with 98 % plateau would end up to 8 %
# (benchmarks/results/statistics.json).
PARITY_CONFIDENCE = 0.98
PLATEAU_CONFIDENCE = 0.99


@dataclass(frozen=True)
class PairKappa:
    """Kappa of two experts on the items that both of them judged."""

    first: str
    second: str
    kappa: float
    items: int


@dataclass(frozen=True)
class Alignment:
    """How well experts agree with each other: the ceiling for a model.

    kappa: over all pairs of experts, by the items they share. lowest: the pair that agrees least,
    None if no pair has a kappa. agreement: weighted share of equal verdicts over the same pairs,
    None if no two experts share an item. prevalence: weighted share of each of the k labels in all
    verdicts, empty if there are none.
    """

    kappa: Estimate
    lowest: PairKappa | None
    agreement: float | None
    prevalence: tuple[float, ...]


@dataclass(frozen=True)
class Weakest:
    """An expert who agrees less with the others than these agree with each other.

    kappa: mean with the others. others: mean of the others with each other. difference: kappa less
    others; its confidence allows for having picked one of e experts.
    """

    expert: str
    kappa: float
    others: float
    difference: Estimate


def expert_alignment(
    verdicts: Verdicts, sample: Sample, *, rng: np.random.Generator, resamples: int = 2000
) -> Alignment:
    """Compare experts with each other, on the items that at least two of them judged."""
    items = Items.of(verdicts, sample, at_least=2)
    experts = mean_kappa(items.among_experts, items.k)
    if len(verdicts.experts) < 2:
        reason = f"kappa between experts needs two of them, and there is {len(verdicts.experts)}"
        estimate = Estimate.undefined(len(items), reason)
    else:
        estimate = estimated(experts, items, rng, resamples)
    return Alignment(estimate, _lowest(items), _agreement(items), _prevalence(verdicts, sample))


def model_alignment(
    predicted: Said,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    others: Unjudged | None = None,
) -> Estimate:
    """Return the kappa of the model with each expert, averaged by the items the expert judged.

    predicted: (n,) labels from 0 to k - 1, which are compared as they are; or (n, k) beliefs, which
    the verdicts calibrate (calibrate.py). others: what it believes of texts without a verdict.
    """
    items = Items.of(verdicts, sample, at_least=1, predictions=(predicted,), others=others)
    model = mean_kappa(items.with_model(), items.k)
    return estimated(model, items, rng, resamples)


def difference(
    predicted_a: Said,
    predicted_b: Said,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
    of: Measure = mean_kappa,
) -> Estimate:
    """Return the kappa of model b less that of model a, on the same items and resamples.

    of: `agreement` to compare their shares of equal answers instead.
    """
    items = Items.of(verdicts, sample, at_least=1, predictions=(predicted_a, predicted_b))
    a, b = (of(items.with_model(model), items.k) for model in (0, 1))
    return estimated(lambda draw: b(draw) - a(draw), items, rng, resamples, confidence)


def gap(
    predicted: Said,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> Estimate:
    """Return the kappa of the model less that of the experts, on the same draws.

    The model's is measured on all items, the experts' on those that two of them judged, whose
    number is given. The rule of parity (stop.py) reads it after every round, hence its confidence.
    """
    items = Items.of(verdicts, sample, at_least=1, predictions=(predicted,))
    twice = int(items.twice.sum())
    if not twice:
        return Estimate.undefined(0, "no item was judged by two experts")
    model = mean_kappa(items.with_model(), items.k)
    experts = mean_kappa(items.among_experts, items.k)
    found = estimated(
        lambda draw: model(draw) - experts(draw),
        items,
        rng,
        resamples,
        PARITY_CONFIDENCE,
        TOGETHER_IN_GAP,
    )
    return replace(found, items=twice)


def weakest_expert(
    verdicts: Verdicts, sample: Sample, *, rng: np.random.Generator, resamples: int = 2000
) -> Weakest | None:
    """Return the expert who agrees least with the others, None if that may be chance.

    Needs three experts: if two disagree, nobody can tell which one is off.
    """
    items = Items.of(verdicts, sample, at_least=2)
    e = len(items.experts)
    if e < 3:
        return None
    found = []
    for i, name in enumerate(verdicts.experts):
        own = mean_kappa([pair for pair in items.among_experts if i in pair], items.k)
        others = mean_kappa([pair for pair in items.among_experts if i not in pair], items.k)
        values = float(own(items.once)[0]), float(others(items.once)[0])
        if not np.isnan(values).any():
            found.append((values[0] - values[1], name, values, own, others))
    if not found:
        return None
    _, name, values, own, others = min(found, key=lambda one: one[0])
    estimate = estimated(
        lambda draw: own(draw) - others(draw), items, rng, resamples, confidence=1 - 0.05 / e
    )
    if estimate.high is None or estimate.high >= 0:
        return None
    return Weakest(name, *values, estimate)


def items_needed(estimate: Estimate, half_width: float) -> int | None:
    """Forecast how many more items narrow half of the interval to `half_width`.

    By the 1 / sqrt(n) law, from the present interval. None if there is no interval.
    """
    if half_width <= 0:
        raise ValueError(f"half_width must be above 0, not {half_width}")
    if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return None
    now = (estimate.high - estimate.low) / 2
    # a little less, so that rounding does not ask for one item too many
    return max(0, ceil(estimate.items * (now / half_width) ** 2 - 1e-6) - estimate.items)


def _lowest(items: Items) -> PairKappa | None:
    found = []
    for i, j in items.among_experts:
        kappa = float(kappas(items.once((i, j)), items.k)[0])
        if not np.isnan(kappa):
            shared = int(items.both((i, j)).sum())
            found.append(PairKappa(items.experts[i], items.experts[j], kappa, shared))
    return min(found, key=lambda pair: pair.kappa, default=None)


def _agreement(items: Items) -> float | None:
    tables = [items.once(raters) for raters in items.among_experts]
    total = sum(float(table.sum()) for table in tables)
    same = sum(float(np.trace(table.reshape(items.k, items.k))) for table in tables)
    return same / total if total > 0 else None


def _prevalence(verdicts: Verdicts, sample: Sample) -> tuple[float, ...]:
    item, expert = np.nonzero(verdicts.table != NO_VERDICT)
    label = verdicts.table[item, expert]
    # an item counts once, however many experts judge it
    weight = sample.weight / np.maximum((verdicts.table != NO_VERDICT).sum(axis=1), 1)
    share = np.bincount(label, weight[item], minlength=verdicts.k)
    return tuple((share / share.sum()).tolist()) if item.size else ()
