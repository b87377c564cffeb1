"""Round 0: equally many random rows of each predicted label, while no boundary can be trusted.

A prompted model's boundary is not yet worth an expert's time (docs/method.md: pairs at the start
are worse than this). Equally many rows of each predicted label give rare labels a chance. Random
rows within a label have known chances, so that the pool's balance of labels can be estimated from
the answers, without any item that measures a model.
"""

import numpy as np

from selection.types import Bools, Doubles, Ints


def stratify(
    predicted: Ints, among: Bools, most: int, k: int, *, rng: np.random.Generator
) -> tuple[Ints, Doubles]:
    """Draw (b,) rows; return them and (b,) the probability with which each was drawn.

    predicted: (n,) labels. among: (n,) rows to draw from. A label with too few rows leaves its
    share to the others. All rows are drawn if `most` is larger than their number.
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
