"""The learner that every strategy trains, and the beliefs that every strategy starts from."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from selection.types import Doubles, Floats, Ints

REGULARITY = 1.0


def new_learner() -> LogisticRegression:
    """Return a logistic regression on the vectors: it stands in for the LLM and takes milliseconds.

    Its threshold is its own: a text gets the label with the highest probability.
    """
    return LogisticRegression(C=REGULARITY, class_weight="balanced", max_iter=300)


def learn(vectors: Floats, answers: Ints, everywhere: Floats, k: int) -> Doubles:
    """Train on (b, d) bought vectors and (b,) answers; return (n, k) beliefs about all n texts.

    A label without any answer has belief 0; if all answers are one label, that one has belief 1.
    """
    known = np.unique(answers)
    beliefs = np.zeros((len(everywhere), k))
    if len(known) == 1:
        beliefs[:, known[0]] = 1.0
        return beliefs
    learner = new_learner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(vectors, answers)
    beliefs[:, known] = learner.predict_proba(everywhere)
    return beliefs


def starting_beliefs(
    vectors: Floats, descriptions: Floats, prevalence: Sequence[float]
) -> Doubles:
    """Return (n, k) beliefs from each text's similarity to the description of each label.

    descriptions: (k, d) unit vectors. prevalence: (k,) expected shares. An offset for each label
    makes it the predicted one for about its expected share of the texts. With two labels this is a
    threshold on the difference of two similarities.
    """
    similarity = (vectors @ descriptions.T).astype(np.float64) / 0.05
    offset = np.zeros(len(descriptions))
    wanted = np.asarray(prevalence)
    # the rarest label comes last: with two labels one pass is exact
    for _ in range(1 if len(wanted) == 2 else 50):
        for label in np.argsort(-wanted)[1:]:
            others = np.delete(similarity + offset, label, axis=1).max(axis=1)
            lead = others - similarity[:, label]
            offset[label] = np.quantile(lead, wanted[label])
    logits = similarity + offset
    logits -= logits.max(axis=1, keepdims=True)
    beliefs: Doubles = np.exp(logits)
    beliefs /= beliefs.sum(axis=1, keepdims=True)
    return beliefs
