"""Regions of confusion: how a round's budget is spread over them, and how large each is.

A region is a group of overlapping clusters (cluster.py). Every region gets a part of the budget in
proportion to the doubt in it that nothing labelled covers yet, so that none takes it all; inside a
region the pairs that cover most come first (budget.py).
"""

from dataclasses import dataclass

import numpy as np

from selection.boundary import doubt
from selection.budget import WIDTH, budget, coverage
from selection.cluster import NO_REGION, Clusters
from selection.pair import midpoints
from selection.types import Doubles, Floats, Ints, Pairs
from selection.vectors import Vectors

WITHIN = 0.1  # of a cluster's own rows are farther from its centre than a row counted as like it


@dataclass(frozen=True)
class Candidates:
    """Pairs that could be bought.

    points: (p, d) unit, their midpoints. weight: (p,) at least 0. members: (p, 2) rows. region:
    (p,) of each, NO_REGION for none.
    """

    points: Floats
    weight: Doubles
    members: Ints
    region: Ints

    def __post_init__(self) -> None:
        lengths = [len(array) for array in vars(self).values()]
        if len(set(lengths)) != 1:
            raise ValueError(f"the arrays of candidates are not aligned: {lengths}")

    def __len__(self) -> int:
        return len(self.points)

    def take(self, which: Ints) -> "Candidates":
        """The candidates at these positions, in that order."""
        return Candidates(*(array[which] for array in vars(self).values()))


def candidates(
    vectors: Vectors, margin: Doubles, pairs: Pairs, clusters: Clusters, region: Ints
) -> Candidates:
    """Return the pairs as midpoints with the model's doubt there and the region of both rows.

    vectors: (n, d) unit. margin: (n,). region: (c,) of each cluster, as `connect` returns it. A
    pair whose rows are not in one region is in none.
    """
    left, right = (region_of(rows, clusters, region) for rows in (pairs.left, pairs.right))
    return Candidates(
        midpoints(vectors, pairs),
        doubt((margin[pairs.left] + margin[pairs.right]) / 2),
        np.stack([pairs.left, pairs.right], axis=1),
        np.where(left == right, left, NO_REGION),
    )


def region_of(rows: Ints, clusters: Clusters, region: Ints) -> Ints:
    """Return (b,) the region of each of (b,) rows; NO_REGION also for rows without a cluster.

    region: (c,) of each cluster, as `connect` returns it.
    """
    where = dict(zip(clusters.row.tolist(), region[clusters.cell].tolist(), strict=True))
    return np.array([where.get(row, NO_REGION) for row in rows.tolist()], dtype=np.int64)


def spread(mass: Doubles, most: int) -> Ints:
    """Return (r,) whole shares of `most` in proportion to (r,) masses, by largest remainders.

    The shares sum to `most`; all are 0 if there is no mass.
    """
    total = float(mass.sum())
    if total <= 0 or most <= 0:
        return np.zeros(len(mass), dtype=np.int64)
    exact = mass / total * most
    share = np.floor(exact).astype(np.int64)
    share[np.argsort(share - exact, kind="stable")[: most - int(share.sum())]] += 1
    return share


def by_region(candidates: Candidates, *, most: int, covered: Floats, width: float = WIDTH) -> Ints:
    """Return the positions of the chosen candidates, round by round the heaviest region first.

    What lies in no region counts as one region more: it is doubt all the same, and has its part.
    What a region cannot use (no row is bought twice, and it may have fewer pairs than its part)
    is spread over the others in the same way.

    most: rows that may be bought, two for each pair. covered: (c, d) unit vectors of what is
    labelled already.
    """
    chosen: list[int] = []
    place = candidates.region - NO_REGION
    bare = candidates.weight * (1.0 - coverage(candidates.points, covered, width))
    free = np.ones(len(candidates), dtype=np.bool_)
    while free.any() and len(chosen) < most // 2:
        mass = np.bincount(place[free], weights=bare[free]).astype(np.float64)
        share = spread(mass, most // 2 - len(chosen))
        before = len(chosen)
        for name in np.argsort(-mass, kind="stable").tolist():
            inside = np.flatnonzero(free & (place == name))
            found = inside[
                budget(
                    candidates.points[inside],
                    candidates.weight[inside],
                    candidates.members[inside],
                    most=2 * int(share[name]),
                    covered=np.concatenate([covered, candidates.points[chosen]]),
                    width=width,
                )
            ]
            chosen += found.tolist()
            free &= ~np.isin(candidates.members, candidates.members[found]).any(axis=1)
        if len(chosen) == before:  # nothing that is left has any weight
            break
    return np.array(chosen, dtype=np.int64)


def share_of(vectors: Vectors, clusters: Clusters, region: Ints, sample: Ints) -> Doubles:
    """Return (r,) the estimated part of the pool that is like each region, 0 to 1.

    region: (c,) of each cluster. sample: (s,) random rows of the pool.
    """
    r = int(region.max(initial=NO_REGION)) + 1
    found = like(vectors, sample, clusters, region) - NO_REGION
    share: Doubles = np.bincount(found, minlength=r + 1)[1:] / max(len(sample), 1)
    return share


def centres_of(vectors: Vectors, clusters: Clusters, region: Ints) -> Floats:
    """Return (r, d) unit vectors, the middle of each region's rows."""
    where = region[clusters.cell]
    inside = where != NO_REGION
    count = int(region.max(initial=NO_REGION)) + 1
    return centres(vectors[clusters.row[inside]], where[inside], count)


def like(vectors: Vectors, rows: Ints, clusters: Clusters, region: Ints) -> Ints:
    """Return (b,) the region that each row is like, NO_REGION for none.

    region: (c,) of each cluster. A row is like a region if the centre nearest to it, of all
    clusters, belongs to the region, and is no farther from it than nine in ten of its own.
    """
    if not len(rows) or not len(clusters):
        return np.full(len(rows), NO_REGION, dtype=np.int64)
    centre = centres(vectors[clusters.row], clusters.cell, len(clusters))
    own = np.einsum("md,md->m", vectors[clusters.row], centre[clusters.cell])
    reach = np.array([np.quantile(own[clusters.cell == c], WITHIN) for c in range(len(clusters))])
    cosine = vectors[rows] @ centre.T
    nearest = cosine.argmax(axis=1)
    near = cosine[np.arange(len(rows)), nearest] >= reach[nearest].astype(np.float32)
    return np.where(near, region[nearest], NO_REGION)


def centres(vectors: Floats, group: Ints, count: int) -> Floats:
    """Return (count, d) unit vectors, the directions of each group's mean."""
    total = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    np.add.at(total, group, vectors)
    length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    return np.asarray(total / length, dtype=np.float32)
