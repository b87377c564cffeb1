"""Beliefs -> the rows at the model's boundary.

The model's own margin tells for each row and any number of labels how unsure it is. Which of these
rows lie together, and where, is for the next step (confusion.py).
"""

import numpy as np

from selection.types import Bools, Doubles, Ints


def boundary(margin: Doubles, among: Bools, most: int) -> Ints:
    """Return the `most` rows of `among` with the smallest margins, the least sure first.

    margin: (n,) belief in the best label less belief in the second. among: (n,) eligible rows.
    """
    if margin.shape != among.shape:
        raise ValueError(f"{len(margin)} margins, {len(among)} flags")
    rows = np.flatnonzero(among)
    return rows[np.argsort(margin[rows], kind="stable")[:most]].astype(np.int64)


def doubt(margin: Doubles) -> Doubles:
    """Return (m,) weights: 1 if undecided, falling with the margin in units of its median."""
    if not len(margin):
        return margin
    weight: Doubles = np.exp(-margin / max(float(np.median(margin)), 1e-9))
    return weight
