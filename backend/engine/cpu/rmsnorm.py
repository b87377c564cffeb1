"""A model's RMS norms -> torch's own, which pass over memory half as often.

Zhang and Sennrich 2019, equation 4. Each norm is tried out: one that computes something else
(Gemma's adds one to its weight) is left as it is.
"""

from inspect import signature

import torch
from torch import Tensor, nn


def use_torch_rmsnorm(model: nn.Module) -> int:
    """Put torch.nn.RMSNorm in place of norms that give the same values. Return how many."""
    found = 0
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            fused = _like(norm)
            if fused is not None and _agree(norm, fused):
                setattr(parent, name, fused)
                found += 1
    return found


def _like(norm: nn.Module) -> nn.RMSNorm | None:
    weight, eps = getattr(norm, "weight", None), getattr(norm, "variance_epsilon", None)
    if not isinstance(weight, nn.Parameter) or weight.ndim != 1 or not isinstance(eps, float):
        return None
    if len(signature(norm.forward).parameters) != 1:
        return None  # such a norm is given a gate as well
    if weight.dtype != torch.float32:  # transformers' norms sum in float32 in any case
        return None
    fused = nn.RMSNorm(len(weight), eps=eps, device="meta")
    fused.weight = weight
    return fused.train(norm.training)


def _agree(norm: nn.Module, fused: nn.RMSNorm) -> bool:
    size = len(fused.weight)
    x = torch.linspace(-2.0, 3.0, 3 * size, device=fused.weight.device).reshape(3, size)
    x = x * torch.tensor([[1.0], [1e-3], [0.0]])  # small rows, where eps counts, too
    with torch.inference_mode():
        theirs, ours = norm(x), fused(x)
    return isinstance(theirs, Tensor) and torch.allclose(theirs, ours, rtol=1e-5, atol=1e-7)
