"""verdicts (and predictions) -> Cohen's kappa, each with an interval.

Cohen, "A coefficient of agreement for nominal scales" (1960); intervals by the
percentile and BCa bootstrap of Efron, "Better bootstrap confidence intervals" (1987), over
groups of items inside strata.

Shapes: n items, g groups, e experts, k labels, b resamples. A kappa needs no more than a table
of k * k weights, and tables add up over groups, so that b resamples are one matrix product of
(b, g) multiplicities with (g, k * k) cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil
from statistics import NormalDist

import numpy as np

from selection.types import NO_VERDICT, Doubles, Estimate, Ints, Sample, Verdicts

_NORMAL = NormalDist()
_ONE_LABEL = "all answers that can be compared are the same label, so that kappa says nothing"

# Two raters: (n,) labels of each, NO_VERDICT where it gave none.
Raters = tuple[Ints, Ints]
# (g, k * k) cells -> (b, k * k) tables: how often each group counts in each of b resamples.
Draw = Callable[[Doubles], Doubles]
# What is estimated: a draw -> (b,) values, NaN where undefined.
Statistic = Callable[[Draw], Doubles]


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

    kappa: mean over pairs of experts, weighted by the items they share. lowest: the pair that
    agrees least, None where no pair has a kappa. agreement: weighted share of equal verdicts
    over the same pairs, None where no two experts share an item. prevalence: weighted share of
    each of the k labels in all verdicts, empty where there are none.
    """

    kappa: Estimate
    lowest: PairKappa | None
    agreement: float | None
    prevalence: tuple[float, ...]


@dataclass(frozen=True)
class Weakest:
    """An expert who agrees less with the others than these agree with each other.

    kappa: mean with the others. others: mean of the others with each other. difference: the
    former less the latter; its confidence allows for having picked one of e experts.
    """

    expert: str
    kappa: float
    others: float
    difference: Estimate


def expert_alignment(
    verdicts: Verdicts, sample: Sample, *, rng: np.random.Generator, resamples: int = 2000
) -> Alignment:
    """Internal alignment: experts against each other, on the items that two of them judged."""
    items = _Items.of(verdicts, sample, at_least=2)
    experts = _mean_kappa(items, _between(items.columns))
    if len(verdicts.experts) < 2:
        reason = f"kappa between experts needs two of them, and there is {len(verdicts.experts)}"
        estimate = Estimate.undefined(len(items), reason)
    else:
        estimate = _estimate(experts, items, rng, resamples)
    return Alignment(estimate, _lowest(items), _agreement(items), _prevalence(verdicts, sample))


def model_alignment(
    predicted: Ints,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> Estimate:
    """Kappa of the model with each expert, averaged by the items that the expert judged.

    predicted: (n,) labels from 0 to k - 1.
    """
    items = _Items.of(verdicts, sample, at_least=1, predictions=(predicted,))
    model = _mean_kappa(items, _against(items.predictions[0], items.columns))
    return _estimate(model, items, rng, resamples)


def difference(
    predicted_a: Ints,
    predicted_b: Ints,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> Estimate:
    """Kappa of model b less kappa of model a, on the same items and shared resamples."""
    items = _Items.of(verdicts, sample, at_least=1, predictions=(predicted_a, predicted_b))
    a, b = (_mean_kappa(items, _against(p, items.columns)) for p in items.predictions)
    return _estimate(lambda draw: b(draw) - a(draw), items, rng, resamples)


def gap(
    predicted: Ints,
    verdicts: Verdicts,
    sample: Sample,
    *,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> Estimate:
    """Kappa of the model less that of the experts, where at least two experts judged.

    Both are taken on the same items and shared resamples; parity is read from it (stop.py).
    """
    items = _Items.of(verdicts, sample, at_least=2, predictions=(predicted,))
    model = _mean_kappa(items, _against(items.predictions[0], items.columns))
    experts = _mean_kappa(items, _between(items.columns))
    return _estimate(lambda draw: model(draw) - experts(draw), items, rng, resamples)


def weakest_expert(
    verdicts: Verdicts, sample: Sample, *, rng: np.random.Generator, resamples: int = 2000
) -> Weakest | None:
    """The expert who agrees least with the rest, if that is more than chance; else None.

    Needs three experts: of two that disagree nobody can tell which one is off.
    """
    items = _Items.of(verdicts, sample, at_least=2)
    e = len(items.columns)
    if e < 3:
        return None
    found = []
    for i, name in enumerate(verdicts.experts):
        rest = [column for j, column in enumerate(items.columns) if j != i]
        own = _mean_kappa(items, _against(items.columns[i], rest))
        others = _mean_kappa(items, _between(rest))
        values = float(own(_once)[0]), float(others(_once)[0])
        if not np.isnan(values).any():
            found.append((values[0] - values[1], name, values, own, others))
    if not found:
        return None
    _, name, values, own, others = min(found, key=lambda one: one[0])
    estimate = _estimate(
        lambda draw: own(draw) - others(draw), items, rng, resamples, confidence=1 - 0.05 / e
    )
    if estimate.high is None or estimate.high >= 0:
        return None
    return Weakest(name, *values, estimate)


def items_needed(estimate: Estimate, half_width: float) -> int | None:
    """How many more items bring half of the interval down to `half_width`: a forecast.

    By the 1 / sqrt(n) law, from the interval there is. None where that tells nothing.
    """
    if half_width <= 0:
        raise ValueError(f"half_width must be above 0, not {half_width}")
    if estimate.low is None or estimate.high is None or estimate.high <= estimate.low:
        return None
    now = (estimate.high - estimate.low) / 2
    # less a hair, so that rounding of the ratio does not ask for one item too many
    return max(0, ceil(estimate.items * (now / half_width) ** 2 - 1e-6) - estimate.items)


def kappas(tables: Doubles, k: int) -> Doubles:
    """(b, k * k) weighted confusions -> (b,) Cohen's kappa.

    NaN where a table is empty, or holds one label only on both sides: chance agreement is 1.
    """
    square = tables.reshape(-1, k, k)
    total = square.sum(axis=(1, 2))
    share = square / np.where(total > 0, total, np.nan)[:, None, None]
    seen = np.trace(share, axis1=1, axis2=2)
    chance = (share.sum(axis=1) * share.sum(axis=2)).sum(axis=1)
    room = np.where(1 - chance > 1e-12, 1 - chance, np.nan)
    kappa: Doubles = 1 - (1 - seen) / room
    return kappa


def multiplicities(stratum: Ints, rng: np.random.Generator, resamples: int) -> Doubles:
    """How often each group counts in each resample: (b, g), drawn with return in each stratum.

    stratum: (g,) of each group. Every resample has as many groups of a stratum as there are.
    """
    counts = np.zeros((resamples, len(stratum)))
    for one in np.unique(stratum):
        members = np.flatnonzero(stratum == one)
        even = np.full(len(members), 1 / len(members))
        counts[:, members] = rng.multinomial(len(members), even, size=resamples)
    return counts


@dataclass(frozen=True)
class _Items:
    """The items that enough experts judged, ready to be counted.

    columns: one (n,) array an expert. predictions: (n,) each. weight: (n,). group: (n,) from 0
    to g - 1. stratum: (g,). k: number of labels. experts: names.
    """

    columns: tuple[Ints, ...]
    predictions: tuple[Ints, ...]
    weight: Doubles
    group: Ints
    stratum: Ints
    k: int
    experts: tuple[str, ...]
    at_least: int

    @classmethod
    def of(
        cls, verdicts: Verdicts, sample: Sample, *, at_least: int, predictions: Sequence[Ints] = ()
    ) -> "_Items":
        n = len(verdicts.table)
        for name, array in [("sample", sample.weight), *(("predicted", p) for p in predictions)]:
            if len(array) != n:
                raise ValueError(f"{name} has {len(array)} entries for {n} items")
        if any(p.size and not 0 <= p.min() <= p.max() < verdicts.k for p in predictions):
            raise ValueError(f"predictions must be labels from 0 to {verdicts.k - 1}")
        kept = (verdicts.table != NO_VERDICT).sum(axis=1) >= at_least
        names, group = np.unique(sample.group[kept], return_inverse=True)
        # a group in two strata stays whole, and belongs to the lower of them
        stratum = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(stratum, group, sample.stratum[kept])
        columns = tuple(verdicts.table[kept].T)
        predicted = tuple(p[kept] for p in predictions)
        weight = sample.weight[kept]
        return cls(
            columns, predicted, weight, group, stratum, verdicts.k, verdicts.experts, at_least
        )

    def __len__(self) -> int:
        return len(self.weight)

    def cells(self, raters: Raters) -> Doubles:
        """(g, k * k) weights by group, row label and column label, where both raters answered."""
        left, right = raters
        both = (left != NO_VERDICT) & (right != NO_VERDICT)
        size = self.k * self.k
        cell = self.group[both] * size + left[both] * self.k + right[both]
        counted = np.bincount(cell, self.weight[both], minlength=len(self.stratum) * size)
        # a count of no items at all comes as whole numbers
        return counted.reshape(len(self.stratum), size).astype(np.float64)


def _between(columns: Sequence[Ints]) -> list[Raters]:
    return list(combinations(columns, 2))


def _against(predicted: Ints, columns: Sequence[Ints]) -> list[Raters]:
    return [(predicted, column) for column in columns]


def _mean_kappa(items: _Items, pairs: Sequence[Raters]) -> Statistic:
    """Mean kappa over pairs of raters by the weight they share; pairs without a kappa are out."""

    def statistic(draw: Draw) -> Doubles:
        total, weight = np.zeros(1), np.zeros(1)
        for raters in pairs:
            tables = draw(items.cells(raters))
            kappa, shared = kappas(tables, items.k), tables.sum(axis=1)
            defined = ~np.isnan(kappa)
            total = total + np.where(defined, kappa * shared, 0.0)
            weight = weight + np.where(defined, shared, 0.0)
        mean: Doubles = total / np.where(weight > 0, weight, np.nan)
        return mean

    return statistic


def _without_each(stratum: Ints) -> Draw:
    """The g draws that leave one group out, and let the others of its stratum count for it."""
    _, of, size = np.unique(stratum, return_inverse=True, return_counts=True)

    def draw(cells: Doubles) -> Doubles:
        mean = np.zeros((len(size), cells.shape[1]))
        np.add.at(mean, of, cells)
        mean /= size[:, None]
        change = (mean[of] - cells) * (size / np.maximum(size - 1, 1))[of, None]
        left: Doubles = np.maximum(cells.sum(axis=0) + change, 0.0)  # rounding, not weight
        return left

    return draw


def _estimate(
    statistic: Statistic,
    items: _Items,
    rng: np.random.Generator,
    resamples: int,
    confidence: float = 0.95,
) -> Estimate:
    """The value on all items and its interval, or why there is none."""
    n = len(items)
    if n == 0:
        who = "an expert" if items.at_least == 1 else "two experts"
        return Estimate.undefined(0, f"no item was judged by {who}")
    value = float(statistic(_once)[0])
    if np.isnan(value):
        return Estimate.undefined(n, _ONE_LABEL)
    counts = multiplicities(items.stratum, rng, resamples)
    drawn = statistic(lambda cells: counts @ cells)
    drawn = drawn[~np.isnan(drawn)]
    if len(np.unique(items.stratum)) == len(items.stratum):
        reason = "an interval needs at least two groups of items in a stratum"
    elif len(drawn) < resamples / 2:
        reason = f"{_ONE_LABEL} in {resamples - len(drawn)} of {resamples} resamples"
    else:
        low, high = _interval(statistic, value, drawn, items, confidence)
        return Estimate(value, low, high, n, confidence=confidence)
    return Estimate(value, None, None, n, reason, confidence)


def _interval(
    statistic: Statistic, value: float, drawn: Doubles, items: _Items, confidence: float
) -> tuple[float, float]:
    """The bounds; where all resamples are alike, what some unseen disagreements would change.

    Sixty items that all agree are likely where kappa is .9, and any bootstrap says [1, 1].
    """
    if np.ptp(drawn) > 1e-12:
        each = statistic(_without_each(items.stratum))
        return _bounds(value, drawn, each[~np.isnan(each)], confidence)
    weight = np.bincount(items.group, items.weight)
    groups = weight.sum() ** 2 / (weight**2).sum()  # Kish: as many, were they equal
    unseen = 1 - ((1 - confidence) / 2) ** (1 / groups)  # Clopper and Pearson, none seen
    other = float(statistic(_with_disagreement(unseen, items.k))[0])
    return min(value, other), max(value, other)


def _bounds(value: float, drawn: Doubles, each: Doubles, confidence: float) -> tuple[float, float]:
    """The wider of BCa and plain percentiles at either end.

    drawn: (b,) resamples. each: (<= g,) values with one group left out. Of 95 % promised,
    percentiles alone cover 91 for a model at 60 items with 10 % positive (both: 94); BCa alone
    covers 82 for the gap where model and experts all but never err (both: 92).
    """
    pull = each.mean() - each if len(each) else np.zeros(1)
    spread = float((pull**2).sum())
    skew = float((pull**3).sum()) / (6 * spread**1.5) if spread > 1e-18 else 0.0
    tied = np.abs(drawn - value) < 1e-12
    below = float((~tied & (drawn < value)).mean() + 0.5 * tied.mean())
    bias = _NORMAL.inv_cdf(min(max(below, 1 / len(drawn)), 1 - 1 / len(drawn)))

    def level(share: float) -> float:
        z = bias + _NORMAL.inv_cdf(share)
        return _NORMAL.cdf(bias + z / max(1 - skew * z, 0.05))

    tail = (1 - confidence) / 2
    ends = np.quantile(drawn, [tail, level(tail), 1 - tail, level(1 - tail)]).tolist()
    return min(ends[:2]), max(ends[2:])


def _once(cells: Doubles) -> Doubles:
    """The draw that counts every group once: (g, k * k) -> (1, k * k)."""
    total: Doubles = cells.sum(axis=0, keepdims=True)
    return total


def _with_disagreement(share: float, k: int) -> Draw:
    """The draw in which this share of the weight disagrees, as it would by chance."""

    def draw(cells: Doubles) -> Doubles:
        square: Doubles = cells.sum(axis=0).reshape(k, k)
        chance = np.outer(square.sum(axis=1), square.sum(axis=0))
        np.fill_diagonal(chance, 0.0)
        if chance.sum() > 0:
            square = (1 - share) * square + share * square.sum() * chance / chance.sum()
        return square.reshape(1, k * k)

    return draw


def _lowest(items: _Items) -> PairKappa | None:
    found = []
    for i, j in combinations(range(len(items.columns)), 2):
        left, right = items.columns[i], items.columns[j]
        kappa = float(kappas(_once(items.cells((left, right))), items.k)[0])
        if not np.isnan(kappa):
            shared = int(((left != NO_VERDICT) & (right != NO_VERDICT)).sum())
            found.append(PairKappa(items.experts[i], items.experts[j], kappa, shared))
    return min(found, key=lambda pair: pair.kappa, default=None)


def _agreement(items: _Items) -> float | None:
    tables = [_once(items.cells(raters)) for raters in _between(items.columns)]
    total = sum(float(table.sum()) for table in tables)
    same = sum(float(np.trace(table.reshape(items.k, items.k))) for table in tables)
    return same / total if total > 0 else None


def _prevalence(verdicts: Verdicts, sample: Sample) -> tuple[float, ...]:
    item, expert = np.nonzero(verdicts.table != NO_VERDICT)
    label = verdicts.table[item, expert]
    share = np.bincount(label, sample.weight[item], minlength=verdicts.k)
    return tuple((share / share.sum()).tolist()) if item.size else ()
