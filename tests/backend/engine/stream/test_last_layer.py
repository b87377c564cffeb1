import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from backend.engine.stream.last_layer import trim_last_mlp


@pytest.fixture(scope="module")
def model() -> LlamaModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2,
        )  # fmt: skip
        return LlamaModel(config).double()  # so that no difference is rounding


IDS = torch.arange(20).reshape(1, 20)
READ = torch.tensor([6, 13, 19])


def test_the_tokens_that_are_read_are_as_before_and_gradients_too(model: LlamaModel) -> None:
    def read(hidden: Tensor) -> tuple[Tensor, ...]:
        found = hidden[0, READ]
        weights = [p for p in model.parameters() if p.requires_grad]
        return found.detach(), *torch.autograd.grad(found.square().sum(), weights)

    whole = read(model(IDS).last_hidden_state)
    rows: list[int] = []
    watch = model.layers[-1].mlp.gate_proj.register_forward_hook(
        lambda layer, inputs, out: rows.append(out.shape[1])
    )
    last_mlp = trim_last_mlp(model)
    assert last_mlp is not None
    with last_mlp.only(READ):
        some = read(model(IDS).last_hidden_state)
    again = read(model(IDS).last_hidden_state)
    watch.remove()
    for before, within, after in zip(whole, some, again, strict=True):
        torch.testing.assert_close(within, before)
        torch.testing.assert_close(after, before)
    assert rows == [3, 20]


def test_a_model_of_another_build_is_left_alone() -> None:
    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2)])

    assert trim_last_mlp(Other()) is None
    assert trim_last_mlp(nn.Linear(2, 2)) is None
