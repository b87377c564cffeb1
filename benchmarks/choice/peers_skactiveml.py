"""scikit-activeml, github.com/scikit-activeml/scikit-activeml (Kottke et al. 2021).

Left out: uncertainty sampling (the same as breaking ties of small-text), GreedyBALD (the same as
query by committee with its Kullback-Leibler divergence), strategies for regression, those with
models of their own (ProbabilisticAL, FourDs, EpistemicUncertaintySampling), DiscriminativeAL (64
fits on the whole pool; small-text's makes 10 on a part of it), and those whose time or memory
grows with the square or cube of the pool (Quire, CostEmbeddingAL, the expected error reductions).
"""

import warnings
from typing import Any

import numpy as np
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import (
    Badge,
    BatchBALD,
    Clue,
    ContrastiveAL,
    CoreSet,
    DropQuery,
    Falcun,
    MaxHerding,
    ProbCover,
    QueryByCommittee,
    SubSamplingWrapper,
    TypiClust,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances

from benchmarks.choice.learner import new_learner
from benchmarks.choice.state import State, Strategy
from selection.types import Doubles, Floats, Ints

MEMBERS = 10
SEEN_BY_HERDING = 5000
RADII = np.arange(0.05, 1.45, 0.05)


def _seed(state: State) -> int:
    return int(state.rng.integers(2**31))


def _learner(state: State, seed: int) -> Any:
    """Return the learner in the library's wrapper.

    A label without an answer gets belief 0. If all answers are one label, the wrapper cannot fit:
    it predicts the shares of the answers, with a warning.
    """
    return SklearnClassifier(new_learner(), classes=list(range(state.k)), random_state=seed)


def _query(strategy: Any, state: State, count: int, **more: Any) -> Any:
    known: Doubles = np.full(len(state.vectors), np.nan)
    known[state.rows] = state.answers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message=".*'base_estimator' could not be fitted")
        return strategy.query(X=state.vectors, y=known, batch_size=count, **more)


def _ask(strategy: Any, state: State, count: int, **models: Any) -> Ints:
    return np.asarray(_query(strategy, state, count, **models), dtype=np.int64)


def typiclust(state: State, count: int) -> Ints:
    """Take the most typical row of each cluster without a bought row (Hacohen et al. 2022)."""
    return _ask(TypiClust(random_state=_seed(state)), state, count)


def _distances(vectors: Floats) -> Floats:
    distances: Floats = pairwise_distances(vectors).astype(np.float32, copy=False)
    return distances


def probcover(state: State, count: int) -> Ints:
    """Take the row whose ball covers most uncovered rows, again and again (Yehuda et al. 2022)."""
    strategy = ProbCover(
        n_classes=state.k, deltas=RADII, distance_func=_distances, random_state=_seed(state)
    )
    return _ask(strategy, state, count)


def max_herding(state: State, count: int) -> Ints:
    """Take the row that adds most to a smooth coverage of the pool (Bae et al. 2024)."""
    seed = _seed(state)
    strategy = SubSamplingWrapper(
        MaxHerding(metric_dict={"gamma": 1.0}, random_state=seed),
        max_candidates=max(SEEN_BY_HERDING, count),
        random_state=seed,
    )
    return _ask(strategy, state, count)


def core_set(state: State, count: int) -> Ints:
    """Take the row farthest from all bought ones, again and again; the first is random."""
    return _ask(CoreSet(random_state=_seed(state)), state, count)


def badge(state: State, count: int) -> Ints:
    """Run k-means++ on the gradients that the predicted labels would cause (Ash et al. 2020)."""
    seed = _seed(state)
    return _ask(Badge(random_state=seed), state, count, clf=_learner(state, seed))


def clue(state: State, count: int) -> Ints:
    """Take rows nearest to the centres of k-means weighted by entropy (Prabhu et al. 2021)."""
    seed = _seed(state)
    strategy = Clue(cluster_algo_dict={"random_state": seed}, random_state=seed)
    return _ask(strategy, state, count, estimator=_learner(state, seed))


def drop_query(state: State, count: int) -> Ints:
    """Cluster the rows whose label changes if features are dropped (Gupte et al. 2024)."""
    seed = _seed(state)
    strategy = DropQuery(cluster_algo_dict={"random_state": seed}, random_state=seed)
    return _ask(strategy, state, count, clf=_learner(state, seed))


def falcun(state: State, count: int) -> Ints:
    """Take rows that are uncertain and whose beliefs are diverse (Gilhuber et al. 2024)."""
    seed = _seed(state)
    return _ask(Falcun(random_state=seed), state, count, clf=_learner(state, seed))


def contrastive(state: State, count: int) -> Ints:
    """Take rows whose beliefs differ from their nearest bought rows (Margatina et al. 2021)."""
    seed = _seed(state)
    return _ask(ContrastiveAL(random_state=seed), state, count, clf=_learner(state, seed))


def _members(state: State, seed: int) -> list[Any]:
    """Return learners, each trained on a bootstrap of what is bought.

    If a bootstrap has one label only, that member predicts the shares of its answers.
    """
    members = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="The 'base_estimator' could not be fitted")
        for _ in range(MEMBERS):
            drawn = state.rng.integers(len(state.rows), size=len(state.rows))
            bought = state.vectors[state.rows[drawn]], state.answers[drawn].astype(np.float64)
            members.append(_learner(state, seed).fit(*bought))
    return members


def committee(state: State, count: int) -> Ints:
    """Take rows on which a committee disagrees (Seung et al. 1992; McCallum & Nigam 1998)."""
    seed = _seed(state)
    strategy = QueryByCommittee(random_state=seed)
    return _ask(strategy, state, count, ensemble=_members(state, seed), fit_ensemble=False)


def batch_bald(state: State, count: int) -> Ints:
    """Rows whose answers together tell most about the committee (Kirsch et al. 2019).

    The library breaks ties twice: with one seed while it scores, with another when it says what
    it chose, which can then be one row twice. What it chose while scoring is what has no score
    in the next step.
    """
    seed = _seed(state)
    models = {"ensemble": _members(state, seed), "fit_ensemble": False}
    strategy = BatchBALD(random_state=seed)
    _, score = _query(strategy, state, count, return_utilities=True, **models)  # (count, n)
    gone = ~np.isnan(score[:-1]) & np.isnan(score[1:])
    return np.append(gone.argmax(axis=1), np.nanargmax(score[-1])).astype(np.int64)


PEERS: dict[str, Strategy] = {
    "scikit-activeml TypiClust": typiclust,
    "scikit-activeml ProbCover": probcover,
    "scikit-activeml MaxHerding": max_herding,
    "scikit-activeml core-set": core_set,
    "scikit-activeml BADGE": badge,
    "scikit-activeml CLUE": clue,
    "scikit-activeml DropQuery": drop_query,
    "scikit-activeml FALCUN": falcun,
    "scikit-activeml contrastive": contrastive,
    "scikit-activeml query by committee": committee,
    "scikit-activeml BatchBALD": batch_bald,
}
