"""The floor: multiply-adds of the tokens that must be computed, at this machine's own rate.

What must be computed of a text is its own tokens and the prompt's end; the policy is read once. A
token costs a multiply-add for every weight of the model's linear layers, and two for every token
that it attends to and every head's dimension. The smaller costs are left out: norms, activations,
the softmax. The last layer's MLP for tokens that nobody reads, a fortieth of the whole, is counted
though Crux does not compute it.

The rate is that of the fastest products known here: torch's own, or oneDNN's
(backend/engine/cpu/onednn.py). Beside it stands torch's own, at which a model runs by default.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.engine.cpu import onednn
from backend.engine.llm import Llm

ROWS = 1_024  # of the matrix products that are timed


@dataclass(frozen=True)
class Costs:
    """Multiply-adds of one token.

    token: in the linear layers. context: for every token that it attends to.
    """

    token: int
    context: int

    def texts(self, lengths: list[int], prefix: int) -> float:
        """Return the multiply-adds of texts of these lengths after a prefix that is cached."""
        return float(
            sum(n * self.token + n * (prefix + (n + 1) / 2) * self.context for n in lengths)
        )


def costs(base: Llm) -> Costs:
    """Return the costs of a causal LM whose heads are alike in all layers."""
    config = base.causal.config
    dimension = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    return Costs(
        sum(weight.numel() for weight in weights(base)),
        2 * config.num_attention_heads * dimension * config.num_hidden_layers,
    )


def weights(base: Llm) -> list[Tensor]:
    """Return the matrices of all linear layers but the read-out over the vocabulary."""
    inner = base.causal.base_model
    return [m.weight for m in inner.modules() if isinstance(m, torch.nn.Linear)]


@dataclass(frozen=True)
class Rates:
    """Multiply-adds a second: torchs of torch's own products, best of the fastest."""

    torchs: float
    best: float


def rates(base: Llm, rows: int = ROWS) -> Rates:
    """Time products with the model's own matrices, in their dtype and on their device."""
    matrices = weights(base)
    torchs = _rate(torch.nn.functional.linear, matrices, rows)
    return Rates(torchs, max(torchs, _rate(onednn.linear, matrices, rows)))


def _rate(
    multiply: Callable[[Tensor, Tensor], Tensor], matrices: Sequence[Tensor], rows: int
) -> float:
    inputs = {
        m.shape[1]: torch.randn(rows, m.shape[1], dtype=m.dtype, device=m.device) for m in matrices
    }
    with torch.inference_mode():
        began = time.perf_counter()
        for matrix in matrices:
            multiply(inputs[matrix.shape[1]], matrix)
        seconds = time.perf_counter() - began
    return rows * sum(m.numel() for m in matrices) / seconds
