import torch
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.cpu.blocks import in_blocks
from backend.engine.stream.packing import join

ROWS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=40), min_size=1, max_size=20)


@given(ROWS)
def test_every_text_stands_in_one_row_of_one_block_and_repeats_its_last_token_there(
    rows: list[list[int]],
) -> None:
    stream = join(rows, 0)
    laid = in_blocks(stream)
    found = [
        stream.ids[0, place][real].tolist()
        for block in laid.blocks
        for place, real in zip(block.places, block.real, strict=True)
    ]
    assert sorted(found) == sorted(rows)
    for block in laid.blocks:
        lengths = block.real.sum(dim=1)
        assert torch.equal(block.real, torch.arange(block.real.shape[1]) < lengths[:, None])
        last = block.places.gather(1, lengths[:, None] - 1)
        assert torch.equal(block.places.masked_fill(block.real, 0), last * ~block.real)


@given(ROWS)
def test_what_stands_in_blocks_comes_back_in_the_order_of_the_stream(
    rows: list[list[int]],
) -> None:
    stream = join(rows, 0)
    laid = in_blocks(stream)
    blocks = torch.cat([stream.ids[0, block.places].flatten() for block in laid.blocks])
    assert torch.equal(blocks[laid.back], stream.ids[0])
    assert sorted(set(laid.back.tolist())) == sorted(laid.back.tolist())


@given(ROWS)
def test_no_row_of_a_block_is_less_than_half_full(rows: list[list[int]]) -> None:
    for block in in_blocks(join(rows, 0)).blocks:
        assert 2 * int(block.real.sum(dim=1).min()) >= block.real.shape[1]


def test_texts_of_similar_length_share_a_block() -> None:
    laid = in_blocks(join([[1] * 60, [2] * 30, [3] * 10, [4] * 8, [5] * 2], 7))
    assert [tuple(block.places.shape) for block in laid.blocks] == [(2, 60), (2, 10), (1, 2)]
