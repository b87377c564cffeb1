"""Nearest rows of each label: the one search that overlap and pair both read.

Exact up to EXACT rows of a label, then faiss's inverted lists: at a million rows exact search
costs 10^15 multiply-adds, and a neighbour missed now and then costs the choice nothing.
"""

from dataclasses import dataclass

import faiss
import numpy as np

from selection.types import Bools, Floats, Ints

EXACT = 20_000


@dataclass(frozen=True)
class Neighbours:
    """For each of m rows and each of k labels its nearest rows that are predicted so.

    row: (m,) rows. near: (m, k, t) rows, nearest first, -1 where there are fewer than t.
    similarity: (m, k, t) cosines, -2 where near is -1. A row is never its own neighbour.
    """

    row: Ints
    near: Ints
    similarity: Floats


def neighbours(vectors: Floats, predicted: Ints, among: Bools, k: int, t: int) -> Neighbours:
    """Search among the rows of `among`. vectors: (n, d) unit, float32, C-contiguous."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    row = np.flatnonzero(among)
    near = np.full((len(row), k, t), -1, dtype=np.int64)
    similarity = np.full((len(row), k, t), -2.0, dtype=np.float32)
    for name in range(k):
        members = row[predicted[row] == name]
        if not len(members):
            continue
        index = _index(vectors[members])
        # one more than asked, since a member finds itself
        wanted = min(t + 1, len(members))
        found_similarity, found = index.search(vectors[row], wanted)
        found = np.where(found >= 0, members[found], -1)
        itself = found == row[:, None]
        # push itself and misses behind the others, keeping their order
        order = np.argsort(itself | (found < 0), axis=1, kind="stable")
        found = np.take_along_axis(np.where(itself, -1, found), order, axis=1)[:, :t]
        cosine = np.take_along_axis(found_similarity, order, axis=1)[:, :t]
        near[:, name, : found.shape[1]] = found
        similarity[:, name, : found.shape[1]] = np.where(found >= 0, cosine, -2.0)
    return Neighbours(row, near, similarity)


def _index(vectors: Floats) -> faiss.Index:
    n, d = vectors.shape
    flat = faiss.IndexFlatIP(d)
    if n <= EXACT:
        flat.add(vectors)
        return flat
    lists = min(int(4 * n**0.5), n // 39)  # faiss wants 39 points a list to train on
    index = faiss.IndexIVFFlat(flat, d, lists, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    index.nprobe = max(8, lists // 50)
    return index
