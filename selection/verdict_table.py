"""Items -> tables for training and statistics: verdicts, how they were drawn, majority."""

from collections.abc import Sequence

import numpy as np

from selection.item import Item
from selection.types import NO_VERDICT, Ints, Sample, Verdicts


def verdicts_of(items: Sequence[Item], k: int) -> Verdicts:
    """Return the (n, e) table of what each expert said of each item."""
    experts = sorted({expert for item in items for expert in item.verdicts})
    table = np.full((len(items), len(experts)), NO_VERDICT, dtype=np.int64)
    for i, item in enumerate(items):
        for expert, label in item.verdicts.items():
            table[i, experts.index(expert)] = label
    return Verdicts(table, tuple(experts), k)


def sample_of(items: Sequence[Item]) -> Sample:
    """Return how the items came to be judged: drawn with known chances, or chosen in pairs."""
    inclusion = [1.0 if i.card.inclusion is None else i.card.inclusion for i in items]
    _, group = np.unique([item.card.pair for item in items], return_inverse=True)
    return Sample(
        1.0 / np.array(inclusion, dtype=np.float64),
        np.asarray(group, dtype=np.int64),
        np.array([item.card.second for item in items], dtype=np.float64),
    )


def majority(verdicts: Verdicts) -> tuple[Ints, int]:
    """Return (n,) the label that most experts gave each item, and how many items are tied.

    NO_VERDICT where nobody judged and where items are tied. For training alone: a model is
    measured against each expert (selection/align.py), since against a majority it can seem as
    good as the experts without agreeing as well as they do.
    """
    votes = votes_of(verdicts)
    if not votes.size:
        return np.full(len(votes), NO_VERDICT, dtype=np.int64), 0
    most = votes.max(axis=1)
    tied = (most > 0) & ((votes == most[:, None]).sum(axis=1) > 1)
    label = np.where((most > 0) & ~tied, votes.argmax(axis=1), NO_VERDICT)
    return label.astype(np.int64), int(tied.sum())


def votes_of(verdicts: Verdicts) -> Ints:
    """Return (n, k) how many experts gave the item that label."""
    item, expert = np.nonzero(verdicts.table != NO_VERDICT)
    cell = item * verdicts.k + verdicts.table[item, expert]
    n = len(verdicts.table)
    votes = np.bincount(cell, minlength=n * verdicts.k).astype(np.int64)
    return votes.reshape(n, verdicts.k)
