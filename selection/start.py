"""Before verdicts have taught a model: the texts that speak most for each label, of all kinds.

No boundary can be trusted yet: a prompted model's pairs are worse than this (docs/method.md), and a
random draw holds hardly any text of a rare label. What the model believes and what the policy's
words say (words.py) count alike: the sum is nearly as good as the better of the two.
"""

import numpy as np

from selection.budget import budget
from selection.types import Bools, Doubles, Floats, Ints
from selection.words import standard


def start(
    vectors: Floats,
    probability: Doubles,
    among: Bools,
    most: int,
    *,
    words: Doubles | None,
    covered: Floats,
    sure: float,
    likely: int,
    candidates: int,
    width: float,
    rng: np.random.Generator,
) -> tuple[Ints, Ints]:
    """Return (b,) rows, and (b,) the label that each speaks for; equally many of each label.

    vectors: (n, d) unit. probability: (n, k) beliefs. among: (n,) rows to choose from. words:
    (n, k) how much each text speaks for each label by the policy's words, None without. covered:
    (c, d) vectors of what is bought already. sure: share of each label's texts that is bought among
    those that speak most for it, `likely` times as many; the rest among `candidates` random ones
    that speak for it rather than for another. Those are bought that cover the others best
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
        most_of_all = round(size * sure)
        first = _covering(vectors, rows[order[: likely * most_of_all]], most_of_all, covered, width)
        rest = rng.permutation(np.setdiff1d(rows, first))[:candidates]
        known = np.concatenate([covered, vectors[first]])
        chosen += [first, _covering(vectors, rest, size - len(first), known, width)]
    found = np.concatenate(chosen).astype(np.int64)
    return found, label[found]


def _covering(vectors: Floats, rows: Ints, size: int, covered: Floats, width: float) -> Ints:
    """Return `size` of the rows that cover all of them best."""
    rows = np.sort(rows)
    alone = np.stack([rows, rows], axis=1)
    ones = np.ones(len(rows))
    return rows[budget(vectors[rows], ones, alone, most=size, covered=covered, width=width)]


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
