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
from transformers import AutoTokenizer, MistralConfig, MistralForCausalLM

from backend.engine import llm
from tests.backend.engine.tiny_model import tiny_model

TEXTS = [[7, 8, 9], [10], [11] * 50, [12, 13] * 9]
LOGGER = "backend.engine.cpu.accelerate"

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
    (line,) = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert line.startswith(
        "faster on a CPU: texts as one stream: yes; last MLP for the tokens that are read: yes; "
        "torch's RMS norms: 7 layers; oneDNN's products: "
    )


def test_a_torch_without_the_private_operators_reads_padded_rows_and_says_so(model: str) -> None:
    base = llm.load(model, "cpu")
    fast = base.answer(base.ask("Is it mean?", ("harsh", "fine"), 64), TEXTS)
    slow = subprocess.run(
        [sys.executable, "-c", WITHOUT_OPERATORS, model], capture_output=True, text=True
    )
    assert slow.returncode == 0, slow.stderr
    assert (
        "texts as one stream: this torch has no _scaled_dot_product_flash_attention_for_cpu; "
        "last MLP for the tokens that are read: needs the stream; "
        "torch's RMS norms: 7 layers; oneDNN's products: this torch does not have them"
    ) in slow.stderr
    assert np.array(json.loads(slow.stdout)) == pytest.approx(fast.numpy(), abs=1e-5)


def test_a_stream_and_padded_rows_give_the_same_logits(model: str) -> None:
    base = llm.load(model, "cpu")
    assert base.stream is not None
    asked = base.ask("Is it mean?", ("harsh", "fine"), 64)
    padded = replace(base, stream=None)
    assert base.answer(asked, TEXTS).detach().numpy() == pytest.approx(
        padded.answer(asked, TEXTS).detach().numpy(), abs=1e-5
    )


def test_a_model_whose_attention_has_a_window_reads_padded_rows(
    model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = MistralConfig(
        vocab_size=400, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, sliding_window=4,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        MistralForCausalLM(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model).save_pretrained(tmp_path)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        base = llm.load(str(tmp_path), "cpu")
    assert base.stream is None
    assert base.causal.config._attn_implementation == "sdpa"
    assert "texts as one stream: the model's state is no key-value cache" in caplog.text


def test_loading_a_model_prints_nothing(model: str) -> None:
    load = "import sys; from backend.engine import llm; llm.load(sys.argv[1], 'cpu')"
    done = subprocess.run([sys.executable, "-c", load, model], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
