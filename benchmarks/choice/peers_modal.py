"""modAL-python, github.com/modAL-python/modAL: ranked batch mode (Cardoso et al. 2017)."""

from typing import Self

import numpy as np
from modAL.batch import uncertainty_batch_sampling
from modAL.models import ActiveLearner
from sklearn.base import BaseEstimator

from benchmarks.choice.learner import learn
from benchmarks.choice.state import State, Strategy
from selection.types import Doubles, Floats, Ints


class Learner(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no annotations
    """The learner as an estimator that also fits if all answers are one label."""

    def __init__(self, k: int) -> None:
        self.k = k

    def fit(self, vectors: Floats, answers: Ints) -> Self:
        self.vectors_, self.answers_ = vectors, answers
        return self

    def predict_proba(self, vectors: Floats) -> Doubles:
        return learn(self.vectors_, self.answers_, vectors, self.k)


def ranked_batch(state: State, count: int) -> Ints:
    """Take rows one by one that are uncertain and far from those taken (Euclidean distance)."""
    rows = np.flatnonzero(state.open)
    learner = ActiveLearner(
        Learner(state.k), X_training=state.vectors[state.rows], y_training=state.answers
    )
    chosen, _ = uncertainty_batch_sampling(learner, state.vectors[rows], n_instances=count)
    bought: Ints = rows[chosen]
    return bought


PEERS: dict[str, Strategy] = {"modAL ranked batch": ranked_batch}
