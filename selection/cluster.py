"""Rows at the boundary -> clusters of each predicted label, and which of them overlap.

"Clusters that overlap show where the model is confused" (Krause and Chang 2025, step 2). As spheres
all clusters overlap in 384 dimensions. So two clusters of different labels overlap when their
members are each other's nearest differently labelled neighbours more often than chance.

Chance is a permutation: each label's clusters are dealt out anew to the rows of that label, and
every row keeps its neighbour. How often members of cluster a then have their neighbour in cluster b
is hypergeometric, so nothing is simulated. Counting who is a neighbour at all allows for hubs, the
rows that in many dimensions are near to everything (Radovanovic et al. 2010). A label whose few
rows are one cluster has no overlap: there is nothing to compare it with.

K-means, since at the boundary of real texts HDBSCAN calls most rows noise and its clusters hardly
ever overlap (docs/results.md).
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import hypergeom
from sklearn.cluster import KMeans

from selection.types import Doubles, Ints
from selection.vectors import Vectors

LEVEL = 0.1  # largest chance at which two clusters overlap; it must be so small both ways
STARTS = 4  # of k-means, of which the tightest counts
NO_REGION = -1
NONE = -1  # instead of a neighbour


@dataclass(frozen=True)
class Clusters:
    """Groups of rows that are alike, each of one predicted label.

    row: (m,) the clustered rows. cell: (m,) the cluster of each, 0 to c - 1. label: (c,) of each.
    """

    row: Ints
    cell: Ints
    label: Ints

    def __post_init__(self) -> None:
        if self.row.shape != self.cell.shape:
            raise ValueError(f"{len(self.row)} rows, {len(self.cell)} clusters of rows")
        if len(self.cell) and not 0 <= self.cell.min() <= self.cell.max() < len(self.label):
            raise ValueError(f"clusters must be numbered 0 to {len(self.label) - 1}")

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Overlaps:
    """Pairs of clusters with different labels whose members are neighbours beyond chance.

    one, two: (o,) clusters, one < two. chance: (o,) the probability that by chance at least so many
    members of one have their nearest differently labelled row in the other, in the direction in
    which it is larger.
    """

    one: Ints
    two: Ints
    chance: Doubles

    def __post_init__(self) -> None:
        shapes = [array.shape for array in vars(self).values()]
        if len(set(shapes)) != 1:
            raise ValueError(f"the arrays of overlaps are not aligned: {shapes}")
        if not (self.one < self.two).all():
            raise ValueError("the first cluster of an overlap must have the smaller number")

    def __len__(self) -> int:
        return len(self.one)


def cluster(vectors: Vectors, predicted: Ints, rows: Ints, *, count: int, seed: int) -> Clusters:
    """Cluster the m rows of each label on their own, by k-means.

    vectors: (n, d) unit. predicted: (n,) labels. rows: (m,). count: clusters in all; each label
    present gets at least one, the others follow its share of the rows.
    """
    if len(vectors) != len(predicted):
        raise ValueError(f"{len(vectors)} vectors, {len(predicted)} labels")
    label = predicted[rows]
    cell = np.zeros(len(rows), dtype=np.int64)
    owner: list[int] = []
    for name in np.unique(label).tolist():
        members = np.flatnonzero(label == name)
        own = vectors[rows[members]]
        most = min(max(round(count * len(members) / len(rows)), 1), len(np.unique(own, axis=0)))
        found = np.zeros(len(members), dtype=np.int64)
        if most > 1:
            means = KMeans(most, n_init=STARTS, random_state=seed)
            # numbered without a gap, also where a cluster lost its last member
            found = np.unique(means.fit_predict(own), return_inverse=True)[1]
        cell[members] = len(owner) + found
        owner += [name] * (int(found.max()) + 1)
    return Clusters(rows, cell, np.array(owner, dtype=np.int64))


def neighbours(vectors: Vectors, clusters: Clusters) -> Ints:
    """Return (m,) the place among the m rows of each one's nearest row with another label.

    NONE if that is farther away than half of the row's own cluster: then the row lies among its
    own, however far the next other label is. Costs m * m * d multiply-adds.
    """
    label = clusters.label[clusters.cell]
    cosine = vectors[clusters.row] @ vectors[clusters.row].T
    typical = np.zeros(len(label), dtype=np.float32)
    for name in range(len(clusters)):
        own = np.flatnonzero(clusters.cell == name)
        typical[own] = np.median(cosine[np.ix_(own, own)], axis=1)
    cosine[label[:, None] == label[None, :]] = -2.0
    if not len(label):
        return np.zeros(0, dtype=np.int64)
    nearest: Ints = np.where(cosine.max(axis=1) < typical, NONE, cosine.argmax(axis=1))
    return nearest


def overlap(clusters: Clusters, nearest: Ints, *, level: float = LEVEL) -> Overlaps:
    """Return the overlapping pairs of clusters.

    nearest: as `neighbours` returns it. level: largest chance that still is an overlap. It must
    hold both ways: the members of either cluster find their neighbours in the other one.
    """
    c = len(clusters)
    near = nearest != NONE
    met = np.zeros((c, c), dtype=np.int64)  # members of one whose neighbour is in the other
    np.add.at(met, (clusters.cell[near], clusters.cell[nearest[near]]), 1)
    chance = np.ones((c, c))
    for name in np.unique(clusters.label):
        own = np.flatnonzero(clusters.label == name)
        size, drawn = met[own].sum(axis=1), met[own].sum(axis=0)
        chance[own] = hypergeom.sf(met[own] - 1, size.sum(), drawn[None, :], size[:, None])
    either = np.maximum(chance, chance.T)
    different = clusters.label[:, None] != clusters.label[None, :]
    one, two = np.nonzero(np.triu(different & (either <= level), 1))
    return Overlaps(one, two, either[one, two])


def connect(clusters: Clusters, overlaps: Overlaps) -> Ints:
    """Return (c,) the region of each cluster, from 0 by size, NO_REGION for one without overlap.

    Clusters that overlap, directly or through others, are one region.
    """
    c = len(clusters)
    graph = coo_array((np.ones(len(overlaps)), (overlaps.one, overlaps.two)), shape=(c, c))
    found = connected_components(graph, directed=False)[1]
    alone = np.bincount(found, minlength=c)[found] < 2
    rows = np.bincount(found[clusters.cell], minlength=c)
    rows[found[alone]] = -1
    rank = np.argsort(np.argsort(-rows, kind="stable"), kind="stable")
    region: Ints = np.where(alone, NO_REGION, rank[found])
    return region
