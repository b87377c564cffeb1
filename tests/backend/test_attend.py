"""The two parts of the attention against one softmax over everything, in double precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from backend.attend import attend
from backend.lines import pack

LINES, HEADS, GROUPS, DIMENSION, PREFIX = 3, 6, 2, 16, 23
MODULE = SimpleNamespace(layer_idx=0)


@pytest.fixture
def parts() -> dict[str, Tensor]:
    torch.manual_seed(0)
    rows = [[1] * n for n in (17, 22, 40, 5, 30, 1)]
    lines = pack(rows, PREFIX, width=40)
    width = lines.ids.shape[1]

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.double)

    return {
        "q": normal(LINES, HEADS, width, DIMENSION).requires_grad_(),
        "k": normal(LINES, GROUPS, width, DIMENSION).requires_grad_(),
        "v": normal(LINES, GROUPS, width, DIMENSION).requires_grad_(),
        "pk": normal(1, GROUPS, PREFIX, DIMENSION),
        "pv": normal(1, GROUPS, PREFIX, DIMENSION),
        "mask": lines.mask.double(),
        "grad": normal(LINES, width, HEADS, DIMENSION),
    }


def ours(p: dict[str, Tensor]) -> Tensor:
    out, _ = attend(
        MODULE, p["q"], p["k"], p["v"], p["mask"], scaling=DIMENSION**-0.5,
        shared_prefix=((p["pk"], p["pv"]),),
    )  # fmt: skip
    return out


def whole(p: dict[str, Tensor]) -> Tensor:
    """softmax over prefix and own text, each key copied for its heads and lines."""

    def copied(before: Tensor, own: Tensor) -> Tensor:
        both = torch.cat([before.expand(LINES, -1, -1, -1), own], dim=2)
        return both.repeat_interleave(HEADS // GROUPS, dim=1)

    k, v = copied(p["pk"], p["k"]), copied(p["pv"], p["v"])
    width = p["q"].shape[2]
    mask = torch.cat([torch.zeros(LINES, 1, width, PREFIX), p["mask"]], dim=3)
    weights = (p["q"] @ k.transpose(2, 3) * DIMENSION**-0.5 + mask).softmax(dim=-1)
    return (weights @ v).transpose(1, 2)


def test_the_parts_together_are_one_softmax_over_everything(parts: dict[str, Tensor]) -> None:
    torch.testing.assert_close(ours(parts), whole(parts), rtol=1e-12, atol=1e-12)


def test_the_gradients_are_those_of_one_softmax_too(parts: dict[str, Tensor]) -> None:
    inputs = [parts[name] for name in ("q", "k", "v")]
    got, right = (
        torch.autograd.grad((out * parts["grad"]).sum(), inputs)
        for out in (ours(parts), whole(parts))
    )
    torch.testing.assert_close(got, right, rtol=1e-11, atol=1e-11)
