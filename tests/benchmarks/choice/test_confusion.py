import numpy as np
import pytest

from benchmarks.choice.confusion import look
from selection.cluster import NO_REGION, Clusters


def test_errors_are_counted_inside_of_regions_and_beside_them() -> None:
    rows = np.arange(10)
    clusters = Clusters(rows, np.repeat([0, 1, 2, 3], [3, 2, 3, 2]), np.array([0, 1, 0, 0]))
    predicted = np.concatenate([clusters.label[clusters.cell], [1, 1]])
    truth = predicted.copy()
    truth[[0, 3, 7]] = 1 - truth[[0, 3, 7]]
    region = np.array([0, 0, NO_REGION, NO_REGION])
    found = look(clusters, region, np.arange(12), predicted, truth)
    assert (found.regions, found.largest) == (1, 1.0)
    assert found.inside == pytest.approx(5 / 12)
    assert found.clustered == pytest.approx(10 / 12)
    assert found.wrong_inside == pytest.approx(2 / 5)
    assert found.wrong_outside == pytest.approx(1 / 7)
    # outside one in five of label 0 is wrong and none of label 1; inside they are three and two
    assert found.wrong_alike == pytest.approx(3 / 5 * 1 / 5 + 2 / 5 * 0)


def test_without_regions_nothing_is_said_of_them() -> None:
    clusters = Clusters(np.arange(4), np.array([0, 0, 1, 1]), np.array([0, 1]))
    predicted = np.array([0, 0, 1, 1])
    found = look(clusters, np.full(2, NO_REGION), np.arange(4), predicted, 1 - predicted)
    assert (found.regions, found.inside, found.wrong_outside) == (0, 0.0, 1.0)
    assert np.isnan([found.largest, found.wrong_inside, found.wrong_alike]).all()
