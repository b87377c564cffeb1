"""The two parts of the attention against one softmax over everything, in double precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from backend.engine.cpu.attention import attend
from backend.engine.cpu.packing import join

LENGTHS = (17, 22, 40, 5, 30, 1)
HEADS, GROUPS, DIMENSION, PREFIX = 6, 2, 16, 23
MODULE = SimpleNamespace(layer_idx=0)


@pytest.fixture
def parts() -> dict[str, Tensor]:
    torch.manual_seed(0)
    tokens = sum(LENGTHS)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.double)

    return {
        "q": normal(1, HEADS, tokens, DIMENSION).requires_grad_(),
        "k": normal(1, GROUPS, tokens, DIMENSION).requires_grad_(),
        "v": normal(1, GROUPS, tokens, DIMENSION).requires_grad_(),
        "pk": normal(1, GROUPS, PREFIX, DIMENSION),
        "pv": normal(1, GROUPS, PREFIX, DIMENSION),
        "grad": normal(1, tokens, HEADS, DIMENSION),
    }


def ours(p: dict[str, Tensor]) -> Tensor:
    out, _ = attend(
        MODULE, p["q"], p["k"], p["v"], None, scaling=DIMENSION**-0.5,
        shared_prefix=((p["pk"], p["pv"]),), stream=join([[1] * n for n in LENGTHS], PREFIX),
    )  # fmt: skip
    return out


def whole(p: dict[str, Tensor]) -> Tensor:
    """softmax over the prefix and all tokens of the same text up to the one that asks."""
    k, v = (
        torch.cat([before, own], dim=2).repeat_interleave(HEADS // GROUPS, dim=1)
        for before, own in ((p["pk"], p["k"]), (p["pv"], p["v"]))
    )
    text = torch.arange(len(LENGTHS)).repeat_interleave(torch.tensor(LENGTHS))
    same = (text[:, None] == text[None]).tril()
    seen = torch.cat([torch.ones(len(text), PREFIX).bool(), same], dim=1)
    scores = (p["q"] @ k.transpose(2, 3) * DIMENSION**-0.5).masked_fill(~seen, float("-inf"))
    return (scores.softmax(dim=-1) @ v).transpose(1, 2)


def test_the_parts_together_are_one_softmax_over_everything(parts: dict[str, Tensor]) -> None:
    torch.testing.assert_close(ours(parts), whole(parts), rtol=1e-12, atol=1e-12)


def test_the_gradients_are_those_of_one_softmax_too(parts: dict[str, Tensor]) -> None:
    inputs = [parts[name] for name in ("q", "k", "v")]
    got, right = (
        torch.autograd.grad((out * parts["grad"]).sum(), inputs)
        for out in (ours(parts), whole(parts))
    )
    torch.testing.assert_close(got, right, rtol=1e-11, atol=1e-11)
