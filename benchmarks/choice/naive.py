"""The source's choice taken literally: nearest differently labelled pairs, cluster by cluster.

Krause and Chang (2025): cluster each label on its own; where two clusters overlap, take the pairs
whose texts are nearest to each other. Overlap is decided by neighbours, because as spheres all
clusters overlap in 384 dimensions: a row is at the border if it is nearer to the other label than
to its own fifth neighbour.
"""

from collections import defaultdict

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.neighbors import NearestNeighbors

from benchmarks.choice.state import State
from selection.types import Bools, Floats, Ints

NEIGHBOUR = 5  # at the border the other label is nearer than this neighbour of a row's own label
MOST = 64  # clusters of one label


def naive_pairs(state: State, count: int) -> Ints:
    """Return pairs of rows that are each other's nearest row with another label, nearest first.

    The overlapping pairs of clusters take turns. When pairs run out, the rest is random rows.
    """
    predicted = state.probability.argmax(axis=1)
    rows = np.flatnonzero(state.open)
    vectors = np.ascontiguousarray(state.vectors[rows])
    label = predicted[rows]
    cells = _clusters(vectors, label, state.seed)
    near, cosine, border = _other(vectors, label)
    queues: dict[tuple[int, int], list[tuple[float, int, int]]] = defaultdict(list)
    strength: dict[tuple[int, int], int] = defaultdict(int)
    for i in np.flatnonzero(near >= 0).tolist():
        j = int(near[i])
        where = (min(cells[i], cells[j]), max(cells[i], cells[j]))
        strength[where] += bool(border[i])
        if near[j] == i and i < j:
            queues[where].append((-float(cosine[i]), i, j))
    order = sorted(queues, key=lambda where: -strength[where])
    for queue in queues.values():
        queue.sort(reverse=True)
    chosen: list[int] = []
    while len(chosen) < count and any(queues.values()):
        for where in order:
            if queues[where]:
                _, i, j = queues[where].pop()
                chosen += [i, j]
    found = rows[chosen[:count]].astype(np.int64)
    rest = state.rng.permutation(np.setdiff1d(rows, found))
    return np.concatenate([found, rest[: count - len(found)]])


def _clusters(vectors: Floats, label: Ints, seed: int) -> list[int]:
    cells, used = np.zeros(len(label), dtype=np.int64), 0
    for name in np.unique(label):
        members = np.flatnonzero(label == name)
        count = int(np.clip(round((len(members) / 2) ** 0.5), 1, MOST))
        means = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=4096)
        cells[members] = used + (means.fit_predict(vectors[members]) if count > 1 else 0)
        used += count
    return [int(cell) for cell in cells]


def _other(vectors: Floats, label: Ints) -> tuple[Ints, Floats, Bools]:
    """Return (m,) nearest row with another label or -1, its cosine, whether it is at a border."""
    near = np.full(len(label), -1, dtype=np.int64)
    cosine = np.full(len(label), -2.0, dtype=np.float32)
    own = np.full(len(label), -2.0, dtype=np.float32)
    for name in np.unique(label):
        members = np.flatnonzero(label == name)
        index = NearestNeighbors(metric="cosine", algorithm="brute").fit(vectors[members])
        others = np.flatnonzero(label != name)
        if len(others):
            distance, found = index.kneighbors(vectors[others], 1)
            closer = 1 - distance[:, 0] > cosine[others]
            cosine[others[closer]] = 1 - distance[closer, 0]
            near[others[closer]] = members[found[closer, 0]]
        if len(members) > NEIGHBOUR:  # the first that a row finds is itself
            own[members] = 1 - index.kneighbors(vectors[members], NEIGHBOUR + 1)[0][:, NEIGHBOUR]
    return near, cosine, cosine > own
