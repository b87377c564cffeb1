"""Texts of different length -> one stream of tokens, so that none of it is padding.

A batch of texts padded to the longest computes much that nobody reads. Here the texts of a batch
follow each other in one long row; all of a model but its attention works on each token alone. For
the attention (attention.py) texts of similar length stand in blocks, a row each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

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
class Stream:
    """n texts, t tokens in all.

    ids, positions: (1, t). last: (n,) place of each text's last token. back: (t,) where each token
    stands in the rows of all blocks, one after the other.
    """

    ids: Tensor
    positions: Tensor
    last: Tensor
    blocks: tuple[Block, ...]
    back: Tensor


def join(rows: Sequence[Sequence[int]], first: int) -> Stream:
    """Return one stream of n texts (lists of token ids, none empty), in their order.

    first: position of each text's first token, which is the length of the prefix before it.
    """
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
    if not len(rows) or int(lengths.min()) == 0:
        raise ValueError("every text must have a token, the end of the prompt at least")
    last = lengths.cumsum(0) - 1
    starts = last - lengths + 1
    total = int(lengths.sum())
    ids = torch.tensor([token for row in rows for token in row], dtype=torch.long)
    positions = first + torch.arange(total) - starts.repeat_interleave(lengths)
    blocks = tuple(_block(starts[some], lengths[some]) for some in _alike(lengths))
    standing = torch.cat([block.places[block.real] for block in blocks])
    at = torch.cat([block.real.flatten() for block in blocks]).nonzero().flatten()
    back = torch.empty(total, dtype=torch.long)
    back[standing] = at
    return Stream(ids[None], positions[None], last, blocks, back)


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
