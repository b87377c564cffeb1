"""The attention of a stream by torch's public one: spans of whole texts, each with a mask.

A span's tokens ask the prefix and all tokens of their span, and the mask leaves out what is not
theirs. The prefix is there once for a span and not once for a text; what is computed and then
masked is small beside a layer's products, as long as spans are short.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from backend.engine.stream.attention import Arrangement
from backend.engine.stream.packing import Stream

SPAN = 1_024  # tokens; a longer text is a span of its own
_ALIGNED = 8  # a kernel of torch copies masks whose rows begin elsewhere


@dataclass(frozen=True)
class Span:
    """Tokens from start to stop. mask: (stop - start, p + stop - start), 0 or -inf."""

    start: int
    stop: int
    mask: Tensor


def by_spans(stream: Stream) -> Arrangement:
    """Return the attention of a stream."""
    device = stream.ids.device
    spans: list[Span] = []

    def attend(
        q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, scale: float | None
    ) -> Tensor:
        if not spans:  # in the first layer, which tells their dtype
            spans.extend(_spans(stream, q.dtype, device))
        # The heads that share a key stand beside each other: it is seen by all, and not repeated.
        groups, heads = k.shape[1], q.shape[1] // k.shape[1]
        asking = q[0].reshape(groups, heads, *q.shape[2:])
        parts = []
        for span in spans:
            here = slice(span.start, span.stop)
            keys, values = (
                torch.cat([before, own[:, :, here]], dim=2).transpose(0, 1)
                .expand(-1, heads, -1, -1)
                for before, own in ((pk, k), (pv, v))
            )  # fmt: skip
            parts.append(
                scaled_dot_product_attention(
                    asking[:, :, here], keys, values, span.mask, scale=scale
                ).flatten(0, 1)
            )
        return torch.cat(parts, dim=1).transpose(0, 1)[None]

    return attend


def _spans(stream: Stream, dtype: torch.dtype, device: torch.device) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for lengths in _grouped(stream.lengths):
        stop = start + sum(lengths)
        spans.append(Span(start, stop, _mask(lengths, stream.prefix, dtype, device)))
        start = stop
    return spans


def _grouped(lengths: Sequence[int]) -> list[list[int]]:
    """Return the lengths of texts, in groups of SPAN tokens at most if there are several."""
    groups: list[list[int]] = []
    room = 0
    for length in lengths:
        if length > room:
            groups.append([])
            room = SPAN
        groups[-1].append(length)
        room -= length
    return groups


def _mask(lengths: list[int], prefix: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(t, p + t): 0 where a token sees the prefix or an earlier token of its text, else -inf."""
    tokens = sum(lengths)
    text = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths)).to(device)
    own = (text[:, None] == text[None]).tril()
    wide = -(-(prefix + tokens) // _ALIGNED) * _ALIGNED
    mask = torch.zeros(tokens, wide, dtype=dtype, device=device)[:, : prefix + tokens]
    mask[:, prefix:].masked_fill_(~own, float("-inf"))
    return mask
