"""Before verdicts have taught a model: the texts that speak most for each label, of all kinds.

No boundary can be trusted yet: a prompted model's pairs are worse than this (docs/method.md), and a
random draw holds hardly any text of a rare label. What the model believes and what the policy's
words say (words.py) count alike: the sum is nearly as good as the better of the two.
"""

import numpy as np

from selection.budget import budget
from selection.types import Bools, Doubles, Floats, Ints
from selection.vectors import Vectors
from selection.words import standard


def start(
    vectors: Vectors,
    probability: Doubles,
    among: Bools,
    most: int,
    *,
    words: Doubles | None,
    covered: Floats,
    likely: int,
    width: float,
) -> tuple[Ints, Ints]:
    """Return (b,) rows, and (b,) the label that each speaks for; equally many of each label.

    vectors: (n, d) unit. probability: (n, k) beliefs. among: (n,) rows to choose from. words:
    (n, k) how much each text speaks for each label by the policy's words, None without. covered:
    (c, d) vectors of what is bought already. likely: so many times as many texts as are bought of a
    label are taken that speak most for it; those of them are bought that cover the others best
    (budget.py). width: of its kernel.
    """
    odds = np.log(np.maximum(probability, 1e-12)) - np.log(np.maximum(1 - probability, 1e-12))
    speaks = standard(odds) if words is None else standard(odds) + words
    label = speaks.argmax(axis=1)
    groups = [np.flatnonzero(among & (label == name)) for name in range(probability.shape[1])]
    shares = fair_shares([len(rows) for rows in groups], most)
    chosen = []
    for name, (rows, size) in enumerate(zip(groups, shares, strict=True)):
        order = np.argsort(-speaks[rows, name], kind="stable")
        first = np.sort(rows[order[: likely * size]])
        alone = np.stack([first, first], axis=1)
        best = budget(
            vectors[first], np.ones(len(first)), alone, most=size, covered=covered, width=width
        )
        chosen.append(first[best])
    found = np.concatenate(chosen).astype(np.int64)
    return found, label[found]


def fair_shares(sizes: list[int], total: int) -> list[int]:
    """Split `total` over groups as equally as their sizes allow."""
    share = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        open_groups = [g for g, size in enumerate(sizes) if share[g] < size]
        each = max(left // len(open_groups), 1)
        for g in open_groups:
            more = min(each, sizes[g] - share[g], left)
            share[g] += more
            left -= more
    return share
