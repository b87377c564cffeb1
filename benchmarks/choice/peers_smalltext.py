"""small-text, github.com/webis-de/small-text (Schröder et al., EACL 2023)."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hnswlib
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from small_text.classifiers.factories import SklearnClassifierFactory
from small_text.data.datasets import SklearnDataset
from small_text.query_strategies import (
    SEALS,
    AnchorSubsampling,
    BreakingTies,
    ContrastiveActiveLearning,
    DiscriminativeActiveLearning,
    EmbeddingKMeans,
    GreedyCoreset,
    LeastConfidence,
    LightweightCoreset,
    subsampling,
)

from benchmarks.choice.learner import new_learner
from benchmarks.choice.state import State, Strategy
from selection.types import Doubles, Floats, Ints


class Trained:
    """The trained learner, as small-text wants a classifier that it did not train itself.

    small-text passes datasets, whose x are here the rows of the pool, (m, 1). So it gets exactly
    the beliefs of the benchmark, even if some labels have no answer.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.num_classes = state.k

    def predict_proba(self, dataset: Any) -> Doubles:
        beliefs: Doubles = self.state.probability[dataset.x[:, 0]]
        return beliefs

    def embed(self, dataset: Any, return_proba: bool = False, pbar: object = None) -> Any:
        vectors = self.state.vectors[dataset.x[:, 0]]
        return (vectors, self.predict_proba(dataset)) if return_proba else vectors


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed numpy's global random state, and restore it afterwards.

    small-text and the k-means that it calls draw from that state and take no seed.
    """
    before = np.random.get_state()
    np.random.seed(int(rng.integers(2**32)))
    try:
        yield
    finally:
        np.random.set_state(before)


def _ask(query: Any, state: State, count: int, x: NDArray[Any]) -> Ints:
    """Run a query of small-text. x: (n, ...) what its dataset of the pool holds."""
    rows = np.flatnonzero(state.open)
    with _seeded(state.rng), warnings.catch_warnings():
        # small-text's dataset calls a function that small-text itself has deprecated
        warnings.filterwarnings("ignore", message=".*get_flattened_unique_labels has been depr")
        pool = SklearnDataset(x, np.zeros(len(x), dtype=np.int64), target_labels=np.arange(2))
        chosen = query(Trained(state), pool, rows, state.rows, state.answers, n=count)
    return np.asarray(chosen, dtype=np.int64)


def _peer(strategy: Callable[[int], Any]) -> Strategy:
    """Return a peer that makes a new small-text strategy for each batch, so that none remembers.

    strategy: makes it from the number of rows to buy.
    """

    def choose(state: State, count: int) -> Ints:
        rows = np.arange(len(state.vectors))[:, None]
        return _ask(strategy(count).query, state, count, rows)

    return choose


def greedy_coreset(state: State, count: int) -> Ints:
    """Take the row farthest from all bought ones, again and again (Sener & Savarese 2018)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Default distance metric has changed")
        strategy = GreedyCoreset()
    return _ask(strategy.query, state, count, np.arange(len(state.vectors))[:, None])


def discriminative(state: State, count: int) -> Ints:
    """Take rows that a learner can tell apart from bought ones (Gissin & Shalev-Shwartz 2019).

    It trains on the dataset itself, which therefore holds vectors, not rows.
    """
    factory = SklearnClassifierFactory(new_learner(), 2)
    strategy = DiscriminativeActiveLearning(factory, min(10, count))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _ask(strategy.query, state, count, state.vectors)


def _index(vectors: Floats, rows: Ints, _settings: dict[str, Any]) -> Any:
    """Build small-text's HNSW index with its settings, but in one thread.

    With more threads the links depend on timing, and the same state would not give the same rows.
    """
    index = hnswlib.Index(space="l2", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=64)
    index.add_items(vectors[rows], rows, num_threads=1)
    index.set_ef(200)
    return index


def seals(state: State, count: int) -> Ints:
    """Break ties among the neighbours of bought rows (Coleman et al. 2022)."""
    strategy = SEALS(BreakingTies(), k=max(100, count))
    strategy.initialize_index = _index
    return _ask(strategy.query, state, count, np.arange(len(state.vectors))[:, None])


@contextmanager
def _seeded_anchors(rng: np.random.Generator) -> Iterator[None]:
    """Seed the k-means++ of anchor subsampling, which otherwise differs from run to run."""
    own = subsampling.init_kmeans_plusplus_safe
    seed = int(rng.integers(2**32))

    def seeded(*args: Any, random_state: Any, **named: Any) -> Any:
        return own(*args, random_state=np.random.RandomState(seed), **named)

    subsampling.init_kmeans_plusplus_safe = seeded
    try:
        yield
    finally:
        subsampling.init_kmeans_plusplus_safe = own


def anchors(state: State, count: int) -> Ints:
    """Break ties among the neighbours of anchors of every label (Lesci & Vlachos 2024).

    Each anchor must have `count` neighbours, or there can be too few rows to choose from.
    """
    strategy = AnchorSubsampling(
        BreakingTies(), subsample_size=max(500, 2 * count), k=max(50, count)
    )
    strategy.initialize_index = _index
    with _seeded_anchors(state.rng), warnings.catch_warnings():
        # if texts are in the pool twice; the library continues with other ones
        warnings.filterwarnings("ignore", message="kmeans_plusplus returned identical")
        return _ask(strategy.query, state, count, np.arange(len(state.vectors))[:, None])


PEERS: dict[str, Strategy] = {
    "small-text breaking ties": _peer(lambda _: BreakingTies()),
    "small-text least confidence": _peer(lambda _: LeastConfidence()),
    "small-text contrastive": _peer(lambda _: ContrastiveActiveLearning(pbar=None)),
    "small-text greedy core-set": greedy_coreset,
    "small-text lightweight core-set": _peer(lambda _: LightweightCoreset()),
    "small-text embedding k-means": _peer(lambda _: EmbeddingKMeans()),
    "small-text discriminative": discriminative,
    "small-text SEALS": seals,
    "small-text anchor subsampling": anchors,
}
