"""Pool -> beliefs P(label | text): the LLM reads the texts that matter, a surrogate the others.

An LLM that reads the whole pool every round is the largest cost of the method. So it reads
`limit` texts: one half is a fixed random sample, the other half the texts of which the surrogate
(surrogate.py), which learned from the first half, is least sure. The surrogate answers for the
rest. With a limit of at least the pool's size the LLM reads everything. A trained version has read
the fixed sample before it is asked: its threshold was set on it (choose.py, `drawn`).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tenacity

from selection.backend_client import BackendClient
from selection.cache import answers
from selection.errors import BackendError
from selection.surrogate import Surrogate
from selection.types import Beliefs, Doubles, Ints, Pool
from selection.vectors import Vectors

BATCH = 64  # texts in one request: what a kill can cost, and how often progress is reported
TRIES = 5  # a version is promoted once a round; if oftener, two backends answer at one address
Progress = Callable[[int, int], None]


def label(
    pool: Pool,
    vectors: Vectors,
    backend: BackendClient,
    project: int,
    *,
    number: Doubles,
    limit: int,
    home: Path,
    taught: tuple[Ints, Ints] | None = None,
    on_progress: Progress | None = None,
) -> Beliefs:
    """Return the beliefs of the backend's current version about all n rows.

    number: (n,) permanent ones; the texts with the smallest are the fixed sample. taught: rows and
    the labels that experts gave them for training; for the surrogate alone.
    on_progress: called with (read, total) texts. Raises BackendError.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(_VersionMoved),
        stop=tenacity.stop_after_attempt(TRIES),
        reraise=True,
    )
    try:
        beliefs: Beliefs = attempts(
            _label, pool, vectors, backend, project, number, limit, home, taught, on_progress
        )
    except _VersionMoved:
        raise BackendError(
            f"The backend's version changed {TRIES} times while it read the pool. Does more than "
            f"one backend answer at this address? Let them share one home, or run the command "
            f"again."
        ) from None
    return beliefs


def _label(
    pool: Pool,
    vectors: Vectors,
    backend: BackendClient,
    project: int,
    number: Doubles,
    limit: int,
    home: Path,
    taught: tuple[Ints, Ints] | None,
    on_progress: Progress | None,
) -> Beliefs:
    first = backend.score(project, [str(pool.texts[0])])
    reader = _Reader(pool, backend, project, first.version, first.labels, home)
    n, k = len(pool), len(first.labels)
    if limit >= n:
        everything = np.arange(n)
        reader.read(everything, on_progress, n)
        read = np.ones(n, dtype=np.bool_)
        return Beliefs(reader.rows(everything), first.labels, first.version, read)
    sample = np.argsort(number, kind="stable")[: fixed(limit)]
    reader.read(sample, on_progress, limit)
    surrogate = Surrogate.of(pool, vectors, taught, k)
    guess = surrogate.beliefs(sample, reader.rows(sample))
    order = np.argsort(_margin(guess), kind="stable")
    unsure = order[~np.isin(order, sample)][: limit - len(sample)]
    reader.read(unsure, on_progress, limit, done=len(sample))
    seen = np.concatenate([sample, unsure])
    probability = surrogate.beliefs(seen, reader.rows(seen))
    probability[seen] = reader.rows(seen)
    read = np.zeros(n, dtype=np.bool_)
    read[seen] = True
    return Beliefs(probability, first.labels, first.version, read)


def fixed(limit: int) -> int:
    """Return how many texts of the fixed sample an LLM that reads `limit` texts reads."""
    return limit // 2


def balance(beliefs: Beliefs) -> Beliefs:
    """Batch calibration (Zhou et al. 2023, eq. 4): divide by the mean belief over the pool.

    A prompted model often prefers one label whatever it reads. After this, a label is predicted
    for roughly those texts that speak for it more than the average text does.
    """
    ratio = beliefs.probability / np.maximum(beliefs.probability.mean(axis=0), 1e-12)
    ratio /= ratio.sum(axis=1, keepdims=True)
    return Beliefs(ratio, beliefs.labels, beliefs.version, beliefs.read)


class _Reader:
    """Asks the LLM in batches and keeps the answers of this version."""

    def __init__(
        self,
        pool: Pool,
        backend: BackendClient,
        project: int,
        version: str,
        labels: Sequence[str],
        home: Path,
    ) -> None:
        self.pool, self.backend, self.project, self.version = pool, backend, project, version
        self.cache = answers(home, project, version, len(labels))

    def rows(self, which: Ints) -> Doubles:
        """Return (m, k) beliefs about rows that were read."""
        return self.cache.get([str(t) for t in self.pool.texts[which]]).astype(np.float64)

    def read(self, which: Ints, on_progress: Progress | None, total: int, done: int = 0) -> None:
        """Ask for the rows that this version has not read yet. done: texts read before."""
        texts = [str(t) for t in self.pool.texts[which]]
        missing = np.flatnonzero(~self.cache.known(texts))
        done += len(texts) - len(missing)
        for start in range(0, len(missing), BATCH):
            part = [texts[i] for i in missing[start : start + BATCH]]
            scores = self.backend.score(self.project, part)
            if scores.version != self.version:
                raise _VersionMoved  # beliefs of two versions cannot be compared
            self.cache.put(part, scores.probability.astype(np.float32))
            done += len(part)
            if on_progress:
                on_progress(done, total)


class _VersionMoved(Exception):
    """A version was promoted meanwhile: another one answers than at first."""


def _margin(probability: Doubles) -> Doubles:
    top = np.partition(probability, -2, axis=1)[:, -2:]
    gap: Doubles = top[:, 1] - top[:, 0]
    return gap
