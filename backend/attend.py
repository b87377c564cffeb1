"""Attention of many texts to one prefix that they share, and each to itself.

softmax over (prefix, own text) is put together from its two parts by their log-sum-exps, exactly
(as in FlashAttention's split keys, Dao et al. 2022, and Hydragen, Juravsky et al. 2024). So the
prefix's keys and values are read once for all texts of a batch and never copied, and a long policy
costs little more than a short one. Registered with transformers under the name NAME; for CPUs,
where its kernel tells the log-sum-exps.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from backend.stream import Block, Stream

NAME = "crux_shared_prefix"
Past = tuple[tuple[Tensor, Tensor], ...]

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    shared_prefix: Past | None = None,
    stream: Stream | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """(1, t, heads, d) from query (1, heads, t, d), key and value (1, groups, t, d).

    stream: the t tokens. shared_prefix: per layer, keys and values (1, groups, p, d). Without the
    two this is transformers' own "sdpa"; with them the mask does not count.
    """
    if shared_prefix is None or stream is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
    groups = key.shape[1]
    pk, pv = shared_prefix[module.layer_idx]
    # (groups, heads of a group, t, d): the heads that share a key stand together
    grouped = query.reshape(groups, -1, *query.shape[2:])
    out: Tensor = _Attend.apply(  # type: ignore[no-untyped-call]
        grouped, key[0, :, None], value[0, :, None], pk, pv, stream, scaling
    )
    return out.flatten(0, 1).transpose(0, 1)[None], None


class _Attend(torch.autograd.Function):
    """Both parts and their sum. The prefix is a constant: it gets no gradient.

    q: (groups, heads, t, d). k, v: (groups, 1, t, d). pk, pv: (1, groups, p, d).
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, stream: Stream,
        scale: float | None,
    ) -> Tensor:  # fmt: skip
        parts = [
            _forward(_rows(q, block), _rows(k, block), _rows(v, block),
                     attn_mask=_mask(block, q), scale=scale)
            for block in stream.blocks
        ]  # fmt: skip
        own, own_lse = (_flat([part[i] for part in parts], q, stream) for i in (0, 1))
        before, before_lse = _forward(_all(q), pk, pv, scale=scale)
        share = torch.sigmoid(before_lse.reshape(own_lse.shape) - own_lse)
        out = torch.lerp(own, before.reshape(own.shape), share.unsqueeze(-1).to(own.dtype))
        if any(ctx.needs_input_grad[:3]):
            lse = torch.logaddexp(own_lse, before_lse.reshape(own_lse.shape))
            ctx.save_for_backward(q, k, v, pk, pv, out, lse)
            ctx.stream, ctx.scale = stream, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, pk, pv, out, lse = ctx.saved_tensors
        stream: Stream = ctx.stream
        grad = grad.contiguous()
        # With the whole's output and log-sum-exp each part's own backward is the whole's.
        parts = []
        for block in stream.blocks:
            heads = q.shape[1]
            theirs = _rows(grad, block) * block.real.repeat(1, heads)[:, None, :, None]
            parts.append(
                _backward(
                    theirs, *(_rows(x, block) for x in (q, k, v, out, lse)), 0.0, False,
                    attn_mask=_mask(block, q), scale=ctx.scale,
                )
            )  # fmt: skip
        dq, dk, dv = (
            _flat([part[i] for part in parts], like, stream) for i, like in enumerate((q, k, v))
        )
        more, _, _ = _backward(
            _all(grad), _all(q), pk, pv, _all(out), _all(lse), 0.0, False, scale=ctx.scale
        )
        return dq + more.reshape(q.shape), dk, dv, None, None, None, None


def _all(x: Tensor) -> Tensor:
    """(groups, heads, t, ...) -> (1, groups, heads * t, ...): all ask the prefix together."""
    return x.flatten(1, 2)[None]


def _rows(x: Tensor, block: Block) -> Tensor:
    """(groups, heads, t, ...) -> (m, groups, heads * w, ...): the heads that share a key stand one
    below the other, so that nothing is copied for them."""
    rows = x[:, :, block.places]  # (groups, heads, m, w, ...)
    return rows.movedim(2, 0).flatten(2, 3)


def _flat(rows: Sequence[Tensor], like: Tensor, stream: Stream) -> Tensor:
    """The way back from _rows for all blocks: (groups, heads, t, ...)."""
    groups, heads = like.shape[:2]
    apart = [
        x.reshape(x.shape[0], groups, heads, -1, *x.shape[3:]).movedim(0, 2).flatten(2, 3)
        for x in rows
    ]
    return torch.cat(apart, dim=2).index_select(2, stream.back)


def _mask(block: Block, q: Tensor) -> Tensor:
    """(1, 1, heads * w, w), 0 where a token sees another, else -inf."""
    mask = torch.zeros(block.before.shape, dtype=q.dtype)
    return mask.masked_fill_(~block.before, float("-inf")).repeat(q.shape[1], 1)[None, None]


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
