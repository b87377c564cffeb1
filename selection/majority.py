"""verdicts of several experts -> one label an item, for fine-tuning.

Only training uses it. A model is measured against each expert (selection/align.py): against
their majority it can pass the ceiling without agreeing as well as they do.
"""

import numpy as np

from selection.types import NO_VERDICT, Ints, Verdicts


def majority(verdicts: Verdicts) -> tuple[Ints, int]:
    """The label that most experts gave each item, and how many items are tied.

    Returns (n,) labels, NO_VERDICT where nobody judged or no label has the most votes, and the
    number of the latter.
    """
    votes = _votes(verdicts)
    if not votes.size:
        return np.full(len(votes), NO_VERDICT, dtype=np.int64), 0
    most = votes.max(axis=1)
    tied = (most > 0) & ((votes == most[:, None]).sum(axis=1) > 1)
    label = np.where((most > 0) & ~tied, votes.argmax(axis=1), NO_VERDICT)
    return label.astype(np.int64), int(tied.sum())


def _votes(verdicts: Verdicts) -> Ints:
    """(n, k) how many experts gave the item that label."""
    item, expert = np.nonzero(verdicts.table != NO_VERDICT)
    cell = item * verdicts.k + verdicts.table[item, expert]
    n = len(verdicts.table)
    votes = np.bincount(cell, minlength=n * verdicts.k).astype(np.int64)
    return votes.reshape(n, verdicts.k)
