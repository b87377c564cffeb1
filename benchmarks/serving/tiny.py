"""Tiny causal LMs of random weights, one of each architecture, with a tokenizer: for tests."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedTokenizerFast

WORDS = "good fine nice bad awful harsh toxic policy Answer Text one of with letter kind mean"
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
    "initializer_range": 0.2, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
_EXPERTS: dict[str, Any] = {
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "n_group": 1, "topk_group": 1,
}  # fmt: skip
# keys and values from a few numbers, as DeepSeek does
_LATENT: dict[str, Any] = {
    "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
    "v_head_dim": 8, "num_key_value_heads": 4, "head_dim": None,
}  # fmt: skip
_MAMBA: dict[str, Any] = {
    "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 16,
    "mamba_chunk_size": 16,
}  # fmt: skip
_DELTA: dict[str, Any] = {
    "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}  # fmt: skip
# the first layers feed each token a second embedding
_LAYERED: dict[str, Any] = {
    "vocab_size_per_layer_input": 326, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
}  # fmt: skip
# attends to the tokens that an indexer picks
_INDEXED: dict[str, Any] = _EXPERTS | _LATENT | {
    "index_n_heads": 2, "index_head_dim": 8, "index_topk": 512,
}  # fmt: skip
_CONVOLUTIONS = {"layer_types": ["conv", "full_attention"] * 2}
_WINDOW = {"sliding_window": 16}  # shorter than prompt and text
# model type in transformers -> what its config needs beside the sizes; None leaves one of them out
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "afmoe": _EXPERTS, "apertus": {}, "arcee": {}, "aria_text": {}, "axk1": _EXPERTS | _LATENT,
    "bailing_hybrid": _EXPERTS, "bamba": _MAMBA | {"attn_layer_indices": [1, 3]}, "beam": _EXPERTS,
    "biogpt": {}, "bitnet": {}, "bloom": {}, "codegen": {"rotary_dim": 4}, "cohere": {},
    "cohere2": _WINDOW, "cohere2_moe": {}, "cwm": {}, "deepseek_v2": _EXPERTS | _LATENT,
    "deepseek_v3": _EXPERTS | _LATENT, "deepseek_v32": _INDEXED, "diffllama": {}, "doge": {},
    "dots1": _EXPERTS | {"n_shared_experts": 1, "first_k_dense_replace": 1}, "ernie4_5": {},
    "ernie4_5_moe": _EXPERTS, "exaone4": {}, "exaone_moe": _EXPERTS, "falcon": {"head_dim": None},
    "falcon_h1": _MAMBA | {"mamba_d_ssm": 64}, "falcon_mamba": {}, "flex_olmo": {},
    "flint": _EXPERTS, "gemma": {}, "gemma2": _WINDOW, "gemma3_text": _WINDOW,
    "gemma3n_text": _LAYERED | {"activation_sparsity_pattern": [0.0] * 4, "laurel_rank": 4},
    "gemma4_text": _LAYERED | {"global_head_dim": 8}, "gemma4_unified_text": {}, "glm": {},
    "glm4": {}, "glm4_moe": _EXPERTS, "glm4_moe_lite": _EXPERTS | _LATENT, "glm_moe_dsa": _INDEXED,
    "gpt2": {}, "gpt_bigcode": {},
    "gpt_neo": {"attention_types": [[["global", "local"], 2]], "num_layers": 4, "window_size": 64},
    "gpt_neox": {}, "gpt_oss": _EXPERTS | _WINDOW, "gptj": {"rotary_dim": 4}, "granite": {},
    "granite_swa": {}, "granitemoe": {},
    "granitemoehybrid": _MAMBA | {"layer_types": ["mamba", "attention"] * 2},
    "granitemoeshared": {}, "helium": {}, "hrm_text": {}, "hunyuan_v1_dense": {},
    "hunyuan_v1_moe": {}, "hy_v3": _EXPERTS, "hyperclovax": {}, "inkling_text": _EXPERTS,
    "jais2": {}, "jamba": {}, "jetmoe": {}, "kolibri1": _EXPERTS, "laguna": _EXPERTS,
    "lfm2": _CONVOLUTIONS, "lfm2_moe": _CONVOLUTIONS, "lfm3": {}, "llama": {}, "llama4_text": {},
    "mamba": {},
    "mamba2": {"num_heads": 8, "expand": 2, "n_groups": 1, "state_size": 16, "chunk_size": 16},
    "mellum": _EXPERTS, "mimo_v2_flash": _EXPERTS, "minicpm3": _LATENT, "minimax": {},
    "minimax_m2": _EXPERTS, "ministral": {}, "ministral3": {}, "mistral": {}, "mixtral": {},
    "modernbert-decoder": {}, "mpt": {}, "nanochat": {}, "nemotron": {}, "nemotron_h": _EXPERTS,
    "olmo": {}, "olmo2": {}, "olmo3": _WINDOW, "olmo_hybrid": {}, "olmoe": {}, "opt": {},
    "persimmon": {}, "phi": {}, "phi3": {}, "phimoe": {}, "qwen2": {}, "qwen2_moe": _EXPERTS,
    "qwen3": {}, "qwen3_5_text": _DELTA, "qwen3_moe": _EXPERTS, "qwen3_next": _DELTA | _EXPERTS,
    "recurrent_gemma": {}, "rwkv": {}, "seed_oss": {}, "smollm3": {}, "solar_open": _EXPERTS,
    "stablelm": {}, "starcoder2": {}, "vaultgemma": _WINDOW, "xglm": {}, "xlstm": {},
    "youtu": _LATENT,
    "zamba2": _MAMBA | {
        "n_mamba_heads": 8, "mamba_headdim": 8, "mamba_ngroups": 1, "chunk_size": 16,
        "layer_types": ["mamba", "hybrid"] * 2, "hybrid_layer_ids": [1, 3], "num_mem_blocks": 1,
    },
    "zaya": {"num_experts_per_tok": 1, "num_experts": 4},
}  # fmt: skip


def tiny_tokenizer(chat: bool = True) -> PreTrainedTokenizerFast:
    """Bytes, and the WORDS after a space; two special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<|im_start|>", "<|im_end|>", *alphabet])}
    merges = []
    for word in WORDS.split():
        whole = "Ġ"
        for letter in word:
            merges.append((whole, letter))
            whole += letter
            vocabulary.setdefault(whole, len(vocabulary))
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=list(dict.fromkeys(merges))))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token="<|im_start|>",  # noqa: S106
        eos_token="<|im_end|>",  # noqa: S106
    )
    tokenizer.chat_template = CHAT if chat else None
    return tokenizer


def write_architecture(name: str, out: Path, seed: int = 0, **more: Any) -> str:
    """Write a tiny model of an architecture and its tokenizer. Return the directory.

    more: of its config, beside what ARCHITECTURES has.
    """
    tokenizer = tiny_tokenizer()
    given = {**_SIZES, "vocab_size": len(tokenizer), **ARCHITECTURES.get(name, {}), **more}
    config = CONFIG_MAPPING[name](**{key: it for key, it in given.items() if it is not None})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return str(out)
