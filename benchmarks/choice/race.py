"""One strategy buys labels round by round; after each round the learner is measured."""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, cohen_kappa_score

from benchmarks.choice.learner import learn, start
from benchmarks.choice.state import State, Strategy
from selection.stratify import stratify
from selection.types import Bools, Doubles, Floats, Ints

TEST_SHARE = 1 / 3  # of the texts, on which kappa is measured and which nobody can buy


@dataclass(frozen=True)
class Course:
    """The rows that a seed sets aside, and what everybody starts from.

    pool, test: positions in the data. beliefs: (len(pool), k) at the start. seed: of the course.
    """

    vectors: Floats
    labels: Ints
    pool: Ints
    test: Ints
    beliefs: Doubles
    seed: int

    @property
    def k(self) -> int:
        return int(self.beliefs.shape[1])


@dataclass(frozen=True)
class Run:
    """What one strategy reached on one course, after each of r rounds.

    kappa: (r,) at the learner's own threshold on the test rows. precision: (r,) average
    precision (two labels: of the positive one; more: their mean). positives: share of the
    bought that are not of the commonest label. found: share of all such texts of the pool that
    were bought. seconds: (r,) spent choosing.
    """

    kappa: Doubles
    precision: Doubles
    positives: float
    found: float
    seconds: Doubles


def course(
    vectors: Floats, labels: Ints, descriptions: Floats, *, seed: int, beliefs: str = "similarity"
) -> Course:
    """Split the data and compute the starting beliefs on the pool alone.

    beliefs: 'similarity' to the descriptions; 'useless', the same shuffled over the texts;
    'inverted', each text as unlike as it was like.
    """
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(labels))
    tested = round(len(labels) * TEST_SHARE)
    test, pool = np.sort(order[:tested]), np.sort(order[tested:])
    k = len(descriptions)
    share = np.bincount(labels, minlength=k) / len(labels)
    if beliefs == "inverted":
        descriptions = -descriptions
    believed = start(vectors[pool], descriptions, share.tolist())
    if beliefs == "useless":
        believed = believed[rng.permutation(len(pool))]
    return Course(vectors, labels, pool, test, believed, seed)


def run(
    ground: Course,
    strategy: Strategy,
    *,
    rounds: int,
    per_round: int,
    cold: bool = False,
    noise: float = 0.0,
) -> Run:
    """Let a strategy buy `per_round` labels in each of `rounds`.

    cold: whether it chooses the first batch itself; otherwise that is drawn at random, as many
    of each predicted label. noise: share of the bought labels that are wrong.
    """
    vectors, truth = ground.vectors[ground.pool], ground.labels[ground.pool]
    answers = _noisy(truth, noise, ground)
    rows: Ints = np.zeros(0, dtype=np.int64)
    beliefs = ground.beliefs
    kappa, precision, seconds = np.zeros(rounds), np.zeros(rounds), np.zeros(rounds)
    for number in range(rounds):
        rng = np.random.default_rng([ground.seed, 2, number])
        state = State(vectors, beliefs, rows, answers[rows], number, ground.seed, rng)
        began = time.perf_counter()
        buy = strategy if number or cold else first
        new = buy(state, min(per_round, len(vectors) - len(rows)))
        seconds[number] = time.perf_counter() - began
        _check(new, state.open)
        rows = np.concatenate([rows, new])
        everywhere = learn(vectors[rows], answers[rows], ground.vectors, ground.k)
        beliefs = everywhere[ground.pool]
        kappa[number], precision[number] = _measure(everywhere[ground.test], ground)
    rare = truth != np.bincount(truth).argmax()
    return Run(
        kappa, precision, float(rare[rows].mean()), float(rare[rows].sum() / rare.sum()), seconds
    )


def first(state: State, count: int) -> Ints:
    """Round 0 of everybody who cannot begin without labels."""
    rows, _ = stratify(state.probability.argmax(axis=1), state.open, count, state.k, rng=state.rng)
    return rows


def _measure(beliefs: Doubles, ground: Course) -> tuple[float, float]:
    """Kappa (0 where the learner knows one label only) and average precision on the test rows."""
    truth = ground.labels[ground.test]
    predicted = beliefs.argmax(axis=1)
    kappa = float(cohen_kappa_score(truth, predicted)) if len(set(predicted.tolist())) > 1 else 0.0
    each = [
        average_precision_score(truth == label, beliefs[:, label])
        for label in ([1] if ground.k == 2 else range(ground.k))
        if (truth == label).any()
    ]
    return kappa, float(np.mean(each))


def _noisy(truth: Ints, noise: float, ground: Course) -> Ints:
    """Answers of which a share is another label, drawn at random; the same for all strategies."""
    rng = np.random.default_rng([ground.seed, 3])
    wrong = rng.random(len(truth)) < noise
    other = (truth + rng.integers(1, ground.k, size=len(truth))) % ground.k
    return np.where(wrong, other, truth)


def _check(new: Ints, free: Bools) -> None:
    if len(np.unique(new)) != len(new) or not free[new].all():
        raise ValueError("a strategy bought a text twice")
