"""Our choice spread over regions of confusion (cluster.py, region.py).

Round 0 is that of `crux round`. Later the pairs are those of its boundary too; what differs is that
each region gets a part of the budget, in proportion to the doubt that lies in it.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.cluster import HDBSCAN

from benchmarks.choice.ours import crux
from benchmarks.choice.regions.cluster import (
    LEVEL,
    NO_REGION,
    Clusters,
    Overlaps,
    cluster,
    connect,
    neighbours,
    overlap,
)
from benchmarks.choice.regions.region import by_region, candidates
from benchmarks.choice.state import State
from selection.boundary import boundary, doubt
from selection.budget import budget
from selection.choose import RULE
from selection.pair import pair
from selection.types import Beliefs, Doubles, Floats, Ints


@dataclass(frozen=True)
class ByRegions:
    """A choice by regions.

    each: as many of the least sure rows of each predicted label, instead of the least sure of all.
    clusters: for each row that is bought. level: of chance, below which clusters overlap. outside:
    whether pairs in no region have a part of the budget; without it only what regions leave over.
    pairwise: a region is two overlapping clusters, and not all that are connected. density: least
    members of a cluster of HDBSCAN (McInnes 2017), 0 for k-means.
    """

    each: bool = False
    clusters: float = 0.5
    level: float = LEVEL
    outside: bool = True
    pairwise: bool = False
    density: int = 0

    def __call__(self, state: State, count: int) -> Ints:
        """Return the rows to buy."""
        if not state.round:
            return crux(state, count)
        vectors, free, margin = state.vectors, state.open, margins(state)
        rows = self.rows(state)
        pairs = pair(vectors, state.probability.argmax(axis=1), rows)
        clusters = self.clustered(state, rows, count)
        overlaps = overlap(clusters, neighbours(vectors, clusters), level=self.level)
        every = candidates(vectors, margin, pairs, clusters, connect(clusters, overlaps))
        if self.pairwise:
            every = replace(every, region=_two_by_two(every.members, clusters, overlaps))
        first = every.region >= (NO_REGION if self.outside else 0)
        covered = vectors[~free]
        bought: Ints = np.zeros(0, dtype=np.int64)
        for some in (first, ~first):
            part = every.take(np.flatnonzero(some & ~np.isin(every.members, bought).any(axis=1)))
            chosen = by_region(
                part,
                most=count - len(bought),
                covered=np.concatenate([covered, vectors[bought]]),
            )
            bought = np.concatenate([bought, part.members[chosen].ravel()])
        free[bought] = False
        rows = boundary(margin, free, RULE.candidates)
        more = budget(
            vectors[rows],
            doubt(margin[rows]),
            np.stack([rows, rows], axis=1),
            most=count - len(bought),
            covered=np.concatenate([covered, vectors[bought]]),
        )
        return np.concatenate([bought, rows[more]])

    def rows(self, state: State) -> Ints:
        """Return the rows at the boundary, the least sure first."""
        free, margin = state.open, margins(state)
        if not self.each:
            return boundary(margin, free, RULE.candidates)
        predicted, part = state.probability.argmax(axis=1), RULE.candidates // state.k
        own = [boundary(margin, free & (predicted == label), part) for label in range(state.k)]
        rows = np.concatenate(own)
        return rows[np.argsort(margin[rows], kind="stable")]

    def clustered(self, state: State, rows: Ints, count: int) -> Clusters:
        """Return clusters of the rows, as many as go with `count` rows to buy."""
        predicted = state.probability.argmax(axis=1)
        if self.density:
            return _dense(state.vectors, predicted, rows, self.density)
        cells = round(self.clusters * count)
        return cluster(state.vectors, predicted, rows, count=cells, seed=state.seed)


def margins(state: State) -> Doubles:
    """Return (n,) the gap between the beliefs in the two best labels."""
    names = tuple(str(label) for label in range(state.k))
    return Beliefs(state.probability, names, "", np.ones(len(state.vectors), dtype=np.bool_)).margin


def _dense(vectors: Floats, predicted: Ints, rows: Ints, least: int) -> Clusters:
    """Return clusters of HDBSCAN, without the rows that it calls noise."""
    cell = np.full(len(rows), -1, dtype=np.int64)
    owner: list[int] = []
    for name in np.unique(predicted[rows]).tolist():
        members = np.flatnonzero(predicted[rows] == name)
        if len(members) > least:
            found = HDBSCAN(min_cluster_size=least, copy=True).fit_predict(vectors[rows[members]])
            cell[members] = np.where(found < 0, -1, found + len(owner))
            owner += [name] * (int(found.max()) + 1)
    inside = cell >= 0
    return Clusters(rows[inside], cell[inside], np.array(owner, dtype=np.int64))


def _two_by_two(members: Ints, clusters: Clusters, overlaps: Overlaps) -> Ints:
    """Return (p,) which overlap the two rows of each pair are in, NO_REGION for none."""
    cell = dict(zip(clusters.row.tolist(), clusters.cell.tolist(), strict=True))
    both = zip(overlaps.one.tolist(), overlaps.two.tolist(), strict=True)
    number = {ends: place for place, ends in enumerate(both)}
    ends = [
        tuple(sorted((cell.get(left, -1), cell.get(right, -1)))) for left, right in members.tolist()
    ]
    return np.array([number.get(one, NO_REGION) for one in ends], dtype=np.int64)
