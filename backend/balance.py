"""Verdicts on texts that were drawn with known chances -> the shares of the labels in the pool.

The audit is such a draw, and so was part of the first round of an older Crux. The audit's verdicts
count here too: a share is fitted to no model, so that they go on measuring models.
"""

from collections.abc import Sequence

import numpy as np

from selection.collect import Collected
from selection.item import Item
from selection.types import Doubles
from selection.verdict_table import verdicts_of, votes_of


def pool_balance(collected: Collected) -> tuple[Doubles, float]:
    """Return (k,) the share of each label, and how many equally likely draws it is worth.

    Each draw estimates the shares by itself; they are averaged by what they are worth. Where
    nothing was drawn at random the chosen texts' own shares are returned, which are worth 0.
    """
    k = len(collected.labels)
    judged = [item for item in collected.items if item.verdicts]
    draws = [
        [one for one in judged if one.card.role == role and one.card.inclusion is not None]
        for role in ("audit", "train")
    ]
    found = [_shares(draw, k) for draw in draws if draw]
    worth = sum(drawn for _, drawn in found)
    if not worth:
        votes = votes_of(verdicts_of(judged, k)).sum(axis=0) if judged else np.zeros(k)
        return (votes + 1.0) / (votes.sum() + k), 0.0
    share: Doubles = sum((drawn * share for share, drawn in found), np.zeros(k)) / worth
    return share, worth


def _shares(items: Sequence[Item], k: int) -> tuple[Doubles, float]:
    """Return the shares by one draw, weighted by 1 / inclusion, and what they are worth.

    One more text of the mean weight is imagined, whose label nobody knows: so a label is rare and
    not impossible, and a few verdicts do not seem to tell more than they do. Worth: the draws with
    equal chances that would be as exact, by the variance of the ratio estimate (Särndal, Swensson
    and Wretman 1992, 5.7) and of the imagined text.
    """
    weight = np.array([1.0 / (item.card.inclusion or 1.0) for item in items])
    votes = votes_of(verdicts_of(items, k)).astype(np.float64)
    votes /= votes.sum(axis=1, keepdims=True)
    mean = float(weight.mean())
    total = weight @ votes + mean / k
    share: Doubles = total / total.sum()
    spread = float((weight**2 @ (votes - share) ** 2).sum()) + mean**2 * (1 - 1 / k)
    return share, float((share * (1 - share)).sum()) * float(total.sum()) ** 2 / spread
