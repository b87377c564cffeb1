import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.boundary import boundary, doubt


def test_the_least_sure_rows_come_first() -> None:
    margin = np.array([0.9, 0.1, 0.5, 0.3])
    assert boundary(margin, np.ones(4, dtype=np.bool_), 3).tolist() == [1, 3, 2]


def test_rows_that_do_not_count_are_left_out() -> None:
    among = np.array([True, False, True, True])
    assert boundary(np.array([0.9, 0.1, 0.5, 0.3]), among, 9).tolist() == [3, 2, 0]


def test_equally_sure_rows_keep_the_order_of_the_pool() -> None:
    assert boundary(np.full(5, 0.2), np.ones(5, dtype=np.bool_), 3).tolist() == [0, 1, 2]


@given(st.lists(st.floats(0, 1), max_size=30), st.integers(0, 40))
def test_nothing_outside_is_less_sure_than_what_is_inside(values: list[float], most: int) -> None:
    margin = np.array(values)
    rows = boundary(margin, np.ones(len(values), dtype=np.bool_), most)
    assert len(rows) == min(most, len(values))
    outside = np.delete(margin, rows)
    assert not len(outside) or not len(rows) or margin[rows].max() <= outside.min()


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 margins, 2 flags"):
        boundary(np.zeros(3), np.ones(2, dtype=np.bool_), 1)


def test_doubt_falls_with_the_margin_in_units_of_its_median() -> None:
    assert doubt(np.array([0.0, 0.2, 0.4])) == pytest.approx(np.exp([0, -1, -2]))
    assert doubt(np.zeros(2)).tolist() == [1.0, 1.0]
    assert len(doubt(np.zeros(0))) == 0
