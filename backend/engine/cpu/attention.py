"""Attention of many texts to one prefix that they share, and of each to itself.

softmax over (prefix, own text) is put together from its two parts by their log-sum-exps, exactly
(as in FlashAttention's split keys, Dao et al. 2022, and Hydragen, Juravsky et al. 2024). So the
prefix's keys and values are read once for all texts of a batch and never copied, and a long policy
costs little more than a short one. Registered with transformers as NAME. For CPUs: torch's kernel
for them returns the log-sum-exps, by an operator that is private and may be missing.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from backend.engine.cpu.packing import Block, Stream
from backend.engine.past import Pairs

NAME = "crux_shared_prefix"
OPERATOR = "_scaled_dot_product_flash_attention_for_cpu"


def available() -> bool:
    """Whether this torch has the operator, forwards and backwards."""
    return all(hasattr(torch.ops.aten, name) for name in (OPERATOR, f"{OPERATOR}_backward"))


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    shared_prefix: Pairs | None = None,
    stream: Stream | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """(1, t, heads, d) from query (1, heads, t, d), key and value (1, groups, t, d).

    stream: the t tokens. shared_prefix: per layer, keys and values (1, groups, p, d). Without the
    two this is transformers' own "sdpa"; with them the mask is ignored.
    """
    if shared_prefix is None or stream is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
    pk, pv = shared_prefix[module.layer_idx]
    out: Tensor = _Attend.apply(query, key, value, pk, pv, stream, scaling)  # type: ignore[no-untyped-call]
    return out, None


class _Attend(torch.autograd.Function):
    """Both parts and their sum. The prefix is a constant: it gets no gradient.

    Shapes as in `attend`. The kernel shares keys among heads by itself, and both it and the model
    keep a token's heads side by side in memory, so most of what follows is views.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, stream: Stream,
        scale: float | None,
    ) -> Tensor:  # fmt: skip
        parts = [
            _forward(*(_rows(x, block) for x in (q, k, v)), is_causal=True, scale=scale)
            for block in stream.blocks
        ]
        own, own_lse = (_flat([part[i] for part in parts], stream) for i in (0, 1))
        # the heads that share a key ask the prefix together, so that the kernel gets larger pieces
        together = q.reshape(1, pk.shape[1], -1, q.shape[3])
        before, before_lse = (
            x.reshape(q.shape[: x.ndim]).transpose(1, 2)
            for x in _forward(together, pk, pv, scale=scale)
        )
        share = torch.sigmoid(before_lse - own_lse)
        out = torch.lerp(own, before, share.unsqueeze(-1).to(own.dtype))
        if any(ctx.needs_input_grad[:3]):
            lse = torch.logaddexp(own_lse, before_lse)
            ctx.save_for_backward(q, k, v, pk, pv, out, lse)
            ctx.stream, ctx.scale = stream, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, pk, pv, out, lse = ctx.saved_tensors
        stream: Stream = ctx.stream
        grad, out, lse = (x.transpose(1, 2) for x in (grad.contiguous(), out, lse))
        # Given the output and log-sum-exp of the whole, each part's backward is its share of it.
        parts = [
            _backward(
                _rows(grad, block) * block.real[:, None, :, None],
                *(_rows(x, block) for x in (q, k, v, out, lse)), 0.0, True, scale=ctx.scale,
            )
            for block in stream.blocks
        ]  # fmt: skip
        dq, dk, dv = (
            _flat([part[i] for part in parts], stream).transpose(1, 2) for i in range(3)
        )
        more, _, _ = _backward(grad, q, pk, pv, out, lse, 0.0, False, scale=ctx.scale)
        return dq + more, dk, dv, None, None, None, None


def _rows(x: Tensor, block: Block) -> Tensor:
    """(1, heads, t, ...) -> (m, heads, w, ...)."""
    tokens = x[0].transpose(0, 1).index_select(0, block.places.flatten())
    return tokens.reshape(*block.places.shape, *tokens.shape[1:]).transpose(1, 2)


def _flat(rows: Sequence[Tensor], stream: Stream) -> Tensor:
    """(m, heads, w, ...) of all blocks -> (1, t, heads, ...)."""
    tokens = torch.cat([x.transpose(1, 2).flatten(0, 1) for x in rows])
    return tokens.index_select(0, stream.back)[None]


def _forward(*args: Any, **more: Any) -> Any:
    return getattr(torch.ops.aten, OPERATOR)(*args, **more)


def _backward(*args: Any, **more: Any) -> Any:
    return getattr(torch.ops.aten, f"{OPERATOR}_backward")(*args, **more)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
