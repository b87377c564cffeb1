import pytest
import torch
from torch import Tensor, nn
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from backend.engine.cpu.rmsnorm import use_torch_rmsnorm


class Layer(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.inner = nn.ModuleDict({"norm": norm})

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner["norm"](x)
        return found


def weighted(norm: nn.Module) -> nn.Module:
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(-1.0, 2.0, 8))  # type: ignore[operator, union-attr]
    return norm


@pytest.mark.parametrize("kind", [LlamaRMSNorm, Qwen3RMSNorm])
@pytest.mark.parametrize("eps", [1e-6, 1e-2])
def test_a_fused_norm_gives_the_same_values_and_gradients(
    kind: type[nn.Module], eps: float
) -> None:
    norm = weighted(kind(8, eps=eps))
    layer = Layer(norm)
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    theirs = layer(x)
    (slope,) = torch.autograd.grad(theirs.square().sum(), x)
    assert use_torch_rmsnorm(layer) == 1
    fused = layer.inner["norm"]
    assert type(fused) is nn.RMSNorm
    assert fused.weight is norm.weight
    torch.testing.assert_close(layer(x), theirs)
    torch.testing.assert_close(torch.autograd.grad(layer(x).square().sum(), x)[0], slope)
    assert use_torch_rmsnorm(layer) == 0


def test_a_norm_that_computes_something_else_stays() -> None:
    class Doubled(LlamaRMSNorm):
        def forward(self, hidden_states: Tensor) -> Tensor:
            found: Tensor = 2 * super().forward(hidden_states)
            return found

    for norm in (GemmaRMSNorm(8), Doubled(8), nn.LayerNorm(8), LlamaRMSNorm(8).bfloat16()):
        layer = Layer(norm)
        assert use_torch_rmsnorm(layer) == 0
        assert layer.inner["norm"] is norm
