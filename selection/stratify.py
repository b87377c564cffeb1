"""Round 0: as many random rows of each predicted label, before there is a boundary to trust.

A prompted model's boundary is not yet worth an expert's time (docs/method.md: pairs at the start
lose to this). Taking each predicted label equally often gives rare labels a chance; taking rows
at random inside a label keeps the chances known, so that the pool's balance of labels can be
estimated from the answers without touching a test item.
"""

import numpy as np

from selection.types import Bools, Doubles, Ints


def stratify(
    predicted: Ints, among: Bools, most: int, k: int, *, rng: np.random.Generator
) -> tuple[Ints, Doubles]:
    """(b,) rows and (b,) the probability with which each was taken.

    predicted: (n,) labels. among: (n,) rows that may be taken. A label with too few rows leaves
    its share to the others. More than there is gives all.
    """
    strata = [np.flatnonzero(among & (predicted == name)) for name in range(k)]
    share = fair_shares([len(rows) for rows in strata], most)
    taken, chance = [], []
    for rows, size in zip(strata, share, strict=True):
        taken.append(rng.permutation(rows)[:size])
        chance.append(np.full(size, size / max(len(rows), 1)))
    return np.concatenate(taken).astype(np.int64), np.concatenate(chance)


def fair_shares(sizes: list[int], total: int) -> list[int]:
    """Split `total` over groups as equally as their sizes allow."""
    share = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        open_groups = [g for g, size in enumerate(sizes) if share[g] < size]
        each = max(left // len(open_groups), 1)
        for g in open_groups:
            more = min(each, sizes[g] - share[g], left)
            share[g] += more
            left -= more
    return share
