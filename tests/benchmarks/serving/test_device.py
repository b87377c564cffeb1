import pytest
import torch

from benchmarks.serving.device import measure
from benchmarks.serving.memory import MODELS, Needs, config_of, table


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_without_a_gpu_it_says_so_in_a_sentence() -> None:
    with pytest.raises(SystemExit, match="no GPU that torch can use; --device cpu measures it"):
        measure("cuda", "Llama-3.1-8B", 80, None)


def test_a_line_of_the_table_says_what_a_model_needs_and_which_card_has_it() -> None:
    eight = Needs(
        linear=7_000_000_000, other=1_000_000_000, kept=200_000.0, layers=16, adapter=20_000_000,
        state=131_072,
    )  # fmt: skip
    assert table({"8B": eight}).splitlines()[2:] == [
        # 2 bytes a weight; 4.127 bits of seven billion and 2 bytes of one; 1,024 tokens, 16 layers
        # and 0.2 MB are 3.28, the adapter 0.32, 600 tokens of policy 0.08
        "| 8B | 8.00 | 16.0 | 5.6 | 3.7 | 24 GB | 24 GB |"
    ]


@pytest.mark.parametrize("name", MODELS)
def test_the_models_have_configs_that_transformers_know(name: str) -> None:
    kind, width, layers, *_ = MODELS[name]
    config = config_of(name)
    assert (config.model_type, config.hidden_size, config.num_hidden_layers) == (
        kind, width, layers,
    )  # fmt: skip
