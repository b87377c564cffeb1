"""More candidates than the experts can judge -> those that cover most of the boundary.

"When the review budget is short, pairs that cover a larger part of the search space come first"
(Krause and Chang 2025, step 4). Uncertainty-weighted coverage: the candidates' midpoints are
points to be covered, with a weight that grows with the model's doubt; a chosen or already labelled
point covers its neighbourhood (greedy facility location, within 1 - 1/e of the best choice,
Nemhauser 1978; cosine kernel as in Uncertainty Herding, Bae et al., ICLR 2025).
"""

import numpy as np

from selection.types import Doubles, Floats, Ints

WIDTH = 0.2  # of the kernel exp((cosine - 1) / width)


def budget(
    points: Floats,
    weight: Doubles,
    members: Ints,
    *,
    most: int,
    covered: Floats | None = None,
    width: float = WIDTH,
) -> Ints:
    """Return the positions of the chosen candidates, best first.

    The choice for a budget b is the beginning of the choice for b + 1.

    points: (m, d) unit vectors. weight: (m,) at least 0. members: (m, 2) the rows of a candidate
    (twice the same for a single row); no row is chosen twice. most: rows that may be bought.
    covered: (c, d) unit vectors of what is labelled already. width: of the kernel.
    """
    if not (len(points) == len(weight) == len(members)):
        raise ValueError(f"{len(points)} points, {len(weight)} weights, {len(members)} members")
    if len(weight) and float(weight.min()) < 0:
        raise ValueError("weights must not be negative")
    points = np.asarray(points, dtype=np.float32)
    kernel = np.exp((points @ points.T - 1.0) / width)  # (m, m)
    cover = coverage(points, covered, width)
    cost = 2 - (members[:, 0] == members[:, 1]).astype(np.int64)  # (m,) rows that it buys
    heavy = weight.astype(np.float32)
    # gain of each candidate for each row that it buys. It only falls later on, since what is
    # covered gains less (Minoux 1978): so only the candidates in front are computed again
    bound = heavy @ np.maximum(kernel - cover[:, None], 0.0) / cost
    free = np.ones(len(points), dtype=np.bool_)
    chosen: list[int] = []
    left = most
    while free.any():
        best = _largest(bound, kernel, cover, heavy, cost)
        if cost[best] > left:
            break  # no smaller one instead: a larger budget must begin with the same choice
        chosen.append(best)
        left -= int(cost[best])
        cover = np.maximum(cover, kernel[best])  # symmetric
        taken = np.isin(members, members[best]).any(axis=1)
        free &= ~taken
        bound[taken] = -np.inf
    return np.array(chosen, dtype=np.int64)


def coverage(points: Floats, covered: Floats | None, width: float = WIDTH) -> Floats:
    """Return (m,) how well each of (m, d) points is covered by (c, d) others, 0 to 1."""
    if covered is None or not len(covered) or not len(points):
        return np.zeros(len(points), dtype=np.float32)
    return np.asarray(np.exp((points @ covered.T - 1.0) / width).max(axis=1), dtype=np.float32)


def _largest(bound: Floats, kernel: Floats, cover: Floats, heavy: Floats, cost: Ints) -> int:
    """Return the candidate with the largest gain; update the bounds of those that seemed larger."""
    renewed = set()
    while True:
        best = int(bound.argmax())
        if best in renewed:
            return best
        bound[best] = heavy @ np.maximum(kernel[best] - cover, 0.0) / cost[best]
        renewed.add(best)
