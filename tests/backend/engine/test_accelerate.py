"""What a model reads is the same however much of it is accelerated, and the log says how much."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from backend.engine import llm
from backend.engine.cpu import attention
from backend.engine.llm import Llm
from backend.engine.stream.below import NOTHING_BELOW, Below
from tests.backend.engine.tiny_model import tiny_model

TEXTS = [[7, 8, 9], [10], [11] * 50, [12, 13] * 9]
LOGGER = "backend.engine.accelerate"

WITHOUT_OPERATORS = f"""
import json, logging, sys
import torch

def without(namespace, *lacking):
    usual = type(namespace).__getattr__
    def look_up(self, name):
        if self is namespace and name in lacking:
            raise AttributeError(name)
        return usual(self, name)
    type(namespace).__getattr__ = look_up
    for name in lacking:
        vars(namespace).pop(name, None)

name = "_scaled_dot_product_flash_attention_for_cpu"
without(torch.ops.aten, name, name + "_backward")
without(torch.ops.mkldnn, "_linear_pointwise")

from backend.engine import llm
from backend.engine.cpu import attention
from backend.engine.local import Local  # and so everything that a worker imports

logging.basicConfig(level=logging.INFO)
base = llm.load(sys.argv[1], "cpu")
asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
print(json.dumps(base.answer(asked, {TEXTS}).tolist()))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


def test_the_log_says_once_what_took(model: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER):
        llm.load(model, "cpu")
    products, texts = [r.getMessage() for r in caplog.records if r.name == LOGGER]
    assert products.startswith(
        "faster on a CPU: torch's RMS norms: 7 layers; oneDNN's products: "
    )
    assert texts == (
        "texts as one stream: yes, in blocks; last MLP for the tokens that are read: yes; "
        "layers that do not learn read once: yes"
    )


def test_a_torch_without_the_private_operators_reads_masked_spans_and_says_so(model: str) -> None:
    base = llm.load(model, "cpu")
    fast = base.answer(base.ask("Is it mean?", ("harsh", "fine"), 64), TEXTS)
    slow = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPERATORS, model], capture_output=True, text=True
    )
    assert slow.returncode == 0, slow.stderr
    assert "RMS norms: 7 layers; oneDNN's products: this torch does not have them" in slow.stderr
    assert "texts as one stream: yes, in masked spans; last MLP" in slow.stderr
    assert np.array(json.loads(slow.stdout)) == pytest.approx(fast.numpy(), abs=1e-5)


@pytest.fixture(params=["in blocks", "in masked spans"])
def arranged(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the texts of a stream are laid out: for CPUs, and as elsewhere."""
    if request.param != "in blocks":
        monkeypatch.setattr(attention, "available", lambda: False)
    return str(request.param)


@pytest.mark.usefixtures("arranged")
def test_a_stream_and_padded_rows_give_the_same_logits(model: str) -> None:
    base = llm.load(model, "cpu")
    assert base.stream is not None
    asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
    padded = replace(base, stream=None)
    assert base.answer(asked, TEXTS).detach().numpy() == pytest.approx(
        padded.answer(asked, TEXTS).detach().numpy(), abs=1e-5
    )


@pytest.mark.usefixtures("arranged")
def test_answers_from_kept_states_and_their_gradients_are_those_of_the_whole_model(
    model: str,
) -> None:
    base = llm.load(model, "cpu")
    asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
    learns = base.causal.base_model.layers[2].mlp.up_proj.weight.requires_grad_(True)

    def read(below: Below) -> list[Tensor]:
        logits = base.answer(asked, TEXTS, below)
        return [logits.detach(), *torch.autograd.grad(logits.square().sum(), learns)]

    with torch.no_grad():
        kept = base.below(asked, TEXTS, 2)
    assert (kept.layers, len(kept.states)) == (2, len(TEXTS))
    for whole, half in zip(read(NOTHING_BELOW), read(kept), strict=True):
        torch.testing.assert_close(half, whole)
    assert len(base.causal.base_model.layers) == 3


def test_a_model_that_keeps_its_layers_elsewhere_is_not_read_in_parts(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = GPT2Config(vocab_size=400, n_embd=32, n_layer=2, n_head=4, n_positions=512)
    base = saved_and_loaded(GPT2LMHeadModel(config), model, tmp_path, caplog)
    assert "learn read once: the model refuses it ('GPT2Model' object has no" in caplog.text
    asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
    assert base.below(asked, TEXTS, 1) == NOTHING_BELOW


def saved_and_loaded(
    causal: PreTrainedModel, model: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> Llm:
    """Load a model of random weights with the tokenizer of another one, and log it."""
    causal.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        return llm.load(str(folder), "cpu")


def test_a_model_whose_attention_has_a_window_reads_padded_rows(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = MistralConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=4,
    )  # fmt: skip
    base = saved_and_loaded(MistralForCausalLM(config), model, tmp_path, caplog)
    assert base.stream is None
    assert base.causal.config._attn_implementation == "sdpa"
    assert "texts as one stream: a layer attends to 4 tokens only" in caplog.text


def test_loading_a_model_prints_nothing(model: str) -> None:
    load = "import sys; from backend.engine import llm; llm.load(sys.argv[1], 'cpu')"
    done = subprocess.run([sys.executable, "-c", load, model], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
