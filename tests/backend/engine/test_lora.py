"""Our layer against peft's own, values and gradients, in double precision."""

import pytest
import torch
from peft import LoraConfig, PeftModel
from torch import Tensor

from backend.engine.lora import FastLoraLinear, with_fast_layers


def adapted(own: bool, **more: object) -> PeftModel:
    """One layer without a bias and one with."""
    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(12, 20, bias=False), torch.nn.Linear(20, 6))
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["0", "1"], init_lora_weights=False,
                        **more)  # type: ignore[arg-type]  # fmt: skip
    return PeftModel(base, with_fast_layers(config) if own else config).double()


def answers(model: PeftModel) -> list[Tensor]:
    """The output for some inputs, and the gradients of inputs and adapter."""
    torch.manual_seed(1)
    x = torch.randn(3, 5, 12, dtype=torch.double, requires_grad=True)
    out = model(x)
    learned = [p for p in model.parameters() if p.requires_grad]
    return [out, *torch.autograd.grad((out**2).sum(), [x, *learned])]


@pytest.mark.filterwarnings("ignore:`lora_bias=True`")  # one layer has no bias, the other has
@pytest.mark.parametrize(
    "more", [{}, {"use_dora": True}, {"use_rslora": True}, {"lora_bias": True}]
)
def test_values_and_gradients_are_those_of_peft(more: dict[str, object]) -> None:
    model = adapted(True, **more)
    assert isinstance(model.base_model.model[0], FastLoraLinear)
    torch.testing.assert_close(answers(model), answers(adapted(False, **more)))


def test_without_its_adapter_it_is_the_layer_that_it_stands_for() -> None:
    model = adapted(True)
    x = torch.randn(2, 12, dtype=torch.double)
    with model.disable_adapter():
        out = model(x)
    base = model.base_model.model
    torch.testing.assert_close(out, base[1].base_layer(base[0].base_layer(x)))


def test_of_two_adapters_the_active_one_counts() -> None:
    model = adapted(True)
    config = LoraConfig(r=2, target_modules=["0"], init_lora_weights=False)
    model.add_adapter("other", with_fast_layers(config))
    model.double()
    x = torch.randn(2, 12, dtype=torch.double)
    first = model(x)
    model.set_adapter("other")
    assert not torch.allclose(model(x), first)
    model.set_adapter("default")
    torch.testing.assert_close(model(x), first)


def test_in_16_bits_what_is_learned_stays_in_32_and_inputs_are_kept_once() -> None:
    own, theirs = (adapted(own).bfloat16() for own in (True, False))
    for model in (own, theirs):
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.data = parameter.data.float()
    x = torch.randn(3, 5, 12, dtype=torch.bfloat16, requires_grad=True)
    kept: list[torch.dtype] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.dtype)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = own(x)
    learned = [p for p in own.parameters() if p.requires_grad]
    mine = torch.autograd.grad(out.float().square().sum(), [x, *learned])
    peft = torch.autograd.grad(
        theirs(x).float().square().sum(), [x, *(p for p in theirs.parameters() if p.requires_grad)]
    )
    assert [g.dtype for g in mine] == [torch.bfloat16] + [torch.float32] * 4
    for one, other in zip(mine, peft, strict=True):
        near = torch.linalg.vector_norm((one - other).float())
        assert near < 0.02 * torch.linalg.vector_norm(other.float())
    # in 32 bits there are the thin matrices alone
    assert kept.count(torch.float32) == 4
