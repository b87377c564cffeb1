"""Labelled texts -> a linear probe, which reads their words and their vectors."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import LogisticRegression

from selection.types import Doubles, Floats, Ints
from selection.vectors import Vectors

REGULARITY = 1.0  # C of the logistic regression
STEPS = 300


@dataclass(frozen=True)
class Probe:
    """vectors: (k, d), what a vector weighs for each label. columns: (m,) words that it knows, as
    columns of a bag (bag.py). words: (k, m), what they weigh. bias: (k,)."""

    vectors: Floats
    columns: Ints
    words: Floats
    bias: Floats

    def __post_init__(self) -> None:
        shapes = [one.shape for one in vars(self).values()]
        k, d, m = len(self.bias), self.vectors.shape[-1], len(self.columns)
        if shapes != [(k, d), (m,), (k, m), (k,)]:
            raise ValueError(f"arrays of {shapes} are no probe")

    def logits(self, bags: csr_matrix, vectors: Vectors) -> Doubles:
        """Return (n, k) logits. bags: (n, COLUMNS). vectors: (n, d) unit."""
        by_words = bags[:, self.columns] @ self.words.T
        return np.asarray(vectors @ self.vectors.T + by_words + self.bias, dtype=np.float64)

    def times(self, factor: float) -> "Probe":
        """Return a probe with `factor` times the logits."""
        by = np.float32(factor)
        return Probe(self.vectors * by, self.columns, self.words * by, self.bias * by)


def teach(bags: csr_matrix, vectors: Floats, targets: Ints, k: int, rarity: Doubles) -> Probe:
    """Teach a probe n texts. A label without any has logit 0: nothing is known of it.

    bags: (n, COLUMNS). vectors: (n, d) unit. targets: (n,) positions in k labels, of two at least.
    rarity: (COLUMNS,) of words. Labels weigh alike, since what is chosen has another balance than
    the pool; the threshold corrects for that.
    """
    columns = np.unique(bags.indices).astype(np.int64)
    rare = rarity[columns]
    rows = hstack([csr_matrix(vectors), bags[:, columns].multiply(rare)]).tocsr()
    learner = LogisticRegression(C=REGULARITY, class_weight="balanced", max_iter=STEPS)
    learner.fit(rows, targets)
    weight, bias = learner.coef_, learner.intercept_
    if len(weight) == 1:  # two labels: one row of log-odds
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    every = np.zeros((k, rows.shape[1] + 1), np.float32)
    every[learner.classes_] = np.column_stack([weight, bias])
    d = vectors.shape[1]
    return Probe(every[:, :d], columns, every[:, d:-1] * rare.astype(np.float32), every[:, -1])
