"""A model's answers to random texts of the pool -> offsets that make its answers fit the pool.

Training labels are bought where they matter, so their balance is not the pool's; and a model that
was taught a few dozen labels is never sure of a rare one, so that its best guess is the common
label for every text, with kappa 0 however well it ranks. One choice of offsets corrects both: each
label is predicted for as many texts of a drawn sample as its share in the pool demands. The labels
of the sample are not asked for. It is drawn where the choice takes nothing away, and its chances
are known and higher where the model is in doubt, since there the threshold lies
(selection/choose.py).

The share is a guess from a few dozen verdicts, and a trained model's own answers are another one:
`expected` weighs them (docs/decisions.md has what either alone costs).
"""

import numpy as np

from selection.types import Doubles

SWEEPS = 50
OWN = 160.0  # how many drawn texts the model's own answers count for


def expected(
    logits: Doubles,
    prior: Doubles,
    drawn: float,
    own: float = OWN,
    *,
    weight: Doubles | None = None,
) -> Doubles:
    """Return (k,) the share that each label is taken to have in the pool; positive, sums to 1.

    logits: (n, k) of drawn texts, by the model without offsets. prior: (k,) shares by
    experts' verdicts on texts drawn at random. drawn: how many equally likely draws these are
    worth. own: how many of such the model's own answers count for. weight: (n,) how many texts of
    the pool each stands for, None for equally many.
    """
    n, k = logits.shape
    weight = np.ones(n) if weight is None else weight
    answered = np.bincount(logits.argmax(axis=1), weight, minlength=k)
    # one text is spread over all labels, so that no share is 0
    answered += weight.sum() / n / k
    share: Doubles = (drawn * prior + own * answered / answered.sum()) / (drawn + own)
    return share


def match(
    logits: Doubles, share: Doubles, *, weight: Doubles | None = None
) -> tuple[float, ...]:
    """Return (k,) offsets with which label l is the most probable for about share[l] of the pool.

    logits: (n, k). share: (k,) positive, sums to 1. weight: (n,) how many texts of the
    pool each stands for, None for equally many. Each label's offset is set in turn to the quantile
    that gives its share while the others are held; for two labels that is exact.
    """
    n, k = logits.shape
    weight = np.ones(n) if weight is None else weight
    if len(share) != k or not np.isclose(float(np.sum(share)), 1.0, atol=1e-3):
        raise ValueError(f"{len(share)} shares that sum to {np.sum(share):g} for {k} labels")
    offsets = np.log(np.asarray(share, dtype=np.float64))
    for _ in range(SWEEPS):
        before = offsets.copy()
        for label in range(k):
            shifted = logits + offsets
            shifted[:, label] = -np.inf
            # how much this label lacks to win each text
            lack = shifted.max(axis=1) - logits[:, label]
            offsets[label] = _between(lack, weight, float(share[label]))
        offsets -= offsets.mean()
        if np.abs(offsets - before).max() < 1e-6:
            break
    return tuple(float(value) for value in offsets)


def _between(lack: Doubles, weight: Doubles, share: float) -> float:
    """Return an offset that wins the share of the weight as nearly as whole texts can.

    It lies halfway to the next text. Texts that lack the same are won together or not at all.
    """
    values, of = np.unique(lack, return_inverse=True)
    upto = np.cumsum(np.bincount(of, weight))
    wins = int((upto - np.diff(upto, prepend=0.0) / 2 < share * upto[-1] - 1e-9).sum())
    if wins <= 0:
        return float(values[0]) - 1.0
    if wins >= len(values):
        return float(values[-1]) + 1.0
    return float(values[wins - 1] + values[wins]) / 2
