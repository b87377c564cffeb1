"""Pool -> a random sample with known chances, from which production kappa is estimated.

Poisson sampling with permanent random numbers (Ohlsson 1995). Every text has one fixed number u
in [0, 1), a hash of its id. In every round each predicted label has a rate, and a row is audited
as soon as u is below the rate of its label. So the chance that a row is in the sample is the
largest rate that it ever had, which is known for every row, and the samples of all rounds are one
sample. Rates stay below `reserve`, and rows with u below `reserve` are never chosen for training,
so the choice at the boundary takes nothing away from the audit: the estimate is unbiased for the
pool. The price is that the sample's size varies a little around the size asked for.
"""

import hashlib

import numpy as np

from selection.types import Audit, Doubles, Ints, Strings


def permanent(ids: Strings, seed: int) -> Doubles:
    """Return (n,) the permanent random number of each row, uniform in [0, 1)."""
    salt = seed.to_bytes(8, "big")
    digests = (
        hashlib.blake2b(str(i).encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
        for i in ids
    )
    # 53 bits are what a float holds exactly: 64 could round up to 1.0
    return np.array([(int.from_bytes(d, "big") >> 11) / 2.0**53 for d in digests])


def audit(
    predicted: Ints, chance: Doubles, inclusion: Doubles, *, k: int, size: int, reserve: float
) -> Audit:
    """Return the sample of all rounds so far: new rows, and earlier ones with their new chances.

    predicted: (n,) labels now. chance: (n,) permanent numbers. inclusion: (n,) chance with which
    a row was audited before, NaN for rows that were not. size: expected size of the whole sample
    so far (this round's share added to those before). Each label gets an equal part of it, as far
    as the reserve of its rows goes; no row is without a chance, or the estimate would be biased.
    """
    if not 0 < reserve < 1:
        raise ValueError(f"reserve must lie between 0 and 1, not {reserve}")
    count = np.bincount(predicted, minlength=k)
    able = reserve * count.astype(np.float64)
    rate = np.minimum(_shares(able, size) / np.maximum(count, 1), reserve)
    now = rate[predicted]  # (n,)
    before = np.where(np.isnan(inclusion), 0.0, inclusion)
    row = np.flatnonzero((chance < now) | (before > 0))
    return Audit(row, np.maximum(now, before)[row])


def _shares(able: Doubles, size: float) -> Doubles:
    """Split `size` into (k,) parts, fractions too, as equal as each label's `able` allows."""
    share = np.zeros(len(able))
    left = float(size)
    for done, name in enumerate(np.argsort(able)):  # smallest first: what it leaves is shared
        share[name] = min(float(able[name]), left / (len(able) - done))
        left -= share[name]
    return share
