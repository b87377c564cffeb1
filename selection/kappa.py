"""Tables of agreement -> kappa and its interval: what every alignment is computed with.

Cohen, "A coefficient of agreement for nominal scales" (1960); for several experts Conger,
"Integration and generalization of kappas for multiple raters" (1980). Intervals by the Bayesian
bootstrap of Rubin (1981) over groups of items, with a few imagined items in the manner of
Jeffreys' prior, so that what was not seen yet is not taken for impossible.

Shapes: n items, g groups of t kinds, m imagined groups, e experts, k labels, b draws. A kappa needs
no more than a table of k * k weights, and tables add up over groups, so that b draws are one matrix
product of (b, t) counts with (t, k * k) cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from selection.types import NO_VERDICT, Bools, Doubles, Estimate, Ints, Sample, Verdicts

ONE_LABEL = "all answers that can be compared are the same label, so that kappa says nothing"

# How often each kind of imagined group counts, in groups (benchmarks/results/statistics.json).
ALONE = 0.25  # one expert differs from the others
MODEL = 0.5  # one of two models does, where they are compared
TOGETHER = 0.25  # all experts differ from the model
TOGETHER_IN_GAP = 0.5  # the same where it moves both kappas: the model's down, the experts' up
LABEL = 0.5  # all agree on this label
# Gamma's shape of a seen group: below 1 for wider intervals, which at 1 cover 92 to 95 %.
SHAPE = 0.9

# Two raters: their positions in Items.answers.
Raters = tuple[int, int]
# Raters -> (b, k * k) tables of their answers.
Draw = Callable[[Raters], Doubles]
# What is estimated: a draw -> (b,) values, NaN where undefined.
Statistic = Callable[[Draw], Doubles]


def kappas(tables: Doubles, k: int) -> Doubles:
    """(b, k * k) weighted confusions -> (b,) Cohen's kappa.

    NaN where a table is empty, or holds one label only on both sides: chance agreement is 1.
    """
    return mean_kappa([(0, 1)], k)(lambda _: tables)


def mean_kappa(pairs: Sequence[Raters], k: int) -> Statistic:
    """Conger's kappa: disagreement over pairs of raters, by what chance gives the same pairs.

    For one pair Cohen's kappa; for several close to the mean of theirs, and equal to it where their
    chances are alike. Chance follows from what each rater said in all of its pairs together
    (Gwet, "Handbook of inter-rater reliability", on missing ratings): where five experts judge two
    of five each, two of them share 6 of 60 items, and a kappa of its own on those is half noise.
    """

    def statistic(draw: Draw) -> Doubles:
        tables = [draw(raters).reshape(-1, k, k) for raters in pairs]
        said: dict[int, Doubles] = {}  # rater -> (b, k)
        for (left, right), table in zip(pairs, tables, strict=True):
            said[left] = said.get(left, 0.0) + table.sum(axis=2)
            said[right] = said.get(right, 0.0) + table.sum(axis=1)
        share = {rater: _shares(labels) for rater, labels in said.items()}
        differ, room, total = np.zeros(1), np.zeros(1), np.zeros(1)
        for (left, right), table in zip(pairs, tables, strict=True):
            weight = table.sum(axis=(1, 2))
            differ = differ + weight - np.trace(table, axis1=1, axis2=2)
            room = room + weight * (1 - (share[left] * share[right]).sum(axis=1))
            total = total + weight
        kappa: Doubles = 1 - differ / np.where(room > 1e-12 * total, room, np.nan)
        return kappa

    return statistic


def _shares(weight: Doubles) -> Doubles:
    total = weight.sum(axis=1, keepdims=True)
    share: Doubles = weight / np.where(total > 0, total, 1.0)
    return share


@dataclass(frozen=True)
class Items:
    """The items that enough experts judged, ready to be counted.

    answers: one (n,) array a rater: the experts first, then the models. weight: (n,). group: (n,)
    from 0 to g - 1. kind: (g,) from 0 to t - 1, the same for groups that nothing tells apart.
    k: number of labels. experts: names.
    """

    answers: tuple[Ints, ...]
    weight: Doubles
    group: Ints
    kind: Ints
    k: int
    experts: tuple[str, ...]
    at_least: int

    @classmethod
    def of(
        cls, verdicts: Verdicts, sample: Sample, *, at_least: int, predictions: Sequence[Ints] = ()
    ) -> "Items":
        n = len(verdicts.table)
        for name, array in [("sample", sample.weight), *(("predicted", p) for p in predictions)]:
            if len(array) != n:
                raise ValueError(f"{name} has {len(array)} entries for {n} items")
        if any(p.size and not 0 <= p.min() <= p.max() < verdicts.k for p in predictions):
            raise ValueError(f"predictions must be labels from 0 to {verdicts.k - 1}")
        kept = (verdicts.table != NO_VERDICT).sum(axis=1) >= at_least
        _, group = np.unique(sample.group[kept], return_inverse=True)
        answers = (*verdicts.table[kept].T, *(p[kept] for p in predictions))
        weight = sample.weight[kept]
        kind = _kinds(np.column_stack([*answers, weight]), group)
        return cls(answers, weight, group, kind, verdicts.k, verdicts.experts, at_least)

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def groups(self) -> int:
        """g, the number of groups."""
        return len(self.kind)

    @property
    def among_experts(self) -> list[Raters]:
        """Every two experts."""
        return list(combinations(range(len(self.experts)), 2))

    def with_model(self, model: int = 0) -> list[Raters]:
        """This model (a position in the predictions) and every expert."""
        e = len(self.experts)
        return [(e + model, expert) for expert in range(e)]

    def both(self, raters: Raters) -> Bools:
        """(n,) where both answered."""
        left, right = (self.answers[rater] for rater in raters)
        both: Bools = (left != NO_VERDICT) & (right != NO_VERDICT)
        return both

    def cells(self, raters: Raters) -> Doubles:
        """(t, k * k) weights by kind, row label and column label, where both raters answered."""
        left, right = (self.answers[rater] for rater in raters)
        both, size = self.both(raters), self.k * self.k
        kinds = int(self.kind.max(initial=-1)) + 1
        cell = self.kind[self.group[both]] * size + left[both] * self.k + right[both]
        counted = np.bincount(cell, self.weight[both], minlength=kinds * size)
        # a count of no items at all comes as whole numbers
        return counted.reshape(kinds, size).astype(np.float64)

    def once(self, raters: Raters) -> Doubles:
        """The draw that counts every group once: (1, k * k)."""
        total: Doubles = self.cells(raters).sum(axis=0, keepdims=True)
        return total


def _kinds(rows: Doubles, group: Ints) -> Ints:
    """(g,) kind of each group, numbered as they first come: what its items are, in any order.

    rows: (n, any) all that is known of an item. Hundreds of items are a dozen kinds, and a sum of
    Gamma variables is one: draws cost a dozen columns. Named by what comes first, kinds depend
    neither on the order of items nor on the names of labels.
    """
    _, code = np.unique(rows, axis=0, return_inverse=True)
    order = np.lexsort((code, group))
    size = np.bincount(group)
    within = np.arange(len(group)) - np.repeat(size.cumsum() - size, size)
    members = np.full((len(size), size.max(initial=0)), -1)
    members[group[order], within] = code[order]
    _, first, kind = np.unique(members, axis=0, return_index=True, return_inverse=True)
    found: Ints = first.argsort().argsort()[kind]
    return found


def estimated(
    statistic: Statistic,
    items: Items,
    rng: np.random.Generator,
    resamples: int,
    confidence: float = 0.95,
    together: float = TOGETHER,
) -> Estimate:
    """The value on all items and its interval, or why there is none.

    The interval holds the middle `confidence` of the draws, and the value. Groups count
    independently of each other, as an audit draws them: the size of a stratum is chance too.
    """
    n = len(items)
    if n == 0:
        who = "an expert" if items.at_least == 1 else "two experts"
        return Estimate.undefined(0, f"no item was judged by {who}")
    value = float(statistic(items.once)[0])
    if np.isnan(value):
        return Estimate.undefined(n, ONE_LABEL)
    if items.groups < 2:
        reason = "an interval needs at least two groups of items"
        return Estimate(value, None, None, n, reason, confidence)
    drawn = statistic(_draw(items, rng, resamples, together))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Estimate(value, min(low, value), max(high, value), n, confidence=confidence)


def _draw(items: Items, rng: np.random.Generator, resamples: int, together: float) -> Draw:
    """Draws in which seen and imagined groups count as often as Gamma variables say."""
    often = _often(items, together)
    shape = SHAPE * np.bincount(items.kind)
    seen = rng.standard_gamma(shape, (resamples, len(shape))) / shape
    unseen = rng.standard_gamma(often, (resamples, len(often)))

    def draw(raters: Raters) -> Doubles:
        tables: Doubles = seen @ items.cells(raters) + unseen @ _imagined(items, raters)
        return tables

    return draw


def _often(items: Items, together: float) -> Doubles:
    """(m,) how many groups each imagined one stands for: raters alone, together, labels.

    Of a single model "it differs alone" is no other event than "the experts do together".
    """
    e, models = len(items.experts), len(items.answers) - len(items.experts)
    alone = [ALONE] * e + [MODEL if models > 1 else 0.0] * models
    return np.array([*alone, together, *[LABEL] * items.k])


def _imagined(items: Items, raters: Raters) -> Doubles:
    """(m, k * k) cells of the imagined groups.

    One in which a rater differs is the mean of all groups, less that rater's answers, each
    replaced by the other labels alike. Its weight is W / g', with g' = W ** 2 / sum(w ** 2) of
    Kish: the weight that the unseen is likely to have, since most texts are in heavy groups. One
    in which all agree on a label weighs what the mean group has of items that somebody gave it.
    """
    e, k = len(items.experts), items.k
    of_group = np.bincount(items.group, items.weight)
    share = float((of_group**2).sum() / of_group.sum() ** 2)
    table = items.once(raters).reshape(k, k) * share / (k - 1)
    left = table.sum(axis=0, keepdims=True) - table  # (k, k) the rater of the rows differs
    right = table.sum(axis=1, keepdims=True) - table
    alone = np.zeros((len(items.answers), k, k))
    alone[raters[0]], alone[raters[1]] = left, right
    if raters[0] < e:  # two experts: what they say together becomes another label
        said = (table.sum(axis=0) + table.sum(axis=1)) / 2
        together = np.diag(said.sum() - said)
    else:
        together = right
    imagined = [*alone, together, *_agreements(items, raters)]
    return np.stack(imagined).reshape(len(imagined), k * k)


def _agreements(items: Items, raters: Raters) -> Doubles:
    """(k, k, k) for each label the cells of a group in which both gave it, rarest label first.

    The order makes nothing depend on the names of labels. Empty for what nobody said.
    """
    both, k = items.both(raters), items.k
    weight = items.weight[both]
    said = [items.answers[rater][both] for rater in raters]
    found = np.zeros((k, k, k))
    for label in range(k):
        where = (said[0] == label) | (said[1] == label)
        if where.any():
            groups = len(np.unique(items.group[both][where]))
            found[label, label, label] = weight[where].sum() / groups * both.mean()
    heard = [np.bincount(a[a != NO_VERDICT], minlength=k) for a in items.answers]
    ordered: Doubles = found[np.argsort(np.sum(heard, axis=0), kind="stable")]
    return ordered
