"""Labelled texts -> a pool that may be bought, experts who know its labels, and a test set apart.

A third of the texts, chosen by a hash of each, is out of every system's reach. The test set is
drawn from it by label, because a random one would hold a handful of a rare label; weights lead its
kappa back to the share that each label has in the data.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from selection.cache import key
from selection.errors import PoolError
from selection.types import Doubles, Ints

APART = 3  # one text of so many is kept from every system
POSITIVES, OTHERS = 300, 700  # texts of the test set at most: of all rarer labels, of the commonest


@dataclass(frozen=True)
class Labelled:
    """n different texts and what is known of them.

    texts: (n,). experts: (n, e) the label that each of e experts gives. truth: (n,) the label that
    versions are measured by. names: (k,) labels as a user would write them. policy: what experts
    and model are told. made: what was done to the texts of the source to get these.
    """

    name: str
    texts: tuple[str, ...]
    experts: Ints
    truth: Ints
    names: tuple[str, ...]
    policy: str
    made: str = ""

    def __post_init__(self) -> None:
        if not len(self.texts) == len(self.experts) == len(self.truth):
            raise ValueError(
                f"{len(self.texts)} texts, {len(self.experts)} rows of experts' labels, "
                f"{len(self.truth)} true labels"
            )

    @property
    def shares(self) -> Doubles:
        """(k,) the share of each label."""
        return np.bincount(self.truth, minlength=len(self.names)) / max(len(self.truth), 1)


@dataclass(frozen=True)
class Ground:
    """What all systems run on.

    ids: (n,) names of the pool's texts, ascending. texts: (n,). experts: (n, e) labels. test: (t,)
    texts that are not in the pool. truth: (t,) labels. weight: (t,) of the test's texts, mean 1.
    shares: (k,) of the labels in all the data. made: what was done to the source's texts.
    """

    name: str
    policy: str
    names: tuple[str, ...]
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    experts: Ints
    test: tuple[str, ...]
    truth: Ints
    weight: Doubles
    shares: Doubles
    rows: int
    made: str = ""

    @property
    def commonest(self) -> int:
        """Position of the label that is the rule; all others are what is looked for."""
        return int(self.shares.argmax())

    @property
    def positive(self) -> float:
        """Share of the texts whose label is not the commonest."""
        return float(1.0 - self.shares.max())

    @cached_property
    def digest(self) -> str:
        """A name for everything that a result depends on here, in 8 characters."""
        told = hashlib.sha256(repr((self.policy, self.names)).encode())
        for texts, labels in ((self.texts, self.experts), (self.test, self.truth)):
            told.update(b"".join(map(key, texts)))
            told.update(np.ascontiguousarray(labels).tobytes())
        return told.hexdigest()[:8]


def split(data: Labelled) -> Ground:
    """Return the pool and the test set; which texts they are depends on the texts alone.

    Raises PoolError if two labels do not both occur in each of them.
    """
    apart = np.array([_draw("apart", text) % APART == 0 for text in data.texts], dtype=np.bool_)
    pool = sorted(np.flatnonzero(~apart).tolist(), key=lambda row: key(data.texts[row]))
    test = _stratified(data, np.flatnonzero(apart))
    for what, rows in (("pool", pool), ("test set", test)):
        if len(np.unique(data.truth[rows])) < 2:
            raise PoolError(f"{data.name}: the {what} has one label only; take more texts.")
    truth = data.truth[test]
    taken = np.bincount(truth, minlength=len(data.names))
    weight = data.shares[truth] / taken[truth]
    return Ground(
        data.name, data.policy, data.names,
        tuple(key(data.texts[row]).hex() for row in pool),
        tuple(data.texts[row] for row in pool),
        data.experts[pool],
        tuple(data.texts[row] for row in test),
        truth,
        weight * (len(test) / weight.sum()),
        data.shares,
        len(data.texts),
        data.made,
    )  # fmt: skip


def _stratified(data: Labelled, rows: Ints) -> list[int]:
    """Return OTHERS of the commonest label, and POSITIVES dealt out evenly to the others."""
    common = int(data.shares.argmax())
    order = sorted(rows.tolist(), key=lambda row: _draw("test", data.texts[row]))
    found: list[int] = []
    each = -(-POSITIVES // max(len(data.names) - 1, 1))
    for label in range(len(data.names)):
        most = OTHERS if label == common else each
        found += [row for row in order if data.truth[row] == label][:most]
    return sorted(found, key=lambda row: _draw("test", data.texts[row]))


def _draw(purpose: str, text: str) -> int:
    """Return a number that depends on the text and the purpose alone."""
    return int.from_bytes(key(f"{purpose}\n{text}")[:8], "big")
