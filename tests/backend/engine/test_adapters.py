"""Adapters that come and go in one model, and one that is trained among them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel

from backend.engine import llm
from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from selection.errors import VersionError
from selection.types import Doubles
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TEXTS = [[7, 8, 9], [10], [11] * 20]


def config() -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM", r=4, target_modules="all-linear", init_lora_weights=False
    )


def saved(model: str, out: Path, seed: int = 0) -> Path:
    """An adapter of weights drawn at random, as peft alone writes it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        PeftModel(llm.load(model, "cpu").causal, config()).save_pretrained(str(out))
    return out


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def folders(model: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return [saved(model, tmp_path_factory.mktemp("adapter"), seed) for seed in range(5)]


@pytest.fixture
def base(model: str) -> Llm:
    return llm.load(model, "cpu")


def answers(base: Llm, adapters: Adapters, adapter: Path | None) -> Doubles:
    with torch.inference_mode():
        with adapters.use(None):
            asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
        with adapters.use(adapter):
            return base.answer(asked, TEXTS).numpy().astype(np.float64)


def trained(base: Llm, adapters: Adapters, seed: int = 0) -> list[torch.Tensor]:
    """The weights of a fresh adapter after one step, whose gradients reached nothing else."""
    with adapters.use(None):
        asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
    with adapters.fresh(config(), seed) as fresh:
        base.answer(asked, TEXTS).square().sum().backward()
        assert all(p.grad is not None for p in fresh.parameters)
        torch.optim.SGD(fresh.parameters, lr=0.1).step()
        return [p.detach().clone() for p in fresh.parameters]


def same(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_fresh_adapter_is_trained_alike_in_a_new_model_and_among_others(
    base: Llm, model: str, folders: list[Path]
) -> None:
    adapters = Adapters(base.causal)
    for folder in folders:  # more than are kept
        answers(base, adapters, folder)
    among = trained(base, adapters, seed=1)
    new = llm.load(model, "cpu")
    assert same(among, trained(new, Adapters(new.causal), seed=1))
    assert not same(among, trained(base, adapters, seed=2))


def test_nothing_answers_otherwise_after_a_training(base: Llm, folders: list[Path]) -> None:
    adapters = Adapters(base.causal)
    which = [None, *folders[:2]]
    before = [answers(base, adapters, one) for one in which]
    trained(base, adapters)
    after = [answers(base, adapters, one) for one in which]
    assert [a.tolist() for a in after] == [b.tolist() for b in before]
    assert not np.allclose(before[0], before[1]) and not np.allclose(before[1], before[2])


def test_without_other_adapters_a_training_leaves_the_bare_model(base: Llm) -> None:
    modules = [type(module) for module in base.causal.modules()]
    adapters = Adapters(base.causal)
    with pytest.raises(KeyboardInterrupt), adapters.fresh(config(), 0):
        raise KeyboardInterrupt
    assert [type(module) for module in base.causal.modules()] == modules
    assert not any(p.requires_grad for p in base.causal.parameters())


def test_an_adapter_of_another_model_leaves_the_base_model_to_answer(
    base: Llm, tmp_path: Path
) -> None:
    wide = saved(tiny_model(tmp_path / "wide", hidden=64), tmp_path / "adapter")
    adapters = Adapters(base.causal)
    before = answers(base, adapters, None)
    with pytest.raises(VersionError, match="made for another base model"):
        answers(base, adapters, wide)  # the first one that is loaded
    assert answers(base, adapters, None).tolist() == before.tolist()
