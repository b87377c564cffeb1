"""A prompt's prefix and the texts after it, read in the way that every causal LM allows.

The texts of a batch are rows, padded on the right. Nothing is masked: in a causal model no token
attends to the padding, which comes after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.engine.head import Head
from backend.engine.past import Past

MULTIPLE = 8  # of widths: few different ones keep the allocator's memory from growing
# what the rows of one pass may hold: bytes of a prefix's state, of which each row has a copy, and
# tokens where each row reads the prefix again
COPIES = 1 << 29
TOKENS = 4_096
_SHARE = 0.25  # of a GPU's free memory, in place of COPIES
_ON_GPU = 16  # times TOKENS


@dataclass(frozen=True)
class PaddedReader:
    """Reads with any causal LM. head: the model's. pads: whether rows may be of unlike length."""

    head: Head
    pads: bool = True

    def answer(
        self, causal: PreTrainedModel, prefix: Sequence[int], past: Past | None,
        rows: Sequence[Sequence[int]], answers: Sequence[int],
    ) -> Tensor:  # fmt: skip
        """Return (b, k) logits of the tokens `answers` after each of b rows (token ids).

        past: of the prefix. Where it is None each row reads the prefix again.
        """
        alike = self.pads or len({*map(len, rows)}) == 1
        most = _most_rows(causal.device, len(prefix), past, rows) if alike else 1
        if len(rows) > most:
            parts = [rows[start : start + most] for start in range(0, len(rows), most)]
            read = [self.answer(causal, prefix, past, part, answers) for part in parts]
            return torch.cat(read)
        if past is None:
            rows = [[*prefix, *row] for row in rows]
        longest = max(map(len, rows))
        wide = width(longest) if self.pads else longest
        ids = torch.zeros(len(rows), wide, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        there = causal.device
        last = torch.tensor([len(row) - 1 for row in rows], device=there)
        return self.head.logits(
            answers, torch.arange(len(rows), device=there), last,
            lambda: causal(
                input_ids=ids.to(there),
                past_key_values=None if past is None else past.repeated(len(rows)),
                use_cache=past is not None,
            ),
        )  # fmt: skip


def width(tokens: int) -> int:
    """Return the padded width of a batch whose longest row has `tokens`."""
    return -(-tokens // MULTIPLE) * MULTIPLE


def _most_rows(
    device: torch.device, prefix: int, past: Past | None, rows: Sequence[Sequence[int]]
) -> int:
    """Return how many rows one pass may hold, one at least. prefix: its tokens."""
    if past is None:
        tokens = TOKENS * (1 if device.type == "cpu" else _ON_GPU)
        return max(1, tokens // (prefix + max(map(len, rows))))
    room = COPIES
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        room = int(_SHARE * free)
    return max(1, room // max(1, past.nbytes))
