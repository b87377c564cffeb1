"""A strategy buys labels round by round; after each round the learner is tested."""

import time
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, cohen_kappa_score

from benchmarks.choice.learner import learn, starting_beliefs
from benchmarks.choice.state import State, Strategy
from selection.start import fair_shares
from selection.types import Bools, Doubles, Floats, Ints

TEST_SHARE = 1 / 3  # of the texts: kappa is measured on them, and nobody can buy them


@dataclass(frozen=True)
class Course:
    """What all strategies of one seed share: the pool, the test rows and the starting beliefs.

    pool, test: positions in the data. beliefs: (len(pool), k) at the start.
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

    kappa: (r,) on the test rows, at the learner's own threshold. precision: (r,) average
    precision; with two labels that of the positive one, with more their mean. positives: share of
    the bought texts whose label is not the most common one. found: share of all such texts of the
    pool that were bought. seconds: (r,) spent on the choice.
    """

    kappa: Doubles
    precision: Doubles
    positives: float
    found: float
    seconds: Doubles


def make_course(
    vectors: Floats, labels: Ints, descriptions: Floats, *, seed: int, beliefs: str = "similarity"
) -> Course:
    """Split the data, and compute the starting beliefs from the pool alone.

    beliefs: 'similarity' to the descriptions; 'useless': the same, shuffled over the texts;
    'inverted': from the negated similarities.
    """
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(labels))
    tested = round(len(labels) * TEST_SHARE)
    test, pool = np.sort(order[:tested]), np.sort(order[tested:])
    k = len(descriptions)
    share = np.bincount(labels, minlength=k) / len(labels)
    if beliefs == "inverted":
        descriptions = -descriptions
    believed = starting_beliefs(vectors[pool], descriptions, share.tolist())
    if beliefs == "useless":
        believed = believed[rng.permutation(len(pool))]
    return Course(vectors, labels, pool, test, believed, seed)


def run(
    course: Course,
    strategy: Strategy,
    *,
    rounds: int,
    per_round: int,
    cold: bool = False,
    noise: float = 0.0,
) -> Run:
    """Let a strategy buy `per_round` labels in each of `rounds`.

    cold: whether it chooses the first batch itself; otherwise `stratified` does. noise: share of
    the bought labels that are wrong.
    """
    vectors, truth = course.vectors[course.pool], course.labels[course.pool]
    answers = _noisy(truth, noise, course)
    rows: Ints = np.zeros(0, dtype=np.int64)
    beliefs = course.beliefs
    kappa, precision, seconds = np.zeros(rounds), np.zeros(rounds), np.zeros(rounds)
    for number in range(rounds):
        rng = np.random.default_rng([course.seed, 2, number])
        state = State(vectors, beliefs, rows, answers[rows], number, course.seed, rng)
        began = time.perf_counter()
        buy = strategy if number or cold else stratified
        new = buy(state, min(per_round, len(vectors) - len(rows)))
        seconds[number] = time.perf_counter() - began
        _check(new, state.open)
        rows = np.concatenate([rows, new])
        everywhere = learn(vectors[rows], answers[rows], course.vectors, course.k)
        beliefs = everywhere[course.pool]
        kappa[number], precision[number] = _on_test(everywhere[course.test], course)
    rare = truth != np.bincount(truth).argmax()
    return Run(
        kappa, precision, float(rare[rows].mean()), float(rare[rows].sum() / rare.sum()), seconds
    )


def stratified(state: State, count: int) -> Ints:
    """Return random rows, as many of each predicted label: round 0 of what needs labels first."""
    predicted = state.probability.argmax(axis=1)
    strata = [np.flatnonzero(state.open & (predicted == name)) for name in range(state.k)]
    shares = fair_shares([len(rows) for rows in strata], count)
    drawn = [state.rng.permutation(rows)[:size] for rows, size in zip(strata, shares, strict=True)]
    found: Ints = np.concatenate(drawn).astype(np.int64)
    return found


def _on_test(beliefs: Doubles, course: Course) -> tuple[float, float]:
    """Return kappa (0 if the learner predicts one label only) and average precision."""
    truth = course.labels[course.test]
    predicted = beliefs.argmax(axis=1)
    kappa = float(cohen_kappa_score(truth, predicted)) if len(set(predicted.tolist())) > 1 else 0.0
    each = [
        average_precision_score(truth == label, beliefs[:, label])
        for label in ([1] if course.k == 2 else range(course.k))
        if (truth == label).any()
    ]
    return kappa, float(np.mean(each))


def _noisy(truth: Ints, noise: float, course: Course) -> Ints:
    """Replace a random share of the answers with another label; the same for all strategies."""
    rng = np.random.default_rng([course.seed, 3])
    wrong = rng.random(len(truth)) < noise
    other = (truth + rng.integers(1, course.k, size=len(truth))) % course.k
    return np.where(wrong, other, truth)


def _check(new: Ints, free: Bools) -> None:
    if len(np.unique(new)) != len(new) or not free[new].all():
        raise ValueError("a strategy bought a text twice")
