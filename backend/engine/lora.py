"""peft's LoRA layer with its sums in place: the same values from fewer passes over memory.

The two thin products of an adapter cost little, but peft multiplies and adds whole activations
beside them, once in reading and twice more in training. And where a model's numbers are of 16 bits
and an adapter's of 32, peft keeps each layer's input a second time, in 32. Here the thin products
are of the model's numbers, and what is learned stays in 32 bits, as in mixed precision.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners import lora
from torch import Tensor

from backend.engine.cpu.onednn import OneDnnLinear, linear

_PLAIN = (torch.nn.Linear.forward, OneDnnLinear.forward)


def with_fast_layers(config: LoraConfig) -> LoraConfig:
    """Have linear layers be this one instead of peft's; the saved files are the same."""
    config._register_custom_module({torch.nn.Linear: FastLoraLinear})
    return config


class FastLoraLinear(lora.Linear):
    """A linear layer with an adapter. What is unusual about an adapter is left to peft.

    "Linear" is part of the name since peft finds layers that have adapters already by it.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(..., out) from (..., in)."""
        name = self._alone()
        base: Any = self.get_base_layer()
        packed = not base.weight.is_floating_point()  # in 4 bits
        fits = packed or (type(base).forward in _PLAIN and base.weight.dtype == x.dtype)
        if name is None or not fits or args or kwargs:
            return super().forward(x, *args, **kwargs)
        a, b, scale = self.lora_A[name].weight, self.lora_B[name].weight, self.scaling[name]
        rows = x.reshape(-1, x.shape[-1])
        out: Tensor
        if packed or base.bias is not None:
            out = _Add.apply(base(rows), rows, a, b, scale)  # type: ignore[no-untyped-call]
        else:
            out = _Sum.apply(rows, base.weight, a, b, scale)  # type: ignore[no-untyped-call]
        return out.reshape(*x.shape[:-1], -1)

    def _alone(self) -> str | None:
        """Return the one active adapter of the plain kind; None if there is none, or several."""
        names = self.active_adapters
        if self.disable_adapters or self.merged or len(names) != 1 or names[0] not in self.lora_A:
            return None
        plain = (
            not self.lora_variant
            and isinstance(self.lora_dropout[names[0]], torch.nn.Identity)
            and not self.lora_bias[names[0]]
        )
        return str(names[0]) if plain else None


class _Sum(torch.autograd.Function):
    """x W' + scale (x A') B' of rows x. The weight W is a constant: it gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.to(x.dtype).T
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return linear(x, weight).addmm_(low, b.to(x.dtype).T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        thin, da, db = _thin(grad, x, b, low, ctx.scale)
        more = ctx.needs_input_grad[0]
        dx = linear(grad, weight.T).addmm_(thin, a.to(x.dtype)) if more else None
        return dx, None, da, db, None


class _Add(torch.autograd.Function):
    """out + scale (x A') B', in the memory of out, which a layer has just made of rows x."""

    @staticmethod
    def forward(ctx: Any, out: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.to(x.dtype).T
        ctx.save_for_backward(x, a, b, low)
        ctx.scale = scale
        ctx.mark_dirty(out)
        return out.addmm_(low, b.to(x.dtype).T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, a, b, low = ctx.saved_tensors
        thin, da, db = _thin(grad, x, b, low, ctx.scale)
        dx = thin @ a.to(x.dtype) if ctx.needs_input_grad[1] else None
        return grad, dx, da, db, None


def _thin(
    grad: Tensor, x: Tensor, b: Tensor, low: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of x A' (times scale), of A and of B, the latter two in B's numbers."""
    thin = (grad @ b.to(grad.dtype)).mul_(scale)
    return thin, (thin.T @ x).to(b.dtype), (grad.T @ low).mul_(scale).to(b.dtype)
