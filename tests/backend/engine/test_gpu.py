"""What a graphics card alone can show: the same answers there, and how memory is used."""

from pathlib import Path

import pytest
import torch

from backend.engine import llm
from benchmarks.serving.architectures import LABELS, POLICY, check
from benchmarks.serving.tiny import write_architecture

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="it needs a GPU, and here is none"),
    pytest.mark.filterwarnings("ignore"),  # transformers and peft warn of some of these models
]
STREAMS = ("gemma", "glm", "gpt2", "granite", "llama", "mixtral", "phi3", "qwen3", "smollm3")
PADDED = ("bloom", "falcon", "gemma2", "gpt_oss", "mamba", "qwen3_next")


@pytest.mark.parametrize("name", STREAMS + PADDED)
def test_answers_and_lessons_are_those_of_transformers_and_peft(name: str, tmp_path: Path) -> None:
    found = check(write_architecture(name, tmp_path), device="cuda")
    assert found.prompted < 1e-3 and found.trained < 1e-3 and found.swapped < 1e-4
    assert found.moved > 1e-3
    assert found.reads.startswith("stream") == (name in STREAMS)


@pytest.mark.parametrize("dtype", ["bfloat16", "nf4"])
def test_a_model_of_16_or_4_bits_learns(dtype: str, tmp_path: Path) -> None:
    wide = {"hidden_size": 64, "head_dim": 16, "intermediate_size": 128}
    found = check(write_architecture("llama", tmp_path, **wide), dtype=dtype, device="cuda")
    assert found.prompted < 0.2 and found.moved > 1e-2


def test_a_batch_holds_no_copy_of_the_policy_a_text(tmp_path: Path) -> None:
    sizes = {"hidden_size": 256, "head_dim": 64, "max_position_embeddings": 4_096}
    base = llm.load(write_architecture("llama", tmp_path, **sizes), "cuda", "bfloat16")
    asked = base.ask(POLICY * 150, LABELS, 64)
    assert asked.past is not None
    texts = [[7, 8, 9]] * 512
    with torch.inference_mode():
        base.answer(asked, texts[:2])
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        base.answer(asked, texts)
    assert torch.cuda.max_memory_allocated() - before < 64 * asked.past.nbytes
