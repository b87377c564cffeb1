"""The arrays that flow between the steps: frozen, aligned, checked when they are made.

A *row* is a position in the pool, from 0 to n - 1. It is the only index space of `selection`:
every array called `row`, `left` or `right` holds rows. The pool is sorted by id, so that the
order of a file changes nothing. A *label* in an array is a position in the project's labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Strings = NDArray[np.object_]

NO_VERDICT = -1
CONFIDENCE = 0.95  # of an interval of which nothing else is said


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _require_aligned(what: str, *arrays: NDArray[Any]) -> None:
    shapes = [array.shape for array in arrays]
    _require(len(set(shapes)) == 1, f"the arrays of {what} are not aligned: {shapes}")


@dataclass(frozen=True)
class Pool:
    """n texts that could be labelled.

    ids: (n,) str, unique, ascending. texts: (n,) str, none empty.
    """

    ids: Strings
    texts: Strings

    def __post_init__(self) -> None:
        _require(self.ids.ndim == 1, f"ids must be one-dimensional, not {self.ids.shape}")
        _require(
            self.ids.shape == self.texts.shape,
            f"{len(self.ids)} ids for {len(self.texts)} texts",
        )
        _require(
            all(a < b for a, b in zip(self.ids[:-1], self.ids[1:], strict=True)),
            "ids must be unique and ascending",
        )
        empty = next((i for i, text in zip(self.ids, self.texts, strict=True) if not text), None)
        _require(empty is None, f"the text of {empty!r} is empty")

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Beliefs:
    """What a model version thinks of every row.

    probability: (n, k), each row sums to 1. labels: the k label names. version: the model
    version that said so. read: (n,) True where the LLM itself read the text, False where a
    surrogate (selection/surrogate.py) answered instead.
    """

    probability: Doubles
    labels: tuple[str, ...]
    version: str
    read: Bools

    def __post_init__(self) -> None:
        n, k = self.probability.shape
        _require(k == len(self.labels), f"{k} columns of probability for {len(self.labels)} labels")
        _require(self.read.shape == (n,), f"read has shape {self.read.shape}, not ({n},)")
        _require(bool(np.isfinite(self.probability).all()), "a probability is not a number")
        _require(bool((self.probability >= 0).all()), "probabilities must not be negative")
        _require(
            bool(np.allclose(self.probability.sum(axis=1), 1.0, atol=1e-4)),
            "probabilities of a row must sum to 1",
        )

    @property
    def predicted(self) -> Ints:
        """(n,) the most probable label of each row."""
        best: Ints = self.probability.argmax(axis=1)
        return best

    @property
    def margin(self) -> Doubles:
        """(n,) probability of the best label less that of the second: 0 is undecided."""
        if self.probability.shape[1] < 2:
            return np.ones(len(self.probability))
        top = np.partition(self.probability, -2, axis=1)[:, -2:]
        gap: Doubles = top[:, 1] - top[:, 0]
        return gap


@dataclass(frozen=True)
class Pairs:
    """Neighbouring rows with different predicted labels, best first.

    left, right: (m,) rows.
    """

    left: Ints
    right: Ints

    def __post_init__(self) -> None:
        _require_aligned("pairs", self.left, self.right)

    def __len__(self) -> int:
        return len(self.left)

    def take(self, which: Ints) -> "Pairs":
        """The pairs at these positions, in that order."""
        return Pairs(self.left[which], self.right[which])


@dataclass(frozen=True)
class Audit:
    """A random sample of the pool with known chances, for production kappa.

    row: (a,) rows. inclusion: (a,) probability with which each came into the sample, in (0, 1].
    """

    row: Ints
    inclusion: Doubles

    def __post_init__(self) -> None:
        _require_aligned("an audit", self.row, self.inclusion)
        within = (self.inclusion > 0) & (self.inclusion <= 1)
        _require(bool(within.all()), "inclusion must lie in (0, 1]")


@dataclass(frozen=True)
class Verdicts:
    """What experts said of n items; an item is one task, a verdict one expert's label of it.

    table: (n, e) label of item i by expert e, NO_VERDICT (-1) where there is none.
    experts: the e experts' names. k: number of labels.
    """

    table: Ints
    experts: tuple[str, ...]
    k: int

    def __post_init__(self) -> None:
        _require(self.table.ndim == 2, f"table must be (items, experts), not {self.table.shape}")
        _require(
            self.table.shape[1] == len(self.experts),
            f"{self.table.shape[1]} columns for {len(self.experts)} experts",
        )
        if self.table.size:
            _require(
                int(self.table.min()) >= NO_VERDICT and int(self.table.max()) < self.k,
                f"verdicts must be labels 0 to {self.k - 1} or {NO_VERDICT}",
            )


@dataclass(frozen=True)
class Sample:
    """How n items came to be judged, which is what an interval depends on.

    weight: (n,) 1 / inclusion probability (all 1 where the items are the population of interest).
    group: (n,) items that were drawn together (the two of a pair) carry the same number. second:
    (n,) chance that more than one expert was asked, None where they always were.
    """

    weight: Doubles
    group: Ints
    second: Doubles | None = None

    def __post_init__(self) -> None:
        n = len(self.weight)
        _require(
            self.group.shape == (n,),
            f"weight and group are not aligned: {n}, {self.group.shape}",
        )
        _require(bool((self.weight > 0).all()), "weights must be positive")
        if self.second is not None:
            _require_aligned("a sample", self.weight, self.second)
            within = (self.second > 0) & (self.second <= 1)
            _require(bool(within.all()), "the chance of a second verdict must lie in (0, 1]")


@dataclass(frozen=True)
class Estimate:
    """A kappa (or a difference of two) with its interval.

    value, low, high: None where undefined, and then `reason` says why in one sentence.
    items: number of items behind it. confidence: of the interval.
    """

    value: float | None
    low: float | None
    high: float | None
    items: int
    reason: str = ""
    confidence: float = CONFIDENCE

    @classmethod
    def undefined(cls, items: int, reason: str) -> "Estimate":
        return cls(None, None, None, items, reason)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Estimate":
        """Read what `as_json` wrote. Raises KeyError or TypeError for anything else."""
        return cls(
            body["value"], body["low"], body["high"], body["items"],
            body.get("reason", ""), body.get("confidence", CONFIDENCE),
        )  # fmt: skip

    @property
    def confidence_said(self) -> str:
        """', 98 %' to follow an interval that is not a 95 % one; else nothing."""
        return "" if self.confidence == CONFIDENCE else f", {100 * self.confidence:.3g} %"

    def as_json(self) -> dict[str, float | int | str | None]:
        """The four figures that reports carry; the confidence unless it is 0.95, and the reason
        where there is one."""
        body: dict[str, float | int | str | None] = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "items": self.items,
        }
        if self.confidence != CONFIDENCE:
            body["confidence"] = self.confidence
        if self.reason:
            body["reason"] = self.reason
        return body


@dataclass(frozen=True)
class Choice:
    """What one round buys, in the order in which experts will see it.

    row: (b,) rows. role: (b,) 'train' or 'audit', which is answered blind.
    pair: (b,) name of the pair or of the single item. inclusion: (b,) NaN where not audited.
    why: (b,) one short sentence a person can read. region: (b,) name of the region of confusion
    that the row is in or is like, "" for none; share: (b,) that region's part of the pool.
    """

    row: Ints
    role: Strings
    pair: Strings
    inclusion: Doubles
    why: Strings
    region: Strings
    share: Doubles

    @classmethod
    def without_region(
        cls, row: Ints, role: Strings, pair: Strings, inclusion: Doubles, why: Strings
    ) -> "Choice":
        """Return a choice of rows whose regions are not known."""
        nowhere = np.full(len(row), "", dtype=object)
        return cls(row, role, pair, inclusion, why, nowhere, np.zeros(len(row)))

    def __post_init__(self) -> None:
        _require_aligned("a choice", *vars(self).values())

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Bought:
    """What the project holds already. ids and texts as pushed; hidden from every choice."""

    ids: frozenset[str] = field(default_factory=frozenset)
    texts: frozenset[str] = field(default_factory=frozenset)

    def rows(self, pool: Pool) -> Bools:
        """(n,) True for the rows that are bought, by id or as an exact duplicate."""
        pairs: Sequence[tuple[str, str]] = list(zip(pool.ids, pool.texts, strict=True))
        return np.array([i in self.ids or t in self.texts for i, t in pairs], dtype=np.bool_)
