"""A model's answers to random texts of the pool -> offsets that make its answers fit the pool.

Training labels are bought where they matter, so their balance is not the pool's; and a model that
was taught a few dozen labels is never sure of a rare one, so that its best guess is the common
label for every text, with kappa 0 however well it ranks. One choice of offsets corrects both: each
label is predicted for as many texts of a random sample as its share in the pool demands. No label
of the sample is needed, and no text of it measures a model.

The share is a guess from a few dozen texts, and a trained model's own answers are another one:
`expected` weighs them (docs/decisions.md has what either alone costs).
"""

import numpy as np

from selection.types import Doubles, Ints

SWEEPS = 50
OWN = 40.0  # how many drawn texts the model's own answers count for


def expected(log_probability: Doubles, prior: Doubles, drawn: float, own: float = OWN) -> Doubles:
    """Return (k,) the share that each label is taken to have in the pool; positive, sums to 1.

    log_probability: (n, k) of random texts, by the model without offsets. prior: (k,) shares by
    experts' verdicts on texts drawn at random. drawn: how many these were; where their chances
    differed, how many they are worth (Kish 1965: square of the sum of weights by sum of squares).
    own: how many drawn texts the model's own answers count for.
    """
    n, k = log_probability.shape
    # one text is spread over all labels, so that no share is 0
    answered = (np.bincount(log_probability.argmax(axis=1), minlength=k) + 1.0 / k) / (n + 1.0)
    share: Doubles = (drawn * prior + own * answered) / (drawn + own)
    return share


def match(log_probability: Doubles, share: Doubles) -> tuple[float, ...]:
    """Return (k,) offsets with which label l is the most probable for about share[l] of n texts.

    log_probability: (n, k). share: (k,) positive, sums to 1. Each label's offset is set in turn
    to the quantile that gives its share while the others are held; for two labels that is exact.
    """
    n, k = log_probability.shape
    if len(share) != k or not np.isclose(float(np.sum(share)), 1.0, atol=1e-3):
        raise ValueError(f"{len(share)} shares that sum to {np.sum(share):g} for {k} labels")
    offsets = np.log(np.asarray(share, dtype=np.float64))
    wanted = wanted_counts(n, share)
    for _ in range(SWEEPS):
        before = offsets.copy()
        for label in range(k):
            shifted = log_probability + offsets
            shifted[:, label] = -np.inf
            # how much this label lacks to win each text
            lack = np.sort(shifted.max(axis=1) - log_probability[:, label])
            offsets[label] = _between(lack, int(wanted[label]))
        offsets -= offsets.mean()
        if np.abs(offsets - before).max() < 1e-6:
            break
    return tuple(float(value) for value in offsets)


def wanted_counts(n: int, share: Doubles) -> Ints:
    """Return (k,) the whole numbers of texts that sum to n and are nearest to the shares."""
    exact = np.asarray(share, dtype=np.float64) * n
    counts = np.floor(exact).astype(np.int64)
    short = n - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:short]] += 1
    return counts


def _between(lack: Doubles, wins: int) -> float:
    """Return an offset that wins exactly `wins` texts, halfway to the next one."""
    if wins <= 0:
        return float(lack[0]) - 1.0
    if wins >= len(lack):
        return float(lack[-1]) + 1.0
    return float(lack[wins - 1] + lack[wins]) / 2
