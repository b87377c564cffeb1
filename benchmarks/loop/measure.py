"""A version's answers to the test set -> its true kappa, and the best that its ranking allows."""

import hashlib
from dataclasses import dataclass

import numpy as np

from benchmarks.loop.ground import Ground
from selection.align import model_alignment
from selection.types import Bools, Doubles, Estimate, Ints, Sample, Verdicts

RESAMPLES = 500  # of the interval around the true kappa, which only says how sharp the ruler is


@dataclass(frozen=True)
class Truth:
    """kappa: on the test set, weighted to the data's shares. best: the same at the threshold that
    is best on the test set itself, None for more than two labels: a diagnosis, not a result.
    digest: of the scores.
    """

    kappa: Estimate
    best: float | None
    digest: str


def measure(probability: Doubles, ground: Ground) -> Truth:
    """Compare (t, k) beliefs about the test texts with their labels."""
    scores = probability.astype(np.float32)  # as the model gave them
    kappa = weighted_kappa(scores.argmax(axis=1), ground.truth, ground.weight, len(ground.names))
    best = None
    if len(ground.names) == 2:
        rare = 1 - ground.commonest
        best = best_kappa(probability[:, rare], ground.truth == rare, ground.weight)
    return Truth(kappa, best, hashlib.sha256(scores.tobytes()).hexdigest()[:16])


def weighted_kappa(predicted: Ints, truth: Ints, weight: Doubles, k: int) -> Estimate:
    """Return Cohen's kappa of (t,) labels with an interval."""
    verdicts = Verdicts(truth[:, None].astype(np.int64), ("truth",), k)
    sample = Sample(np.asarray(weight, dtype=np.float64), np.arange(len(truth)))
    return model_alignment(
        predicted.astype(np.int64), verdicts, sample,
        rng=np.random.default_rng(0), resamples=RESAMPLES,
    )  # fmt: skip


def best_kappa(score: Doubles, positive: Bools, weight: Doubles) -> float:
    """Return the highest weighted kappa over all thresholds on a (t,) score.

    positive: (t,) True where the truth is. All tables of a threshold come from two running sums.
    """
    order = np.argsort(-score, kind="stable")
    at = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # ties stay together
    weight, positive = weight[order] / weight.sum(), positive[order]
    hit = np.cumsum(weight * positive)[at]
    said = np.cumsum(weight)[at]
    share = float((weight * positive).sum())
    agree = hit + (1 - share - (said - hit))
    chance = said * share + (1 - said) * (1 - share)
    open_to_chance = chance < 1 - 1e-12
    kappa = (agree - chance)[open_to_chance] / (1 - chance[open_to_chance])
    return max(float(kappa.max(initial=0.0)), 0.0)
