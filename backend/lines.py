"""Texts of different length -> lines of one width, so that hardly a token is padding.

A batch of texts padded to the longest computes much that nobody reads. Here several texts stand in
one line, one after the other, and a mask keeps each from seeing the others ("packing"). Positions
count on from the shared prefix for every text anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

WIDTH = 128  # of a line: several short texts fill it; what a wider one saves its mask costs


@dataclass(frozen=True)
class Lines:
    """n texts in b lines of w tokens.

    ids, positions: (b, w). mask: (b, 1, w, w), 0 where a token sees another of its own text that
    is not after it, else -inf. ends: (n, 2) line and place of each text's last token.
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    ends: Tensor


def pack(rows: Sequence[Sequence[int]], first: int, width: int = WIDTH) -> Lines:
    """Lines of n texts (lists of token ids, none empty), by first fit of the longest first.

    first: position of each text's first token, which is the length of the prefix before it.
    width: of the lines, unless a text is longer.
    """
    lengths = [len(row) for row in rows]
    if not rows or min(lengths) == 0:
        raise ValueError("every text must have a token, the end of the prompt at least")
    longest = max(lengths)
    placed = _first_fit(lengths, width if longest <= width else longest)
    wide = max(start + lengths[text] for line in placed for start, text in line)
    ids = np.zeros((len(placed), wide), dtype=np.int64)
    positions = np.full((len(placed), wide), first, dtype=np.int64)
    owner = np.full((len(placed), wide), -1, dtype=np.int64)
    ends = np.zeros((len(rows), 2), dtype=np.int64)
    for line, inside in enumerate(placed):
        for start, text in inside:
            here = slice(start, start + lengths[text])
            ids[line, here] = rows[text]
            positions[line, here] = first + np.arange(lengths[text])
            owner[line, here] = text
            ends[text] = line, start + lengths[text] - 1
    return Lines(
        torch.from_numpy(ids), torch.from_numpy(positions), _mask(owner), torch.from_numpy(ends)
    )


def _first_fit(lengths: Sequence[int], width: int) -> list[list[tuple[int, int]]]:
    """Per line, the (start, text) of what stands in it."""
    lines: list[list[tuple[int, int]]] = []
    full: list[int] = []
    for text in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        line = next((i for i, used in enumerate(full) if used + lengths[text] <= width), None)
        if line is None:
            line = len(lines)
            lines.append([])
            full.append(0)
        lines[line].append((full[line], text))
        full[line] += lengths[text]
    return lines


def _mask(owner: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Tensor:
    whose = torch.from_numpy(owner)
    wide = owner.shape[1]
    # padding (-1) sees itself: a row without any would divide by nothing
    seen = (whose[:, :, None] == whose[:, None, :]) & torch.ones(wide, wide).tril().bool()
    return torch.zeros(len(owner), 1, wide, wide).masked_fill_(~seen[:, None], float("-inf"))
