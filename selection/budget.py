"""More candidates than the experts can judge -> those that cover most of what is unsure.

"When the review budget is short, pairs that cover a larger part of the search space come first"
(Krause and Chang 2025, step 4). The search space is a sample of the pool, each text as heavy as
the model is unsure of it; a bought text covers its neighbourhood, and a pair what either of its
texts covers (greedy facility location, within 1 - 1/e of the best choice, Nemhauser 1978; weights
and cosine kernel as in Uncertainty Herding, Bae et al., ICLR 2025).
"""

import numpy as np

from selection.types import Doubles, Floats, Ints

WIDTH = 0.2  # of the kernel exp((cosine - 1) / WIDTH)


def budget(
    vectors: Floats,
    members: Ints,
    space: Ints,
    weight: Doubles,
    *,
    most: int,
    covered: Ints,
) -> Ints:
    """Positions of the chosen candidates, best first; the choice for b begins that for b + 1.

    vectors: (n, d) unit. members: (m, 2) the rows of each candidate (twice the same for a single
    row); no row is chosen twice. space: (p,) rows to be covered. weight: (p,) at least 0. most:
    rows that may be bought. covered: (c,) rows that are labelled already.
    m * p * d multiply-adds for single rows, twice as many for pairs.
    """
    if len(space) != len(weight):
        raise ValueError(f"{len(space)} rows to cover, {len(weight)} weights")
    if members.ndim != 2 or members.shape[1] != 2:
        raise ValueError(f"members must be (candidates, 2), not {members.shape}")
    if len(weight) and float(weight.min()) < 0:
        raise ValueError("weights must not be negative")
    rows, place = np.unique(members, return_inverse=True)
    place = place.reshape(members.shape)
    kernel = _kernel(vectors, rows, space)
    cover = np.zeros(len(space), dtype=np.float32)  # (p,) how well each row is covered
    if len(covered):
        cover = _kernel(vectors, covered, space).max(axis=0)
    cost = 2 - (members[:, 0] == members[:, 1]).astype(np.int64)  # (m,) rows that it buys
    heavy = weight.astype(np.float32)

    def gain(candidate: int) -> np.float32:
        both = np.maximum(kernel[place[candidate, 0]], kernel[place[candidate, 1]])
        return np.float32(heavy @ np.maximum(both - cover, 0.0) / cost[candidate])

    # never more than this later on, since a row that is covered once more gains less (Minoux
    # 1978): only the candidates in front are computed again
    bound = np.array([gain(candidate) for candidate in range(len(members))], dtype=np.float32)
    free = np.ones(len(members), dtype=np.bool_)
    chosen: list[int] = []
    left = most
    while free.any():
        renewed: set[int] = set()
        while (best := int(bound.argmax())) not in renewed:
            bound[best] = gain(best)
            renewed.add(best)
        if cost[best] > left:
            break  # not the next one that fits: a larger budget must begin with the same choice
        chosen.append(best)
        left -= int(cost[best])
        cover = np.maximum(cover, kernel[place[best]].max(axis=0))
        taken = np.isin(members, members[best]).any(axis=1)
        free &= ~taken
        bound[taken] = -np.inf
    return np.array(chosen, dtype=np.int64)


def _kernel(vectors: Floats, rows: Ints, space: Ints) -> Floats:
    """(r, p) how well each row covers each row of the space, from 0 to 1."""
    near = vectors[rows] @ vectors[space].T
    near -= 1.0
    near /= WIDTH
    covers: Floats = np.exp(near, out=near)
    return covers
