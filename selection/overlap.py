"""Clusters -> pairs of clusters of different labels that reach into each other.

"Clusters that overlap show where the model is confused" (Krause and Chang 2025, step 2). As
spheres practically all clusters overlap in 384 dimensions, so overlap is told by neighbours: a
row stands at the border if its nearest row of another label is nearer than its own k-th nearest
row of its label. Two clusters overlap by the share of their members that stand at the border
towards each other.
"""

import numpy as np

from selection.neighbour import Neighbours
from selection.types import Clusters, Ints, Overlaps

OWN = 5  # the k of "k-th nearest row of its own label"


def overlap(near: Neighbours, clusters: Clusters, predicted: Ints) -> Overlaps:
    """Overlapping pairs of clusters, strongest first.

    near: neighbours of m rows with at least OWN neighbours a label. predicted: (n,) labels.
    """
    m, k, t = near.near.shape
    if t < OWN:
        raise ValueError(f"overlap needs {OWN} neighbours a label, got {t}")
    own = predicted[near.row]
    every = np.arange(m)
    own_kth = near.similarity[every, own, OWN - 1]  # (m,) -2 where a label has fewer rows
    other = near.similarity[:, :, 0].copy()  # (m, k) nearest of each label
    other[every, own] = -2.0
    border, towards = np.nonzero((other > own_kth[:, None]) & (other > -2.0))
    if not len(border):  # labels apart from each other: the nearest clusters are the boundary
        border, towards = every[other.max(axis=1) > -2.0], other.argmax(axis=1)
        towards = towards[other.max(axis=1) > -2.0]
    mine = clusters.of_row[near.row[border]]
    theirs = clusters.of_row[near.near[border, towards, 0]]
    ends = np.sort(np.stack([mine, theirs], axis=1), axis=1)
    found, count = np.unique(ends, axis=0, return_counts=True)
    if not len(found):
        nothing = np.zeros(0, dtype=np.int64)
        return Overlaps(nothing, nothing, np.zeros(0))
    size = np.bincount(clusters.of_row[near.row], minlength=len(clusters.label))
    strength = count / (size[found[:, 0]] + size[found[:, 1]])
    order = np.argsort(-strength, kind="stable")
    return Overlaps(found[order, 0], found[order, 1], np.minimum(strength[order], 1.0))
