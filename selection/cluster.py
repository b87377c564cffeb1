"""Rows -> clusters, each predicted label on its own.

"Examples labelled positive and examples labelled negative are clustered separately" (Krause and
Chang, Google Research, 7 August 2025, step 2). k-means on unit vectors; the number of clusters of
a label is the square root of half its rows (Mardia's rule of thumb), at most 64.
"""

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from selection.types import Bools, Clusters, Floats, Ints

MOST = 64


def cluster(vectors: Floats, predicted: Ints, among: Bools, *, seed: int) -> Clusters:
    """Cluster the rows of `among`.

    vectors: (n, d) unit. predicted: (n,) labels. among: (n,) rows that take part.
    Returns Clusters whose of_row is (n,), -1 outside `among`.
    """
    if not (len(vectors) == len(predicted) == len(among)):
        raise ValueError(f"{len(vectors)} vectors, {len(predicted)} labels, {len(among)} flags")
    of_row = np.full(len(vectors), -1, dtype=np.int64)
    labels: list[int] = []
    for name in np.unique(predicted[among]):
        rows = np.flatnonzero(among & (predicted == name))
        found = _kmeans(vectors[rows], how_many(len(rows)), seed)
        of_row[rows] = len(labels) + found
        labels += [int(name)] * (int(found.max()) + 1)
    return Clusters(of_row, np.array(labels, dtype=np.int64))


def how_many(rows: int) -> int:
    """Number of clusters for so many rows of one label."""
    return int(np.clip(round((rows / 2) ** 0.5), 1, MOST))


def _kmeans(vectors: Floats, count: int, seed: int) -> Ints:
    """(m,) cluster of each vector, numbered without gaps."""
    if count == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    means = MiniBatchKMeans(count, random_state=seed, n_init=3, batch_size=4096)
    _, found = np.unique(means.fit_predict(vectors), return_inverse=True)
    return np.asarray(found, dtype=np.int64)
