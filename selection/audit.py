"""Pool -> a random sample with known chances, from which production kappa is estimated.

Poisson sampling with permanent random numbers (Ohlsson 1995). Every text has one fixed number u
in [0, 1), a hash of its id. In every round each predicted label has a rate; a row is audited as
soon as u is below the rate of its label. So the chance that a row is in the sample is the largest
rate that it was ever under, known for every row, and the samples of all rounds are one sample.
Rates stay below `reserve`, and what has u below `reserve` is never chosen for training, so the
choice at the boundary takes nothing away from the audit: the estimate is unbiased for the pool.
The price is that the sample's size varies a little around what was asked.
"""

import hashlib

import numpy as np

from selection.stratify import fair_shares
from selection.types import Audit, Doubles, Ints, Strings


def permanent(ids: Strings, seed: int) -> Doubles:
    """(n,) the permanent random number of each row, uniform in [0, 1)."""
    salt = seed.to_bytes(8, "big")
    digests = (
        hashlib.blake2b(str(i).encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
        for i in ids
    )
    return np.array([int.from_bytes(d, "big") / 2.0**64 for d in digests])


def audit(
    predicted: Ints, chance: Doubles, inclusion: Doubles, *, k: int, size: int, reserve: float
) -> Audit:
    """The whole sample after this round: rows audited before, with their new chances, and new ones.

    predicted: (n,) labels now. chance: (n,) permanent numbers. inclusion: (n,) chance under which
    a row was audited before, NaN for rows that were not. size: expected size of the whole sample
    so far (this round's share added to those before). Each label gets an equal part of it.
    """
    if not 0 < reserve < 1:
        raise ValueError(f"reserve must lie between 0 and 1, not {reserve}")
    count = np.bincount(predicted, minlength=k)
    able = [int(reserve * c) for c in count]
    rate = np.zeros(k)
    for name, share in enumerate(fair_shares(able, size)):
        rate[name] = min(share / count[name], reserve) if count[name] else 0.0
    now = rate[predicted]  # (n,)
    before = np.where(np.isnan(inclusion), 0.0, inclusion)
    row = np.flatnonzero((chance < now) | (before > 0))
    return Audit(row, np.maximum(now, before)[row], predicted[row])
