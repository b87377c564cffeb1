"""The floor: multiply-adds of the tokens that must be computed, at this machine's own rate.

What must be computed of a text is its own tokens and the prompt's end; the policy is read once. A
token costs a multiply-add for every weight of the model's linear layers, and two for every token
that it attends to and every head's dimension. Thinner costs (norms, activations, the softmax) and
the last layer's work on tokens that nobody asks about are left out of the first and left in the
second, so the floor is neither below nor far above what is possible.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.llm import Llm

ROWS = 1_024  # of the matrix products that tell the rate


@dataclass(frozen=True)
class Costs:
    """Multiply-adds. token: of one token in the linear layers. context: more for every token that
    it attends to."""

    token: int
    context: int

    def texts(self, lengths: list[int], prefix: int) -> float:
        """Multiply-adds of texts with so many tokens each after a prefix that is read already."""
        return float(
            sum(n * self.token + n * (prefix + (n + 1) / 2) * self.context for n in lengths)
        )


def costs(base: Llm) -> Costs:
    """Of a causal LM whose heads are alike in all layers."""
    config = base.causal.config
    dimension = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    return Costs(
        sum(weight.numel() for weight in weights(base)),
        2 * config.num_attention_heads * dimension * config.num_hidden_layers,
    )


def weights(base: Llm) -> list[Tensor]:
    """The matrices of all linear layers, without the read-out over the vocabulary."""
    inner = base.causal.base_model
    return [m.weight for m in inner.modules() if isinstance(m, torch.nn.Linear)]


def rate(base: Llm, rows: int = ROWS) -> float:
    """Multiply-adds a second of matrix products with the model's own matrices, in their dtype."""
    matrices = weights(base)
    inputs = {
        m.shape[1]: torch.randn(rows, m.shape[1], dtype=m.dtype, device=m.device) for m in matrices
    }
    with torch.inference_mode():
        began = time.perf_counter()
        for matrix in matrices:
            torch.nn.functional.linear(inputs[matrix.shape[1]], matrix)
        seconds = time.perf_counter() - began
    return rows * sum(m.numel() for m in matrices) / seconds
