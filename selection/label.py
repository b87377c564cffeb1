"""Pool -> beliefs P(label | text): the LLM reads the texts that matter, a probe the others.

An LLM that reads the whole pool every round is the largest cost of the method. So it reads
`limit` texts: half of them a fixed random sample, the other half those of which a probe (logistic
regression on the vectors, taught by what the LLM and the experts said) is least sure. The probe
answers for the rest. With a limit of at least the pool's size the LLM reads everything.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from selection.backend_client import Backend
from selection.cache import answers, key
from selection.errors import BackendError
from selection.types import Beliefs, Doubles, Floats, Ints, Pool

BATCH = 64  # texts in one request: what a kill can cost, and how often progress moves
EXPERT_WEIGHT = 10.0  # an expert's verdict weighs as much as so many readings of the LLM
TRIES = 5  # a version is promoted once a round; oftener, and two backends answer at one address
Progress = Callable[[int, int], None]


def label(
    pool: Pool,
    vectors: Floats,
    backend: Backend,
    project: int,
    *,
    limit: int,
    home: Path,
    taught: tuple[Ints, Ints] | None = None,
    progress: Progress | None = None,
) -> Beliefs:
    """Beliefs of all n rows by the backend's current version.

    taught: rows and labels that experts have given for fine-tuning, for the probe alone.
    Raises BackendError.
    """
    for _ in range(TRIES):
        try:
            return _label(pool, vectors, backend, project, limit, home, taught, progress)
        except _VersionMoved:
            continue  # a version was promoted meanwhile: mixed beliefs would be worth nothing
    raise BackendError(
        f"The backend's version changed {TRIES} times while it read the pool. Does more than one "
        f"backend answer at this address? Let them share one home, or run the command again."
    )


def _label(
    pool: Pool,
    vectors: Floats,
    backend: Backend,
    project: int,
    limit: int,
    home: Path,
    taught: tuple[Ints, Ints] | None,
    progress: Progress | None,
) -> Beliefs:
    first = backend.score(project, [str(pool.texts[0])])
    reader = _Reader(pool, backend, project, first.version, first.labels, home)
    n, k = len(pool), len(first.labels)
    if limit >= n:
        everything = np.arange(n)
        reader.read(everything, progress, n)
        read = np.ones(n, dtype=np.bool_)
        return Beliefs(reader.rows(everything), first.labels, first.version, read)
    sample = _fixed_sample(pool, limit // 2)
    reader.read(sample, progress, limit)
    guess = _probe(vectors, sample, reader.rows(sample), taught, k)
    order = np.argsort(_margin(guess), kind="stable")
    unsure = order[~np.isin(order, sample)][: limit - len(sample)]
    reader.read(unsure, progress, limit, done=len(sample))
    seen = np.concatenate([sample, unsure])
    probability = _probe(vectors, seen, reader.rows(seen), taught, k)
    probability[seen] = reader.rows(seen)
    read = np.zeros(n, dtype=np.bool_)
    read[seen] = True
    return Beliefs(probability, first.labels, first.version, read)


def balance(beliefs: Beliefs) -> Beliefs:
    """Batch calibration (Zhou et al. 2023, eq. 4): divide by the mean belief over the pool.

    A prompted model often prefers one label whatever it reads. After this, each label is
    predicted for about the texts that speak for it more than the average text does.
    """
    ratio = beliefs.probability / np.maximum(beliefs.probability.mean(axis=0), 1e-12)
    ratio /= ratio.sum(axis=1, keepdims=True)
    return Beliefs(ratio, beliefs.labels, beliefs.version, beliefs.read)


class _Reader:
    """Asks the LLM in batches, keeps the answers of this version."""

    def __init__(
        self,
        pool: Pool,
        backend: Backend,
        project: int,
        version: str,
        labels: Sequence[str],
        home: Path,
    ) -> None:
        self.pool, self.backend, self.project, self.version = pool, backend, project, version
        self.cache = answers(home, project, version, len(labels))

    def rows(self, which: Ints) -> Doubles:
        """(m, k) beliefs of rows that were read."""
        return self.cache.get([str(t) for t in self.pool.texts[which]]).astype(np.float64)

    def read(self, which: Ints, progress: Progress | None, total: int, done: int = 0) -> None:
        """Ask for the rows that this version has not read yet."""
        texts = [str(t) for t in self.pool.texts[which]]
        missing = np.flatnonzero(~self.cache.known(texts))
        done += len(texts) - len(missing)
        for start in range(0, len(missing), BATCH):
            part = [texts[i] for i in missing[start : start + BATCH]]
            scores = self.backend.score(self.project, part)
            if scores.version != self.version:
                raise _VersionMoved
            self.cache.put(part, scores.probability.astype(np.float32))
            done += len(part)
            if progress:
                progress(done, total)


class _VersionMoved(Exception):
    """Another version answers than the one that answered first."""


def _fixed_sample(pool: Pool, size: int) -> Ints:
    """`size` rows by a hash of their text: the same ones every round, whatever the version."""
    keys = [key(str(text)) for text in pool.texts]
    return np.array(sorted(range(len(pool)), key=keys.__getitem__)[:size], dtype=np.int64)


def _probe(
    vectors: Floats, rows: Ints, beliefs: Doubles, taught: tuple[Ints, Ints] | None, k: int
) -> Doubles:
    """Logistic regression on soft labels: each row counts for label l with weight P(l | row)."""
    inputs = [np.repeat(vectors[rows], k, axis=0)]
    targets = [np.tile(np.arange(k), len(rows))]
    weights = [beliefs.ravel()]
    if taught is not None and len(taught[0]):
        inputs.append(vectors[taught[0]])
        targets.append(taught[1])
        weights.append(np.full(len(taught[0]), EXPERT_WEIGHT))
    probe = LogisticRegression(C=10.0, max_iter=200)
    with warnings.catch_warnings():
        # a probe that has not fully converged ranks as well; the LLM's version is the truth
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(np.concatenate(inputs), np.concatenate(targets), np.concatenate(weights))
    answer: Doubles = np.asarray(probe.predict_proba(vectors), dtype=np.float64)
    return answer


def _margin(probability: Doubles) -> Doubles:
    top = np.partition(probability, -2, axis=1)[:, -2:]
    gap: Doubles = top[:, 1] - top[:, 0]
    return gap
