"""Examples -> a linear probe on sentence embeddings, which reads beside the language model.

A language model that was taught a few hundred labels and an embedder err on different texts, so
the sum of their log-odds ranks texts better than either (docs/decisions.md has what it is worth).
Both are brought to one scale on texts of the pool; then the probe has its `share` of the sum.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression

from backend.engine.probe import Probe
from selection.types import Doubles, Floats, Ints

REGULARITY = 1.0  # C of the logistic regression
STEPS = 300


def fit_probe(vectors: Floats, targets: Ints, k: int) -> Probe:
    """Teach a probe n examples. A label without any has logit 0: nothing is known of it.

    vectors: (n, d) unit. targets: (n,) positions in k labels, of two at least. Labels weigh alike,
    since what is chosen has another balance than the pool; the threshold corrects for that.
    """
    learner = LogisticRegression(C=REGULARITY, class_weight="balanced", max_iter=STEPS)
    learner.fit(vectors, targets)
    weight, bias = learner.coef_, learner.intercept_
    if len(weight) == 1:  # two labels: one row of log-odds
        weight, bias = np.stack([-weight[0], weight[0]]) / 2, np.array([-bias[0], bias[0]]) / 2
    every = Probe(np.zeros((k, vectors.shape[1]), np.float32), np.zeros(k, np.float32))
    every.weight[learner.classes_], every.bias[learner.classes_] = weight, bias
    return every


def share_factor(llm: Doubles, probe: Doubles, weight: Doubles, share: float) -> float:
    """Return what to multiply a probe's logits with, so that it has `share` of the sum.

    llm, probe: (n, k) logits of texts of the pool. weight: (n,) how many texts each stands for.
    share: 0 to 1, of the sum of both spreads. 0 if the probe tells no texts apart.
    """
    spread = [_spread(llm, weight), _spread(probe, weight)]
    return share / (1 - share) * spread[0] / spread[1] if spread[1] > 1e-9 else 0.0


def _spread(logits: Doubles, weight: Doubles) -> float:
    """Return the standard deviation over texts of the logits less the mean of each text's."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    middle = np.average(centred, axis=0, weights=weight)
    return float(np.sqrt(np.average(((centred - middle) ** 2).mean(axis=1), weights=weight)))
