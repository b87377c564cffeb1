"""An audit of answers whose verdicts are known."""

import numpy as np

from benchmarks.statistics.real import errors


def test_an_audit_that_knows_where_a_model_errs_is_more_exact_than_equal_parts() -> None:
    """All errors are among the texts of which the model is least sure."""
    rng = np.random.default_rng(0)
    scores = rng.normal(-4.0, 4.0, 1_000)
    truth = (scores > 0).astype(np.int64)
    unsure = np.flatnonzero(np.abs(scores) < 0.8)
    truth[unsure] = rng.integers(0, 2, len(unsure))
    product, by_doubt, equal_parts = errors(scores, truth, draws=150)
    assert 0 < by_doubt < 0.8 * equal_parts
    assert 0 < product < by_doubt
