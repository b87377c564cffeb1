"""The numbers in which a model reads, above all those of 4 bits."""

from pathlib import Path

import pytest
import torch

from backend.engine import weights
from backend.engine.weights import weights_of
from benchmarks.serving.architectures import check
from benchmarks.serving.tiny import write_architecture
from selection.errors import ModelError

CPU = torch.device("cpu")
# wide enough that transformers and bitsandbytes pack all linear layers
WIDE = {"hidden_size": 64, "head_dim": 16, "intermediate_size": 128}


@pytest.mark.filterwarnings("ignore")  # bitsandbytes warns of what is slow on a CPU
@pytest.mark.parametrize("name", ["gemma2", "gpt2", "llama", "mixtral", "phi3", "qwen3"])
def test_weights_of_4_bits_answer_and_learn_as_with_transformers_and_peft(
    name: str, tmp_path: Path
) -> None:
    model = write_architecture(name, tmp_path, **WIDE)
    packed, whole = (check(model, dtype=dtype) for dtype in ("nf4", "float32"))
    assert packed.prompted < 1e-4 and packed.trained < 1e-4 and packed.swapped < 1e-6
    assert packed.moved > 1e-3
    assert packed.reads == whole.reads


@pytest.mark.parametrize(
    "name, dtype", [("auto", torch.float32), ("bfloat16", torch.bfloat16), ("nf4", torch.float32)]
)
def test_a_name_tells_the_numbers_that_are_multiplied(name: str, dtype: torch.dtype) -> None:
    assert weights_of(CPU, name)["dtype"] == dtype


def test_another_name_is_refused() -> None:
    with pytest.raises(ModelError, match="float16 or nf4; not 'int3'"):
        weights_of(CPU, "int3")


def test_without_bitsandbytes_4_bits_are_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"label-studio-crux\[quantized\]"):
        weights_of(CPU, "nf4")
