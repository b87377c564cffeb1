"""What the LLM said of the texts that it read -> what it would say of all others.

Ridge regression of its log-odds on words and vectors, and on what a probe says that was taught the
same verdicts as the LLM: where they agree on the texts that were read, they will on the rest.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.linear_model import Ridge, RidgeCV

from selection.bag import bag, rarity
from selection.probe import teach
from selection.types import Doubles, Ints, Pool
from selection.vectors import Vectors
from selection.words import standard

ALPHAS = (0.3, 1.0, 3.0, 10.0, 30.0)  # the one that predicts texts left out best is taken
LEFT_OUT = 2_000  # texts at most by which it is taken; that time grows with their cube
FEWEST = 8  # texts that were read, or all get the mean of their beliefs
SMALLEST = 1e-3  # belief: beyond it the model is sure, and how sure says nothing of the boundary


@dataclass(frozen=True)
class Surrogate:
    """Reads a pool of n texts. words: (n, COLUMNS), the rarer the heavier. vectors: (n, d) unit.
    verdicts: (n, k) what a probe says that was taught them, of mean 0 and deviation 1."""

    words: csr_matrix
    vectors: Vectors
    verdicts: Doubles

    @classmethod
    def of(
        cls, pool: Pool, vectors: Vectors, taught: tuple[Ints, Ints] | None, k: int
    ) -> "Surrogate":
        """taught: rows and the labels that experts gave them."""
        bags = bag(pool.texts.tolist())
        rare = rarity(bags)
        verdicts: Doubles = np.zeros((len(pool), k))
        if taught is not None and len(np.unique(taught[1])) > 1:
            rows, labels = taught
            probe = teach(bags[rows], vectors[rows], labels, k, rare)
            verdicts = standard(probe.logits(bags, vectors))
        return cls(csr_matrix(bags.multiply(rare)), vectors, verdicts)

    def beliefs(self, read: Ints, said: Doubles) -> Doubles:
        """Return (n, k) beliefs. read: (m,) rows that the LLM read. said: (m, k) its beliefs."""
        if len(read) < FEWEST:
            return np.tile(said.mean(axis=0), (len(self.vectors), 1))
        odds = np.log(np.maximum(said, SMALLEST))
        odds -= odds.mean(axis=1, keepdims=True)
        model = _fitted(self._features(read), odds)
        words, vectors, verdicts = np.split(model.coef_.T, self._ends)
        logits = self.words @ words + self.verdicts @ verdicts + model.intercept_
        # the pool's largest array stays of single precision
        logits += self.vectors @ vectors.astype(np.float32)
        powers = np.exp(logits)
        beliefs: Doubles = powers / powers.sum(axis=1, keepdims=True)
        return beliefs

    @property
    def _ends(self) -> list[int]:
        """Where words and vectors end among the features."""
        words = self.words.shape[1]
        return [words, words + self.vectors.shape[1]]

    def _features(self, rows: Ints) -> csr_matrix:
        dense = np.column_stack([self.vectors[rows], self.verdicts[rows]])
        return csr_matrix(hstack([self.words[rows], csr_matrix(dense)]))


def _fitted(features: csr_matrix, odds: Doubles) -> Ridge:
    few = np.linspace(0, len(odds) - 1, min(len(odds), LEFT_OUT)).astype(np.int64)
    chosen = RidgeCV(alphas=ALPHAS).fit(features[few], odds[few])
    if len(few) == len(odds):
        return chosen
    return Ridge(alpha=chosen.alpha_, solver="sparse_cg").fit(features, odds)
