"""Attention of many texts to one prefix that they share, and each to itself.

softmax over (prefix, own text) is put together from its two parts by their log-sum-exps, exactly
(as in FlashAttention's split keys, Dao et al. 2022, and Hydragen, Juravsky et al. 2024). So the
prefix's keys and values are read once for all texts of a batch and never copied, and a long policy
costs little more than a short one. Registered with transformers under the name NAME; for CPUs,
where its kernel tells the log-sum-exps.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

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
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """(b, w, heads, d) from query (b, heads, w, d), key and value (b, groups, w, d).

    attention_mask: (b, 1, w, w) of lines.pack. shared_prefix: per layer, keys and values (1,
    groups, p, d); without it this is transformers' own "sdpa".
    """
    if shared_prefix is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
    b, heads, w, d = query.shape
    groups = key.shape[1]
    # the heads that share a key stand one below the other: nothing is copied for them
    stacked = query.reshape(b, groups, heads // groups * w, d)
    mask = None if attention_mask is None else attention_mask.repeat(1, 1, heads // groups, 1)
    out: Tensor = _Attend.apply(  # type: ignore[no-untyped-call]
        stacked, key, value, *shared_prefix[module.layer_idx], mask, scaling
    )
    return out.reshape(b, heads, w, d).transpose(1, 2), None


class _Attend(torch.autograd.Function):
    """Both parts and their sum. The prefix is a constant: it gets no gradient."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, mask: Tensor | None,
        scale: float | None,
    ) -> Tensor:  # fmt: skip
        own, own_lse = _forward(q, k, v, attn_mask=mask, scale=scale)
        before, before_lse = (_per_line(x, q) for x in _forward(_all(q), pk, pv, scale=scale))
        share = torch.sigmoid(before_lse - own_lse).unsqueeze(-1).to(own.dtype)
        out = torch.lerp(own, before, share)
        if any(ctx.needs_input_grad[:3]):
            ctx.save_for_backward(q, k, v, pk, pv, out, torch.logaddexp(own_lse, before_lse))
            ctx.mask, ctx.scale = mask, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, pk, pv, out, lse = ctx.saved_tensors
        # With the whole's output and log-sum-exp each part's own backward is the whole's.
        dq, dk, dv = _backward(
            grad, q, k, v, out, lse, 0.0, False, attn_mask=ctx.mask, scale=ctx.scale
        )
        more, _, _ = _backward(
            _all(grad), _all(q), pk, pv, _all(out), _all(lse), 0.0, False, scale=ctx.scale
        )
        return dq + _per_line(more, q), dk, dv, None, None, None, None


def _all(x: Tensor) -> Tensor:
    """(b, groups, rows, ...) -> (1, groups, b * rows, ...): all lines ask the prefix together."""
    return x.transpose(0, 1).reshape(1, x.shape[1], -1, *x.shape[3:])


def _per_line(x: Tensor, like: Tensor) -> Tensor:
    """The way back from _all."""
    b, groups, rows = like.shape[:3]
    return x.reshape(groups, b, rows, *x.shape[3:]).transpose(0, 1)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
