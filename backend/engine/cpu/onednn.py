"""x W' by oneDNN where it is faster than MKL, which torch uses for float32.

It is faster on AMD's CPUs with AVX-512: 204 instead of 181 GFLOP/s with 512 rows of SmolLM2's
matrices, 183 instead of 147 backwards with 220 rows (benchmarks/serving/products.py). The weights
stay as they are. Elsewhere nothing changes.
"""

from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

_CPUS = Path("/proc/cpuinfo")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return (..., out) from x (..., in) and weight (out, in), which may be a transposed view.

    Only where no gradient is recorded: who needs one computes it.
    """
    if weight.dtype == x.dtype == torch.float32 and x.device.type == "cpu" and faster():
        return by_onednn(x, weight, bias)
    return nn.functional.linear(x, weight, bias)


def by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `linear`, by the operator that torch's compiler uses."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def faster() -> bool:
    """Whether oneDNN is the faster one here."""
    return not obstacle()


@cache
def obstacle() -> str:
    """Return why torch's own product is kept; "" where oneDNN is faster.

    It depends on the machine alone and is not measured, so that the same machine always gives the
    same bytes.
    """
    if not (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    ):
        return "this torch does not have them"
    if not (
        torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and _CPUS.is_file()
        and "AuthenticAMD" in _CPUS.read_text()
    ):
        return "not faster on this CPU"
    return ""


class OneDnnLinear(nn.Linear):
    """torch's layer with this product, wherever no gradient goes through it."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., out) from (..., in)."""
        if torch.is_grad_enabled() and (input.requires_grad or self.weight.requires_grad):
            return super().forward(input)
        return linear(input, self.weight, self.bias)


def use_onednn(model: nn.Module) -> int:
    """Put these layers in place of a model's linear ones, with their weights. Return how many."""
    found = 0
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear:
                mine = OneDnnLinear(
                    layer.in_features, layer.out_features, layer.bias is not None, device="meta"
                )
                mine.weight, mine.bias = layer.weight, layer.bias
                setattr(parent, name, mine.train(layer.training))
                found += 1
    return found
