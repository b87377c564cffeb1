"""Overlaps -> pairs: the nearest rows that are labelled differently.

"In each overlapping pair of clusters, the pairs of examples that lie nearest each other and carry
different labels go to human experts" (Krause and Chang 2025, step 3). These are the Tomek links
(Tomek 1976) of the model's own labels, so where the model errs at random they find noise and not
the boundary. Hence a row must not be isolated: some of its ISOLATION nearest rows share its label
(the edited nearest neighbours of Wilson 1972).
"""

import numpy as np

from selection.neighbour import Neighbours
from selection.types import Bools, Clusters, Ints, Overlaps, Pairs

ISOLATION = 10


def pair(near: Neighbours, clusters: Clusters, overlaps: Overlaps, predicted: Ints) -> Pairs:
    """All pairs in overlapping clusters, nearest first; left carries the smaller label.

    A row is paired with its nearest row of every other label. near: neighbours of m rows.
    """
    m, k, _ = near.near.shape
    position = {
        (int(a), int(b)): i
        for i, (a, b) in enumerate(zip(overlaps.first, overlaps.second, strict=True))
    }
    alone = dict(zip(near.row.tolist(), isolated(near, predicted).tolist(), strict=True))
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for i in range(m):
        row = int(near.row[i])
        if alone[row]:
            continue
        for name in range(k):
            other = int(near.near[i, name, 0])
            if name == predicted[row] or other < 0 or alone[other]:
                continue
            ends = (row, other) if predicted[row] < name else (other, row)
            cells = sorted((int(clusters.of_row[row]), int(clusters.of_row[other])))
            where = position.get((cells[0], cells[1]))
            if where is not None:
                found[ends] = (1.0 - float(near.similarity[i, name, 0]), where)
    ranked = sorted(found.items(), key=lambda item: (item[1][0], item[0]))
    return Pairs(
        np.array([ends[0] for ends, _ in ranked], dtype=np.int64),
        np.array([ends[1] for ends, _ in ranked], dtype=np.int64),
        np.array([value[0] for _, value in ranked], dtype=np.float64),
        np.array([value[1] for _, value in ranked], dtype=np.int64),
    )


def isolated(near: Neighbours, predicted: Ints) -> Bools:
    """(m,) True for rows none of whose ISOLATION nearest rows share their label."""
    m, k, t = near.near.shape
    similarity = near.similarity.reshape(m, k * t)
    labels = np.repeat(np.arange(k), t)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :ISOLATION]
    same = labels[nearest] == predicted[near.row][:, None]
    real = np.take_along_axis(similarity, nearest, axis=1) > -2.0
    lonely: Bools = ~(same & real).any(axis=1)
    return lonely
