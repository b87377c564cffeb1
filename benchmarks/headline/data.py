"""Rated texts -> what each arm of the experiment may learn from, and what it is measured on.

The raters of a text are in three disjoint thirds (demo/ratings.py). Labels for training come from
the first third; the last one, the reference, is asked about test texts only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.balance import pool_balance
from demo import ratings
from demo.question import LABELS
from demo.ratings import Rated
from demo.teacher import lesson
from selection.errors import PoolError, SettingError
from selection.types import Doubles, Ints

HARSH = LABELS.index("harsh")
EXPERT, REFERENCE = 0, 2
TEST = 1_000  # texts that measure
SAMPLE = 300  # texts whose scores set the threshold; no label of them is used


@dataclass(frozen=True)
class Ground:
    """Three disjoint sets of texts.

    test, sample: chosen by a hash of the text, the same for every arm and seed. pool: the rest,
    ascending by id, which may be bought.
    """

    kind: str
    test: tuple[Rated, ...]
    sample: tuple[Rated, ...]
    pool: tuple[Rated, ...]

    @property
    def digest(self) -> str:
        """The test texts and their order, as 16 characters."""
        return hashlib.sha256("\n".join(one.id for one in self.test).encode()).hexdigest()[:16]

    @property
    def reference(self) -> Ints:
        """(t,) labels of the test texts by the majority of the reference third."""
        return majority(self.test, REFERENCE)


@dataclass(frozen=True)
class Examples:
    """m labelled texts to learn from.

    prior: (k,) shares of the labels in the pool, estimated from `drawn` texts drawn at random.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    targets: Ints
    prior: Doubles
    drawn: float

    @property
    def positives(self) -> int:
        """How many of them are harsh."""
        return int((self.targets == HARSH).sum())


def load(kind: str, archive: Path = ratings.ARCHIVE) -> Ground:
    """Load the texts of one kind. Raises PoolError without the archive."""
    return split(kind, ratings.load(kind, archive))


def split(kind: str, rated: Sequence[Rated], test: int = TEST, sample: int = SAMPLE) -> Ground:
    """Split the texts, by their content alone. Raises PoolError if no pool would be left."""
    if len(rated) <= test + sample:
        raise PoolError(f"{len(rated)} {kind} are too few for {test} to test on and a pool.")
    order = sorted(rated, key=lambda one: _draw("test", one.text))
    pool = sorted(order[test + sample :], key=lambda one: one.id)
    return Ground(kind, tuple(order[:test]), tuple(order[test : test + sample]), tuple(pool))


def majority(rated: Sequence[Rated], third: int) -> Ints:
    """Return (n,) an expert's labels: the majority of a third of the raters."""
    return _labels([one.majority(third) for one in rated])


def one_vote(rated: Sequence[Rated], seed: int) -> Ints:
    """Return (n,) the vote of one rater of the first third, drawn by a hash of the text."""
    votes = [one.votes(EXPERT) for one in rated]
    drawn = [_draw(f"vote {seed}", one.text) for one in rated]
    return _labels([v[d % len(v)] for v, d in zip(votes, drawn, strict=True)])


def examples_of(arm: str, ground: Ground, seed: int, budget: int) -> Examples:
    """Return what the arm b, d or e learns from. budget: of d, the labels that c buys."""
    pool = ground.pool
    if arm == "b":
        return as_examples(pool, one_vote(pool, seed))
    if arm == "e":
        return as_examples(pool, majority(pool, EXPERT))
    if arm == "d":
        rng = np.random.default_rng([seed, 400])
        rows = np.sort(rng.permutation(len(pool))[:budget])
        random = [pool[i] for i in rows]
        return as_examples(random, majority(random, EXPERT))
    raise SettingError(f"The arm {arm!r} has no fixed labels; b, d and e have.")


def as_examples(
    rated: Sequence[Rated], targets: Ints, inclusion: Sequence[float] = ()
) -> Examples:
    """Return labelled texts with the prior that the product estimates (backend/examples.py).

    inclusion: the chance with which each text was drawn, NaN where it was chosen; empty where all
    were drawn with the same one.
    """
    chances = np.array(list(inclusion) or [1.0] * len(rated))
    prior, drawn = balance(targets, chances, len(LABELS))
    ids, texts = tuple(one.id for one in rated), tuple(one.text for one in rated)
    return Examples(ids, texts, targets, prior, drawn)


def balance(targets: Ints, inclusion: Doubles, k: int) -> tuple[Doubles, float]:
    """Return the (k,) prior and its draws as backend/examples.py estimates them from m labels.

    inclusion: (m,) the chance with which each was drawn, NaN where it was chosen.
    """
    nameless = [(str(i), "") for i in range(len(targets))]
    names = tuple(map(str, range(k)))
    return pool_balance(lesson(nameless, targets.tolist(), inclusion, names))


def _labels(harsh: Sequence[bool]) -> Ints:
    return np.where(np.asarray(harsh, dtype=np.bool_), HARSH, 1 - HARSH).astype(np.int64)


def _draw(purpose: str, text: str) -> int:
    """Return a number that depends on the text and the purpose alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose}\n{text}".encode()).digest()[:8], "big")
