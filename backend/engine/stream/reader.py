"""Texts after a prefix that they share, read as one stream of tokens without padding."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.engine.head import Head
from backend.engine.past import Past
from backend.engine.stream.attention import Arrange, Shared
from backend.engine.stream.below import NOTHING_BELOW, Below, left_by, only
from backend.engine.stream.last_layer import LastMlp
from backend.engine.stream.packing import Stream, join


@dataclass(frozen=True)
class StreamReader:
    """Reads with a model that attends by backend/engine/stream/attention.py.

    arrange: lays the texts out for it. last_mlp: computes the model's last MLP for the tokens that
    are read alone; None computes it for all of them. in_parts: whether the first layers may be read
    alone, and the rest after them.
    """

    head: Head
    arrange: Arrange
    last_mlp: LastMlp | None
    in_parts: bool = False

    def reaches(self, prefix: int, past: Past, rows: Sequence[Sequence[int]]) -> bool:
        """Whether prefix and rows can be read as a stream: none may be longer than a window."""
        longest = prefix + max(map(len, rows))
        return past.pairs is not None and (past.window is None or longest <= past.window)

    def answer(
        self, causal: PreTrainedModel, prefix: int, past: Past, rows: Sequence[Sequence[int]],
        answers: Sequence[int], below: Below = NOTHING_BELOW,
    ) -> Tensor:  # fmt: skip
        """Return (b, k) logits of the tokens `answers` after each of b rows (token ids).

        prefix: tokens before each row. past: of them. below: what is known of the rows.
        """
        stream = join(rows, prefix, causal.device)
        with (
            self.last_mlp.only(stream.last) if self.last_mlp else nullcontext(),
            only(causal.base_model, slice(below.layers, None)) if below.layers else nullcontext(),
        ):
            known = torch.cat(list(below.states))[None] if below.layers else None
            return self._logits(causal, past, stream, stream.last, answers, known)

    def below(
        self, causal: PreTrainedModel, prefix: int, past: Past, rows: Sequence[Sequence[int]],
        layers: int,
    ) -> Below:  # fmt: skip
        """Return what b rows are after the first `layers` layers; nothing if not read in parts."""
        if not self.in_parts or not layers:
            return NOTHING_BELOW
        stream = join(rows, prefix, causal.device)
        with only(causal.base_model, slice(layers)) as kept, left_by(kept[-1]) as found:
            self._logits(causal, past, stream, stream.last[:0], [0])
        return Below(layers, torch.split(found[0][0], [len(row) for row in rows]))

    def _logits(
        self, causal: PreTrainedModel, past: Past, stream: Stream, at: Tensor,
        answers: Sequence[int], known: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return (n, k). at: (n,). known: (1, t, h) what the layers begin with in place of ids."""
        shared = None if past.pairs is None else Shared(past.pairs, self.arrange(stream))
        return self.head.logits(
            answers, torch.zeros_like(at), at,
            lambda: causal(
                input_ids=stream.ids if known is None else None,
                inputs_embeds=known,
                position_ids=stream.positions,
                # of four dimensions, or transformers makes one of its own; `attend` needs none
                attention_mask=torch.zeros(1, 1, 1, 1, dtype=causal.dtype, device=causal.device),
                shared=shared,
                use_cache=False,
            ),
        )  # fmt: skip
