"""Rows at the boundary -> pairs: each with its nearest row there that is labelled differently.

"The pairs of examples that lie nearest each other and carry different labels go to human experts"
(Krause and Chang 2025, step 3). Only rows at the boundary are paired: over the whole pool, nearest
opposite labels (Tomek links of the model's own labels, Tomek 1976) are where the model errs at
random as much as they are at its boundary.
"""

import numpy as np

from selection.types import Floats, Ints, Pairs
from selection.vectors import Vectors


def pair(vectors: Vectors, predicted: Ints, rows: Ints) -> Pairs:
    """Pair each of the m rows with the nearest of them that has another label, each pair once.

    vectors: (n, d) unit. predicted: (n,) labels. rows: (m,). The pairs come in the order of `rows`;
    left has the smaller label. No pairs if all rows have one label. Costs m * m * d multiply-adds.
    """
    if len(vectors) != len(predicted):
        raise ValueError(f"{len(vectors)} vectors, {len(predicted)} labels")
    label = predicted[rows]
    if len(np.unique(label)) < 2:
        nothing = np.zeros(0, dtype=np.int64)
        return Pairs(nothing, nothing)
    cosine = vectors[rows] @ vectors[rows].T
    cosine[label[:, None] == label[None, :]] = -2.0
    mate = rows[cosine.argmax(axis=1)]
    swap = label > predicted[mate]
    left, right = np.where(swap, mate, rows), np.where(swap, rows, mate)
    # two rows that are each other's nearest are one pair, found twice
    _, first = np.unique(np.stack([left, right], axis=1), axis=0, return_index=True)
    once = np.sort(first)
    return Pairs(left[once], right[once])


def midpoints(vectors: Vectors, pairs: Pairs) -> Floats:
    """Return (m, d) unit vectors between the two rows of each pair."""
    middle = vectors[pairs.left] + vectors[pairs.right]
    length = np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-9)
    return np.asarray(middle / length, dtype=np.float32)
