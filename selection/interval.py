"""Kappa -> its interval, by the Bayesian bootstrap over groups of items.

Rubin, "The Bayesian bootstrap" (1981), with a few imagined items in the manner of Jeffreys' prior,
so that what was not seen yet is not taken for impossible. Shapes as in kappa.py; m imagined groups.
"""

import numpy as np

from selection.calibrate import terms_of
from selection.kappa import Draw, Items, Raters, Statistic
from selection.types import NO_VERDICT, Doubles, Estimate

ONE_LABEL = "all answers that can be compared are the same label, so that kappa says nothing"

# How often each kind of imagined group counts, in groups (benchmarks/results/statistics.json).
ALONE = 0.25  # one expert differs from the others
MODEL = 0.5  # one of two models differs, if two are compared
TOGETHER = 0.25  # all experts differ from the model
TOGETHER_IN_GAP = 0.5  # the same if it moves both kappas: the model's down, the experts' up
LABEL = 0.5  # all agree on this label
# Gamma's shape of a seen group: below 1 for wider intervals, which at 1 cover 92 to 95 %.
SHAPE, CALIBRATED = 0.9, 0.75  # of verdicts that are counted, and of calibrated beliefs


def estimated(
    statistic: Statistic,
    items: Items,
    rng: np.random.Generator,
    resamples: int,
    confidence: float = 0.95,
    together: float = TOGETHER,
) -> Estimate:
    """Return the value on all items with its interval, or the reason why there is none.

    The interval holds the middle `confidence` of the draws, and the value. Groups count
    independently of each other, as an audit draws them: how many of a label it draws is random.
    """
    n = len(items)
    if n == 0:
        who = "an expert" if items.at_least == 1 else "two experts"
        return Estimate.undefined(0, f"no item was judged by {who}")
    value = _exactly(float(statistic(items.once)[0]))
    if np.isnan(value):
        return Estimate.undefined(n, ONE_LABEL)
    if items.groups < 2:
        reason = "an interval needs at least two groups of items"
        return Estimate(value, None, None, n, reason, confidence)
    drawn = statistic(_draw(items, rng, resamples, together))
    tail = (1 - confidence) / 2
    low, high = map(_exactly, np.quantile(drawn, [tail, 1 - tail]).tolist())
    return Estimate(value, min(low, value), max(high, value), n, confidence=confidence)


def _exactly(value: float) -> float:
    """Return it without the last digits of a sum, so that nothing is "-0.00"."""
    return round(value, 12) + 0.0


def _draw(items: Items, rng: np.random.Generator, resamples: int, together: float) -> Draw:
    """Return draws in which seen and imagined groups count as often as Gamma variables say."""
    often = _often(items, together)
    shape = CALIBRATED if any(items.models) else SHAPE
    seen = rng.standard_gamma(shape, (resamples, items.groups)) / shape
    unseen = rng.standard_gamma(often, (resamples, len(often)))
    noise = _noise(items, rng, resamples)
    more = rng.standard_gamma(shape, (resamples, items.unjudged)) / shape

    def draw(raters: Raters) -> Doubles:
        calibration = items.calibration(raters)
        if calibration is not None:
            counted = np.concatenate([seen[:, items.group], more, unseen[:, -items.k :]], axis=1)
            return calibration.drawn(counted, noise[raters[0] - len(items.experts)])
        tables: Doubles = seen @ items.cells(raters) + unseen @ _imagined(items, raters)
        return tables

    return draw


def _noise(items: Items, rng: np.random.Generator, resamples: int) -> Doubles:
    """Return (models, b, p) by what the prior of each model's calibration moves, of deviation 1.

    Half of it is common to all models: two that are compared are alike, and not the same.
    """
    shape = (resamples, terms_of(items.k))
    common, own = rng.standard_normal(shape), rng.standard_normal((len(items.models), *shape))
    found: Doubles = (common + own) / np.sqrt(2)
    return found


def _often(items: Items, together: float) -> Doubles:
    """Return (m,) how many groups each imagined one stands for: raters alone, together, labels.

    For a single model "it differs alone" is the same event as "the experts differ together".
    """
    e, models = len(items.experts), len(items.answers) - len(items.experts)
    alone = [ALONE] * e + [MODEL if models > 1 else 0.0] * models
    return np.array([*alone, together, *[LABEL] * items.k])


def _imagined(items: Items, raters: Raters) -> Doubles:
    """Return (m, k * k) cells of the imagined groups.

    A group in which a rater differs is the mean of all groups with that rater's answers replaced
    by the other labels in equal parts. Its weight is that of the mean group, as if it were the next
    one drawn. A group in which all agree on a label weighs as much as the mean group's items with
    that label.
    """
    e, k = len(items.experts), items.k
    weight = items.weight_of(raters)
    if max(raters) < e:
        weight = np.where(items.twice, weight, 0.0)
    share = 1.0 / max(len(np.unique(items.group[weight > 0])), 1)
    table = items.once(raters).reshape(k, k) * share / (k - 1)
    left = table.sum(axis=0, keepdims=True) - table  # (k, k) the rater of the rows differs
    right = table.sum(axis=1, keepdims=True) - table
    alone = np.zeros((len(items.answers), k, k))
    alone[raters[0]], alone[raters[1]] = left, right
    if raters[0] < e:  # two experts: what they say together becomes another label
        answered = (table.sum(axis=0) + table.sum(axis=1)) / 2
        together = np.diag(answered.sum() - answered)
    else:
        together = right
    imagined = [*alone, together, *_agreements(items, raters)]
    return np.stack(imagined).reshape(len(imagined), k * k)


def _agreements(items: Items, raters: Raters) -> Doubles:
    """Return (k, k, k): for each label the cells of a group in which both gave it, rarest first.

    By this order nothing depends on the names of labels. Zero for a label that nobody gave.
    """
    both, k = items.both(raters), items.k
    weight = items.weight_of(raters)[both]
    left, right = (items.answers[rater][both] for rater in raters)
    found = np.zeros((k, k, k))
    for label in range(k):
        where = (left == label) | (right == label)
        if where.any():
            groups = len(np.unique(items.group[both][where]))
            found[label, label, label] = weight[where].sum() / groups * both.mean()
    given = [np.bincount(a[a != NO_VERDICT], minlength=k) for a in items.answers]
    ordered: Doubles = found[np.argsort(np.sum(given, axis=0), kind="stable")]
    return ordered
