import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.lines import pack

ROWS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=40), min_size=1, max_size=20)


@given(ROWS, st.integers(0, 500), st.integers(1, 64))
def test_every_token_stands_once_in_order_at_its_own_position(
    rows: list[list[int]], first: int, width: int
) -> None:
    lines = pack(rows, first, width)
    for row, (line, end) in zip(rows, lines.ends.tolist(), strict=True):
        here = slice(end - len(row) + 1, end + 1)
        assert lines.ids[line, here].tolist() == row
        assert lines.positions[line, here].tolist() == list(range(first, first + len(row)))
    assert int((lines.ids > 0).sum()) == sum(map(len, rows))


@given(ROWS, st.integers(1, 64))
def test_a_token_sees_its_own_text_up_to_itself_and_nothing_else(
    rows: list[list[int]], width: int
) -> None:
    lines = pack(rows, 0, width)
    seen = lines.mask[:, 0] == 0
    for row, (line, end) in zip(rows, lines.ends.tolist(), strict=True):
        start = end - len(row) + 1
        for place in range(start, end + 1):
            assert np.flatnonzero(seen[line, place]).tolist() == list(range(start, place + 1))
    assert bool(seen.any(dim=-1).all())  # padding too: a softmax over nothing is not a number


@given(ROWS, st.integers(1, 64))
def test_no_line_is_wider_than_asked_unless_a_text_is(rows: list[list[int]], width: int) -> None:
    lines = pack(rows, 0, width)
    assert lines.ids.shape[1] <= max(width, max(map(len, rows)))
    assert len(lines.ids) <= len(rows)


def test_short_texts_share_a_line() -> None:
    lines = pack([[1] * 60, [2] * 30, [3] * 60, [4] * 38, [5] * 60], 7, width=128)
    assert lines.ids.shape == (2, 128)
    assert lines.mask.shape == (2, 1, 128, 128)
    assert lines.mask.dtype == torch.float32


def test_a_text_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="must have a token"):
        pack([[1], []], 0)
