"""The texts of a stream as blocks of rows, which torch's kernel for CPUs attends over."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.engine.stream.packing import Stream

_ALIKE = 0.5  # share of a block's width: shorter texts stand in another block


@dataclass(frozen=True)
class Block:
    """m texts of similar length, a row each.

    places: (m, w) of their tokens in the stream; a shorter text repeats its last token. real:
    (m, w), False where it does.
    """

    places: Tensor
    real: Tensor


@dataclass(frozen=True)
class Blocks:
    """back: (t,) where each token of the stream stands in the rows of all blocks, in turn."""

    blocks: tuple[Block, ...]
    back: Tensor


def in_blocks(stream: Stream) -> Blocks:
    """Lay the texts of a stream out in blocks."""
    lengths = torch.tensor(stream.lengths)
    starts = lengths.cumsum(0) - lengths
    blocks = tuple(_block(starts[some], lengths[some]) for some in _alike(lengths))
    standing = torch.cat([block.places[block.real] for block in blocks])
    at = torch.cat([block.real.flatten() for block in blocks]).nonzero().flatten()
    back = torch.empty(len(at), dtype=torch.long)
    back[standing] = at
    return Blocks(blocks, back)


def _alike(lengths: Tensor) -> Iterator[Tensor]:
    """Yield positions of texts of similar length, a block each, the longest first."""
    order = lengths.argsort(descending=True, stable=True)
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or lengths[order[stop]] < _ALIKE * lengths[order[start]]:
            yield order[start:stop]
            start = stop


def _block(starts: Tensor, lengths: Tensor) -> Block:
    wide = int(lengths.max())
    step = torch.arange(wide)
    places = starts[:, None] + torch.minimum(step, lengths[:, None] - 1)
    return Block(places, step < lengths[:, None])
