"""x W' by oneDNN where it is faster than what torch asks for float32, which is MKL.

So it is on AMD's CPUs with AVX-512: 204 instead of 181 GFLOP/s with 512 rows of SmolLM2's matrices,
183 instead of 147 backwards with 220 rows (benchmarks/serving/products.py). The weights stay as they are.
Elsewhere nothing changes.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

_CPUS = Path("/proc/cpuinfo")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(..., out) from x (..., in) and weight (out, in), which may be a transposed view.

    For float32 on CPUs, and without a gradient: whoever needs one computes it.
    """
    if weight.dtype == x.dtype == torch.float32 and x.device.type == "cpu" and faster():
        return by_onednn(x, weight, bias)
    return nn.functional.linear(x, weight, bias)


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `linear`; the operator is the one that torch's compiler uses."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


@cache
def faster() -> bool:
    """Whether oneDNN is the faster one here; by what the machine is, so that the same machine
    always gives the same bytes."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and _CPUS.is_file()
        and "AuthenticAMD" in _CPUS.read_text()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


class Linear(nn.Linear):
    """torch's layer with this product, wherever no gradient goes through it."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., out) from (..., in)."""
        if torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad):
            return super().forward(input)
        return linear(input, self.weight, self.bias)


def hasten(model: nn.Module) -> int:
    """Put these layers in place of a model's linear ones, with their own weights; how many."""
    found = 0
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                mine = Linear(
                    layer.in_features, layer.out_features, layer.bias is not None, device="meta"
                )
                mine.weight, mine.bias = layer.weight, layer.bias
                setattr(parent, name, mine.train(layer.training))
                found += 1
    return found
