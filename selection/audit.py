"""Pool -> a random sample with known chances, from which production kappa is estimated.

A text's chance follows what its verdict can tell about kappa: the root of the expected square of
its influence (Hampel 1974) under the model's own beliefs, which is Neyman's allocation (1934) text
by text. A part of every chance is equal for all, so that no text is without one, and the estimate
is right whatever the model believes; wrong beliefs only cost precision.

Drawn by permanent random numbers: every text has one fixed number u in [0, 1), a hash of its id,
and a round takes the texts with the smallest u / chance (priority sampling, Duffield, Lund and
Thorup 2007), exactly as many as it is asked for. The threshold times the chance is the text's
probability of being in the sample, and the largest that it had in any round counts, so that the
samples of all rounds are one sample. Probabilities stay below `reserve`, and rows with u below
`reserve` are never chosen for training, so the choice takes nothing away from the audit.
"""

import numpy as np

from selection.types import Audit, Doubles, Ints

EQUAL = 0.2  # of the chances that is the same for all texts: beliefs may be quite wrong


def audit(
    probability: Doubles, number: Doubles, inclusion: Doubles, *, size: int, reserve: float
) -> Audit:
    """Return the sample of all rounds so far: new rows, and earlier ones with their new chances.

    probability: (n, k) beliefs of the model that is measured. number: (n,) permanent ones.
    inclusion: (n,) chance with which a row was audited before, NaN for rows that were not. size:
    how many rows are added, fewer if the reserve holds no more.
    """
    if not 0 < reserve < 1:
        raise ValueError(f"reserve must lie between 0 and 1, not {reserve}")
    known = ~np.isnan(inclusion)
    score = informative(probability)
    able = np.flatnonzero(~known & (number < reserve))
    order = able[np.argsort(number[able] / score[able], kind="stable")]
    rate = np.full(len(probability), reserve)
    if size < len(order):
        first_left_out = order[size]
        threshold = number[first_left_out] / score[first_left_out]
        rate = np.minimum(score * threshold, reserve)
    row = np.sort(np.concatenate([np.flatnonzero(known), order[:size]]))
    before = np.where(known, inclusion, 0.0)
    return Audit(row, np.maximum(rate, before)[row])


def unjudged(
    probability: Doubles, number: Doubles, rng: np.random.Generator, *, size: int, reserve: float
) -> tuple[Ints, Doubles]:
    """Draw about `size` rows of the reserve whose verdicts nobody is asked for; return their
    weights, 1 / chance.

    The arguments are those of `audit`. Audited rows may be among them. A random part of the pool
    holds hardly any text of a rare label, so the chances are the audit's.
    """
    rows = np.flatnonzero(number < reserve)
    share = informative(probability)[rows]
    chance = np.minimum(size * share / max(share.sum(), 1e-12), 1.0)
    taken = rng.random(len(rows)) < chance
    return rows[taken], 1.0 / chance[taken]


def informative(probability: Doubles) -> Doubles:
    """Return (n,) the share of a sample that each text should have in expectation; sums to 1."""
    n = max(len(probability), 1)
    told = _told(probability)
    total = float(told.sum())
    if total <= 0:
        return np.full(len(told), 1 / n)
    share: Doubles = (1 - EQUAL) * told / total + EQUAL / n
    return share


def _told(probability: Doubles) -> Doubles:
    """Return (n,) how much a verdict on each text is expected to move the model's kappa.

    For a text that is predicted a and judged b, kappa = (o - e) / (1 - e) with observed agreement o
    and chance agreement e moves by ([a = b] - o) / (1 - e) - (1 - o) (t_a + m_b - 2 e) / (1 - e)^2,
    where t are the labels' shares in the verdicts and m those in the predictions; here o and t are
    what the model expects of them.
    """
    n, k = probability.shape
    predicted = probability.argmax(axis=1)
    model = np.bincount(predicted, minlength=k) / max(n, 1)
    truth = probability.mean(axis=0)
    by_chance = float(model @ truth)
    if by_chance > 1 - 1e-9:
        return np.ones(n)
    agreed = float(probability.max(axis=1).mean())
    shared = truth[:, None] + model[None, :] - 2 * by_chance
    moves = (np.eye(k) - agreed) / (1 - by_chance)
    moves -= (1 - agreed) * shared / (1 - by_chance) ** 2
    told: Doubles = np.sqrt((probability * moves[predicted] ** 2).sum(axis=1))
    return told

