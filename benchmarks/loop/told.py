"""What a system without an audit of its own tells its owner: kappa on a fifth of its verdicts."""

from collections.abc import Callable

import numpy as np

from benchmarks.loop.place import Place
from selection.align import model_alignment
from selection.types import Bools, Doubles, Estimate, Ints, Sample, Verdicts

TESTS_EVERY = 5  # one of so many verdicts is on a random text that is kept to test
RESAMPLES = 2_000  # behind the interval, as in the product
Read = Callable[[tuple[str, ...]], Doubles]  # texts -> (n, k) beliefs


def tests(n: int) -> Bools:
    """Return (n,) True for the verdicts that test: the same ones however many come after."""
    found: Bools = np.arange(n) % TESTS_EVERY == TESTS_EVERY - 1
    return found


def told(place: Place, read: Read, rows: Ints, labels: Ints) -> Estimate:
    """Return the kappa of a version with one expert on (m,) rows of the pool.

    labels: (n,) what the expert says of each row of the pool.
    """
    said = read(tuple(place.ground.texts[row] for row in rows)).argmax(axis=1)
    verdicts = Verdicts(labels[rows][:, None], ("expert",), len(place.ground.names))
    sample = Sample(np.ones(len(rows)), np.arange(len(rows)))
    rng = np.random.default_rng(place.seed)
    return model_alignment(
        said.astype(np.int64), verdicts, sample, rng=rng, resamples=RESAMPLES
    )
