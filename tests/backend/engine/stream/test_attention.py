"""Each arrangement of the attention against one softmax over everything, in double precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from backend.engine.cpu.attention import by_blocks
from backend.engine.stream import spans
from backend.engine.stream.attention import Arrange, Shared, attend
from backend.engine.stream.packing import join
from backend.engine.stream.spans import by_spans

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


@pytest.fixture(params=[by_blocks, by_spans], ids=["blocks", "spans"])
def arrange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Arrange:
    monkeypatch.setattr(spans, "SPAN", 45)  # three of them, one of a single text
    arrange: Arrange = request.param
    return arrange


def ours(p: dict[str, Tensor], arrange: Arrange) -> Tensor:
    stream = join([[1] * n for n in LENGTHS], PREFIX)
    out, _ = attend(
        MODULE, p["q"], p["k"], p["v"], None, scaling=DIMENSION**-0.5,
        shared=Shared(((p["pk"], p["pv"]),), arrange(stream)),
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


def test_the_parts_together_are_one_softmax_over_everything(
    parts: dict[str, Tensor], arrange: Arrange
) -> None:
    torch.testing.assert_close(ours(parts, arrange), whole(parts), rtol=1e-12, atol=1e-12)


def test_the_gradients_are_those_of_one_softmax_too(
    parts: dict[str, Tensor], arrange: Arrange
) -> None:
    inputs = [parts[name] for name in ("q", "k", "v")]
    got, right = (
        torch.autograd.grad((out * parts["grad"]).sum(), inputs)
        for out in (ours(parts, arrange), whole(parts))
    )
    torch.testing.assert_close(got, right, rtol=1e-11, atol=1e-11)


def test_a_span_holds_whole_texts_and_one_that_is_too_long_stands_alone(
    parts: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "SPAN", 39)
    stream = join([[1] * n for n in LENGTHS], PREFIX)
    seen: list[tuple[int, int]] = []
    usual = spans.scaled_dot_product_attention

    def watched(q: Tensor, k: Tensor, *args: object, **more: object) -> Tensor:
        seen.append((q.shape[2], k.shape[2]))
        return usual(q, k, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(spans, "scaled_dot_product_attention", watched)
    by_spans(stream)(*(parts[name] for name in ("q", "k", "v", "pk", "pv")), None)
    assert seen == [(n, PREFIX + n) for n in (39, 40, 36)]
