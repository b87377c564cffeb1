"""What a strategy may use when it buys labels, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from selection.types import Bools, Doubles, Floats, Ints


@dataclass(frozen=True)
class State:
    """Before a round: n texts of the pool, b of them bought, k labels.

    vectors: (n, d) unit vectors. probability: (n, k) beliefs of the learner trained on what was
    bought; in round 0 the starting beliefs. rows: (b,) bought, in the order of buying. answers:
    (b,) their labels. rng: the strategy's own generator. round: from 0. seed: of the whole run.
    """

    vectors: Floats
    probability: Doubles
    rows: Ints
    answers: Ints
    round: int
    seed: int
    rng: np.random.Generator

    @property
    def k(self) -> int:
        return int(self.probability.shape[1])

    @property
    def open(self) -> Bools:
        """(n,) True for rows that can be bought."""
        free = np.ones(len(self.vectors), dtype=np.bool_)
        free[self.rows] = False
        return free


# (state, count) -> (count,) different rows that are not bought yet
Strategy = Callable[[State, int], Ints]
