import pytest
import torch
from torch import nn

from backend.engine.cpu import onednn
from backend.engine.cpu.onednn import OneDnnLinear, by_onednn, use_onednn


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("rows", [1, 7, 512])
@pytest.mark.parametrize("turned", [False, True], ids=["forwards", "backwards"])
def test_onednns_product_is_torchs(rows: int, turned: bool) -> None:
    weight = drawn(96, 160, seed=1)
    weight = weight.T if turned else weight
    x = drawn(rows, weight.shape[1])
    exact = (x.double() @ weight.double().T).float()
    torch.testing.assert_close(by_onednn(x, weight), exact, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(onednn.linear(x, weight), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("fast", [False, True])
def test_a_bias_is_added_and_every_dimension_but_the_last_kept(
    fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onednn, "faster", lambda: fast)
    x, weight, bias = drawn(2, 3, 32), drawn(8, 32, seed=1), drawn(8, seed=2)
    found = onednn.linear(x, weight, bias)
    torch.testing.assert_close(found, nn.functional.linear(x, weight, bias))
    assert found.shape == (2, 3, 8)


def test_other_numbers_than_float32_are_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "faster", lambda: True)
    monkeypatch.setattr(onednn, "by_onednn", lambda *_: pytest.fail("asked"))
    x, weight = drawn(3, 32).double(), drawn(8, 32).double()
    assert torch.equal(onednn.linear(x, weight), nn.functional.linear(x, weight))


def test_layers_keep_their_weights_and_gradients_flow_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onednn, "faster", lambda: True)
    model = nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4, bias=False))
    x = drawn(5, 32).requires_grad_()
    before = model(x)
    (slope,) = torch.autograd.grad(before.square().sum(), x)
    named = {name: id(weight) for name, weight in model.named_parameters()}
    assert use_onednn(model) == 2
    assert [type(layer) for layer in model] == [OneDnnLinear, nn.ReLU, OneDnnLinear]
    assert {name: id(weight) for name, weight in model.named_parameters()} == named
    after = model(x)
    torch.testing.assert_close(torch.autograd.grad(after.square().sum(), x)[0], slope)
    with torch.no_grad():
        torch.testing.assert_close(model(x), before)
    assert use_onednn(model) == 0
