"""The attention of a stream on CPUs: the prefix for all tokens together, and each text's own part.

softmax over (prefix, own text) is put together from its two parts by their log-sum-exps, exactly
(as in FlashAttention's split keys, Dao et al. 2022, and Hydragen, Juravsky et al. 2024). So the
prefix's keys and values are read once for all texts of a batch and never copied, and a long policy
costs little more than a short one. torch's kernel for CPUs returns the log-sum-exps, by an operator
that is private and may be missing.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from backend.engine.cpu.blocks import Block, Blocks, in_blocks
from backend.engine.stream.attention import Arrangement
from backend.engine.stream.packing import Stream

OPERATOR = "_scaled_dot_product_flash_attention_for_cpu"


def available() -> bool:
    """Whether this torch has the operator, forwards and backwards."""
    return all(hasattr(torch.ops.aten, name) for name in (OPERATOR, f"{OPERATOR}_backward"))


def by_blocks(stream: Stream) -> Arrangement:
    """Return the attention of a stream."""
    laid = in_blocks(stream)

    def attend(
        q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, scale: float | None
    ) -> Tensor:
        out: Tensor = _Attend.apply(q, k, v, pk, pv, laid, scale)  # type: ignore[no-untyped-call]
        return out

    return attend


class _Attend(torch.autograd.Function):
    """Both parts and their sum. The prefix is a constant: it gets no gradient.

    Shapes as in Arrangement. The kernel shares keys among heads by itself, and both it and the
    model keep a token's heads side by side in memory, so most of what follows is views.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, laid: Blocks,
        scale: float | None,
    ) -> Tensor:  # fmt: skip
        parts = [
            _forward(*(_rows(x, block) for x in (q, k, v)), is_causal=True, scale=scale)
            for block in laid.blocks
        ]
        own, own_lse = (_flat([part[i] for part in parts], laid) for i in (0, 1))
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
            ctx.laid, ctx.scale = laid, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, pk, pv, out, lse = ctx.saved_tensors
        laid: Blocks = ctx.laid
        grad, out, lse = (x.transpose(1, 2) for x in (grad.contiguous(), out, lse))
        # Given the output and log-sum-exp of the whole, each part's backward is its share of it.
        parts = [
            _backward(
                _rows(grad, block) * block.real[:, None, :, None],
                *(_rows(x, block) for x in (q, k, v, out, lse)), 0.0, True, scale=ctx.scale,
            )
            for block in laid.blocks
        ]  # fmt: skip
        dq, dk, dv = (
            _flat([part[i] for part in parts], laid).transpose(1, 2) for i in range(3)
        )
        more, _, _ = _backward(grad, q, pk, pv, out, lse, 0.0, False, scale=ctx.scale)
        return dq + more, dk, dv, None, None, None, None


def _rows(x: Tensor, block: Block) -> Tensor:
    """(1, heads, t, ...) -> (m, heads, w, ...)."""
    tokens = x[0].transpose(0, 1).index_select(0, block.places.flatten())
    return tokens.reshape(*block.places.shape, *tokens.shape[1:]).transpose(1, 2)


def _flat(rows: Sequence[Tensor], laid: Blocks) -> Tensor:
    """(m, heads, w, ...) of all blocks -> (1, t, heads, ...)."""
    tokens = torch.cat([x.transpose(1, 2).flatten(0, 1) for x in rows])
    return tokens.index_select(0, laid.back)[None]


def _forward(*args: Any, **more: Any) -> Any:
    return getattr(torch.ops.aten, OPERATOR)(*args, **more)


def _backward(*args: Any, **more: Any) -> Any:
    return getattr(torch.ops.aten, f"{OPERATOR}_backward")(*args, **more)
