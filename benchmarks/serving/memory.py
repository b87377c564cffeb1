"""How much memory a model takes to read and to be taught, and so which machine it fits.

    python -m benchmarks.serving.memory

Weights are counted from the model's config. What a backward pass keeps for a token is measured: in
bfloat16, by the product's own code, on one and on two layers of the model's width with random
weights, since all its layers are alike. It runs on a CPU in a few minutes and writes the table of
docs/models.md.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from backend.engine import llm
from backend.engine.adapters import Adapters, upper_layers
from backend.recipe import Recipe
from backend.train import PASS_TOKENS
from benchmarks.marks import between
from benchmarks.serving.tiny import tiny_tokenizer

# name -> model type, hidden size, layers, heads, groups, width of a head, of the MLP, tokens, and
# whether head and embeddings share weights: from the configs that the models were published with
MODELS: dict[str, tuple[str, int, int, int, int, int, int, int, bool]] = {
    "SmolLM2-135M": ("llama", 576, 30, 9, 3, 64, 1_536, 49_152, True),
    "SmolLM2-1.7B": ("llama", 2_048, 24, 32, 32, 64, 8_192, 49_152, True),
    "Qwen3-4B": ("qwen3", 2_560, 36, 32, 8, 128, 9_728, 151_936, True),
    "Llama-3.1-8B": ("llama", 4_096, 32, 32, 8, 128, 14_336, 128_256, False),
    "Qwen3-8B": ("qwen3", 4_096, 36, 32, 8, 128, 12_288, 151_936, False),
    "gemma-2-9b (ShieldGemma, CoPE-A)": ("gemma2", 3_584, 42, 16, 8, 256, 14_336, 256_000, True),
    "Qwen3-14B": ("qwen3", 5_120, 40, 40, 8, 128, 17_408, 151_936, False),
    "Qwen3-32B": ("qwen3", 5_120, 64, 64, 8, 128, 25_600, 151_936, False),
    "Llama-3.3-70B": ("llama", 8_192, 80, 64, 8, 128, 28_672, 128_256, False),
}
CARDS = (8, 24, 80)  # GB
POLICY = 600  # tokens
NF4_BITS = 4.127  # a weight, with the scales of its block (Dettmers et al. 2023, section 3)
BESIDE = 1.5  # GB: CUDA's context, what the allocator cannot use, the batches of a server
LEARNED = 16  # bytes a parameter of an adapter: itself, its gradient, AdamW's two means
GB = 1e9
DOCUMENT = Path("docs/models.md")


@dataclass(frozen=True)
class Needs:
    """Of one model. linear, other: parameters of its linear layers but the head, and all others.

    kept: bytes that a backward pass keeps for a token in a layer that learns. layers: that learn.
    adapter: its parameters. state: bytes that a token of the policy leaves.
    """

    linear: int
    other: int
    kept: float
    layers: int
    adapter: int
    state: int

    @property
    def weights(self) -> tuple[float, float]:
        """GB in bfloat16, and with linear layers of 4 bits."""
        whole = 2 * (self.linear + self.other)
        return whole / GB, (NF4_BITS / 8 * self.linear + 2 * self.other) / GB

    @property
    def training(self) -> float:
        """GB beside the weights, for a pass of PASS_TOKENS and a policy of POLICY tokens."""
        pass_ = self.kept * self.layers * PASS_TOKENS
        return (pass_ + LEARNED * self.adapter + POLICY * self.state) / GB

    def smallest(self, weights: float) -> str:
        """The smallest card on which it is taught, with so many GB of weights."""
        need = weights + self.training + BESIDE
        return next((f"{card} GB" for card in CARDS if need <= card), "none of them")


def config_of(name: str, layers: int | None = None, tokens: int | None = None) -> PreTrainedConfig:
    """Return a model's config, with other numbers of layers and of tokens if they are given."""
    kind, width, own_layers, heads, groups, head, mlp, own_tokens, tied = MODELS[name]
    given: dict[str, Any] = {
        "hidden_size": width, "num_hidden_layers": layers or own_layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, "head_dim": head,
        "intermediate_size": mlp, "vocab_size": tokens or own_tokens, "tie_word_embeddings": tied,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
    }  # fmt: skip
    return CONFIG_MAPPING[kind](**given)


def needs(name: str) -> Needs:
    """Count and measure one model."""
    with torch.device("meta"):
        whole = _made(config_of(name))
    _, _, layers, _, groups, head, *_ = MODELS[name]
    head_layer = whole.get_output_embeddings()  # type: ignore[no-untyped-call]
    paired = [
        module for module in whole.modules()
        if isinstance(module, torch.nn.Linear) and module is not head_layer
    ]  # fmt: skip
    linear = sum(module.weight.numel() for module in paired)
    every = sum(p.numel() for p in {id(p): p for p in whole.parameters()}.values())
    learning = len(upper_layers(whole))
    thin = sum(module.in_features + module.out_features for module in paired) / layers
    return Needs(
        linear=linear, other=every - linear, kept=_kept(name, 2) - _kept(name, 1), layers=learning,
        adapter=round(Recipe.rank * thin * learning), state=2 * 2 * groups * head * layers,
    )  # fmt: skip


def _made(config: PreTrainedConfig) -> PreTrainedModel:
    made: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    return made


def _kept(name: str, layers: int) -> float:
    """Return the bytes a token that a pass through so many learning layers keeps."""
    tokenizer = tiny_tokenizer()
    base = llm.prepared(_made(config_of(name, layers, len(tokenizer))), tokenizer)
    adapters = Adapters(base.causal)
    asked = base.ask("Is it mean?", ("harsh", "fine"), 256)
    own = {p.untyped_storage().data_ptr() for p in base.causal.parameters()}
    found = []
    with adapters.fresh(adapters.lora(Recipe.rank, Recipe.alpha, upper=1.0), seed=0) as fresh:
        own |= {p.untyped_storage().data_ptr() for p in fresh.parameters}
        for texts in (2, 6):
            seen: dict[int, int] = {}

            def pack(tensor: Tensor, seen: dict[int, int] = seen) -> Tensor:
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in own:
                    seen[storage.data_ptr()] = storage.nbytes()
                return tensor

            with saved_tensors_hooks(pack, lambda tensor: tensor):
                logits = base.answer(asked, [[7] * 50] * texts)
            found.append(sum(seen.values()))
            del logits
    tokens = 4 * (50 + len(asked.prompt.suffix))
    return (found[1] - found[0]) / tokens


def table(found: dict[str, Needs]) -> str:
    """Return what was counted and measured, a line a model."""
    lines = [
        "| model | parameters, billions | weights in bfloat16, GB | in 4 bits, GB | "
        "a training adds, GB | taught in bfloat16 on | in 4 bits on |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        whole, packed = one.weights
        lines.append(
            f"| {name} | {(one.linear + one.other) / 1e9:.2f} | {whole:.1f} | {packed:.1f} | "
            f"{one.training:.1f} | {one.smallest(whole)} | {one.smallest(packed)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure all models and write the table."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    found = {}
    for name in MODELS:
        found[name] = needs(name)
        print(name, found[name], flush=True)
    DOCUMENT.write_text(between(DOCUMENT.read_text(), "memory", table(found)))


if __name__ == "__main__":
    main()
