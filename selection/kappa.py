"""Answers of raters -> tables of agreement -> kappa: what every alignment is computed with.

Cohen, "A coefficient of agreement for nominal scales" (1960); for several experts Conger,
"Integration and generalization of kappas for multiple raters" (1980). interval.py has the interval.

Shapes: n items, g groups, e experts, k labels, b draws. A kappa needs no more than a table of k * k
weights, and tables add up over groups, so that b draws are one matrix product of (b, g) counts with
(g, k * k) cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from selection.calibrate import Calibration, Unjudged
from selection.types import NO_VERDICT, Bools, Doubles, Ints, Sample, Verdicts

EXPERTS = -1  # all of them together, as a version's calibration tells what they say
# Two raters: their positions in Items.answers, or EXPERTS.
Raters = tuple[int, int]
# What a model says of n items: (n,) labels, or (n, k) beliefs, which the verdicts then calibrate.
Said = Ints | Doubles
# Raters -> (b, k * k) tables of their answers.
Draw = Callable[[Raters], Doubles]
# What is estimated: a draw -> (b,) values, NaN if undefined.
Statistic = Callable[[Draw], Doubles]
# Pairs of raters, k -> how well they agree.
Measure = Callable[[Sequence[Raters], int], Statistic]


def kappas(tables: Doubles, k: int) -> Doubles:
    """(b, k * k) weighted confusions -> (b,) Cohen's kappa.

    NaN if a table is empty or holds only one label on both sides: chance agreement is 1 then.
    """
    return mean_kappa([(0, 1)], k)(lambda _: tables)


def mean_kappa(pairs: Sequence[Raters], k: int) -> Statistic:
    """Return Conger's kappa: disagreement of pairs of raters, divided by that expected by chance.

    For one pair it is Cohen's kappa; for several it is close to the mean of theirs, and equal to it
    if all have the same chance agreement. Chance follows from what each rater said in all of its
    pairs together (Gwet, "Handbook of inter-rater reliability", on missing ratings): if each item
    is judged by two of five experts, two of them share 6 of 60 items, and a kappa of their own on
    those would be half noise.
    """

    def statistic(draw: Draw) -> Doubles:
        tables = [draw(raters).reshape(-1, k, k) for raters in pairs]
        answered: dict[int, Doubles] = {}  # rater -> (b, k)
        for (left, right), table in zip(pairs, tables, strict=True):
            answered[left] = answered.get(left, 0.0) + table.sum(axis=2)
            answered[right] = answered.get(right, 0.0) + table.sum(axis=1)
        share = {rater: _shares(labels) for rater, labels in answered.items()}
        differ, by_chance, total = np.zeros(1), np.zeros(1), np.zeros(1)
        for (left, right), table in zip(pairs, tables, strict=True):
            weight = table.sum(axis=(1, 2))
            differ = differ + weight - np.trace(table, axis1=1, axis2=2)
            by_chance = by_chance + weight * (1 - (share[left] * share[right]).sum(axis=1))
            total = total + weight
        kappa: Doubles = 1 - differ / np.where(by_chance > 1e-12 * total, by_chance, np.nan)
        return kappa

    return statistic


def agreement(pairs: Sequence[Raters], k: int) -> Statistic:
    """Return the share of equal answers in all pairs of raters together; NaN without an answer.

    It is defined where all answers are one label, and kappa is not.
    """

    def statistic(draw: Draw) -> Doubles:
        tables = np.sum([draw(raters) for raters in pairs], axis=0).reshape(-1, k, k)
        total = tables.sum(axis=(1, 2))
        equal: Doubles = np.trace(tables, axis1=1, axis2=2) / np.where(total > 0, total, np.nan)
        return equal

    return statistic


def _shares(weight: Doubles) -> Doubles:
    total = weight.sum(axis=1, keepdims=True)
    share: Doubles = weight / np.where(total > 0, total, 1.0)
    return share


@dataclass(frozen=True)
class Items:
    """The items that enough experts judged, ready to be counted.

    answers: one (n,) array for each rater: the experts first, then the models. models: for each
    model its calibration, None where only its labels are known. weight: (n,) of each verdict on the
    item. apart: (n,) of two verdicts on one item, which are not asked for on all. group: (n,) from
    0 to g - 1. k: number of labels. experts: names. at_least: experts that judged each item.
    """

    answers: tuple[Ints, ...]
    models: tuple[Calibration | None, ...]
    weight: Doubles
    apart: Doubles
    group: Ints
    k: int
    experts: tuple[str, ...]
    at_least: int

    @classmethod
    def of(
        cls,
        verdicts: Verdicts,
        sample: Sample,
        *,
        at_least: int,
        predictions: Sequence[Said] = (),
        others: Unjudged | None = None,
    ) -> "Items":
        """Keep the items that at least `at_least` experts judged.

        predictions: of each model. others: what the models believe of texts without a verdict.
        """
        n, k = len(verdicts.table), verdicts.k
        for name, array in [("sample", sample.weight), *(("predicted", p) for p in predictions)]:
            if len(array) != n:
                raise ValueError(f"{name} has {len(array)} entries for {n} items")
        judged = (verdicts.table != NO_VERDICT).sum(axis=1)
        kept = judged >= at_least
        _, group = np.unique(sample.group[kept], return_inverse=True)
        drawn = sample.weight[kept]
        # an item counts once, however many experts judge it, which differs from round to round
        weight = drawn / judged[kept]
        apart = drawn if sample.second is None else drawn / sample.second[kept]
        table = verdicts.table[kept]
        votes = (table[:, :, None] == np.arange(k)).sum(axis=1) / judged[kept][:, None]
        models = tuple(
            Calibration(p[kept], votes, drawn, others) if p.ndim == 2 else None for p in predictions
        )
        answers = (*table.T, *(_labels(p, k)[kept] for p in predictions))
        return cls(answers, models, weight, apart, group, k, verdicts.experts, at_least)

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def groups(self) -> int:
        """The number g of groups."""
        return int(self.group.max(initial=-1)) + 1

    @property
    def among_experts(self) -> list[Raters]:
        """Every two experts."""
        return list(combinations(range(len(self.experts)), 2))

    def with_model(self, model: int = 0) -> list[Raters]:
        """Pair this model (a position in the predictions) with every expert, or with all at once
        if it is calibrated."""
        e = len(self.experts)
        if self.models[model] is not None:
            return [(e + model, EXPERTS)]
        return [(e + model, expert) for expert in range(e)]

    def calibration(self, raters: Raters) -> Calibration | None:
        """Return what these two share if they are a calibrated model and the experts."""
        return self.models[raters[0] - len(self.experts)] if raters[1] == EXPERTS else None

    @property
    def unjudged(self) -> int:
        """The number of texts without a verdict that the models have read."""
        return max((len(one.others or ()) for one in self.models if one is not None), default=0)

    def both(self, raters: Raters) -> Bools:
        """Return (n,) True where both answered."""
        left, right = (self.answers[rater] for rater in raters)
        both: Bools = (left != NO_VERDICT) & (right != NO_VERDICT)
        return both

    @property
    def twice(self) -> Bools:
        """Return (n,) True where at least two experts answered."""
        answered = np.array([a != NO_VERDICT for a in self.answers[: len(self.experts)]])
        twice: Bools = answered.sum(axis=0) > 1
        return twice

    def weight_of(self, raters: Raters) -> Doubles:
        """Return (n,) weights of what these two say: of two experts, or an expert and a model."""
        return self.apart if max(raters) < len(self.experts) else self.weight

    def cells(self, raters: Raters) -> Doubles:
        """Return (g, k * k) weights by group, and by the labels of two raters who both answered."""
        left, right = (self.answers[rater] for rater in raters)
        both, size, weight = self.both(raters), self.k * self.k, self.weight_of(raters)
        cell = self.group[both] * size + left[both] * self.k + right[both]
        counted = np.bincount(cell, weight[both], minlength=self.groups * size)
        # bincount of no items at all returns integers
        return counted.reshape(self.groups, size).astype(np.float64)

    def once(self, raters: Raters) -> Doubles:
        """Count every group once: a draw of (1, k * k)."""
        calibration = self.calibration(raters)
        if calibration is not None:
            return calibration.once()
        total: Doubles = self.cells(raters).sum(axis=0, keepdims=True)
        return total


def _labels(said: Said, k: int) -> Ints:
    """Return (n,) the labels that a model predicts. Raises ValueError if there are no such."""
    if said.ndim == 2:
        if said.shape[1] != k:
            raise ValueError(f"beliefs in {said.shape[1]} labels, where there are {k}")
        best: Ints = said.argmax(axis=1)
        return best
    if said.size and not 0 <= said.min() <= said.max() < k:
        raise ValueError(f"predictions must be labels from 0 to {k - 1}")
    return said.astype(np.int64)
