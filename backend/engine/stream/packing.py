"""Texts of different length -> one stream of tokens, so that none of it is padding.

A batch of texts padded to the longest computes much that nobody reads. Here the texts of a batch
follow each other in one long row; all of a model but its attention works on each token alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Stream:
    """n texts, t tokens in all, after a prefix of p tokens that they share.

    ids, positions: (1, t). last: (n,) place of each text's last token. lengths: of the texts.
    """

    ids: Tensor
    positions: Tensor
    last: Tensor
    lengths: tuple[int, ...]
    prefix: int


def join(
    rows: Sequence[Sequence[int]], prefix: int, device: torch.device | str = "cpu"
) -> Stream:
    """Return one stream of n texts (lists of token ids, none empty), in their order.

    prefix: tokens before each text, which is the position of its first one.
    """
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
    if not len(rows) or int(lengths.min()) == 0:
        raise ValueError("every text must have a token, the end of the prompt at least")
    last = lengths.cumsum(0) - 1
    starts = last - lengths + 1
    ids = torch.tensor([token for row in rows for token in row], dtype=torch.long)
    positions = prefix + torch.arange(len(ids)) - starts.repeat_interleave(lengths)
    ids, positions, last = (x.to(device) for x in (ids, positions, last))
    return Stream(ids[None], positions[None], last, tuple(lengths.tolist()), prefix)
