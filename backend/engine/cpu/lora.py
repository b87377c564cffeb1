"""peft's LoRA layer with its sums in place: the same values from fewer passes over memory.

On a CPU the two thin products of an adapter cost little, but peft multiplies and adds whole
activations beside them, once in reading and twice more in training.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners import lora
from torch import Tensor

from backend.engine.cpu.onednn import linear


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
        if name is None or args or kwargs:
            return super().forward(x, *args, **kwargs)
        a, b = self.lora_A[name].weight, self.lora_B[name].weight
        weight = self.get_base_layer().weight
        if not x.dtype == weight.dtype == a.dtype == b.dtype:
            return super().forward(x)
        rows = x.reshape(-1, x.shape[-1])
        out: Tensor = _Sum.apply(rows, weight, a, b, self.scaling[name])  # type: ignore[no-untyped-call]
        return out.reshape(*x.shape[:-1], -1)

    def _alone(self) -> str | None:
        """Return the one active adapter of the plain kind; None if there is none, or several."""
        names = self.active_adapters
        if self.disable_adapters or self.merged or len(names) != 1 or names[0] not in self.lora_A:
            return None
        plain = (
            not self.lora_variant
            and isinstance(self.lora_dropout[names[0]], torch.nn.Identity)
            and self.get_base_layer().bias is None
            and not self.lora_bias[names[0]]
        )
        return str(names[0]) if plain else None


class _Sum(torch.autograd.Function):
    """x W' + scale (x A') B' of rows x. The weight W is a constant: it gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        low = x @ a.T
        ctx.save_for_backward(x, weight, a, b, low)
        ctx.scale = scale
        return linear(x, weight).addmm_(low, b.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        thin = (grad @ b).mul_(ctx.scale)
        dx = linear(grad, weight.T).addmm_(thin, a) if ctx.needs_input_grad[0] else None
        return dx, None, thin.T @ x, (grad.T @ low).mul_(ctx.scale), None
