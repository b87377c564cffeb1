import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.stream.packing import join

ROWS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=40), min_size=1, max_size=20)


@given(ROWS, st.integers(0, 500))
def test_every_token_stands_once_in_order_at_its_own_position(
    rows: list[list[int]], first: int
) -> None:
    stream = join(rows, first)
    assert stream.ids.tolist() == [[token for row in rows for token in row]]
    assert stream.positions.tolist() == [[first + i for row in rows for i in range(len(row))]]
    assert stream.ids[0, stream.last].tolist() == [row[-1] for row in rows]


def test_a_text_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a token"):
        join([[1], []], 0)
