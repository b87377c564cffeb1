"""A causal LM that answers with one token, and what scoring and training share of it.

The policy is a long prefix that all texts share. Its key-value cache is computed once, by the
base model, and every adapter works on top of it: adapters change how a text is read, never how
the policy is. So nothing of the prefix is computed again, in training or in scoring, and
versions with one policy share one cache (compare "activated LoRA", Greenewald et al. 2025).
On CPUs the texts of a batch are one stream (stream.py) and all attend to one copy of the prefix
(attend.py). Elsewhere, and for models whose attention is of another kind, texts are padded on the
right and nothing is masked: in a causal model no token sees padding that comes after it.
"""

import logging
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import DynamicLayer

from backend.engine import prompt as prompts
from backend.engine.cpu import attention as attend
from backend.engine.cpu import last_layer as ends
from backend.engine.cpu.heap import keep_freed
from backend.engine.cpu.last_layer import Ends
from backend.engine.cpu.onednn import hasten
from backend.engine.cpu.packing import join
from backend.engine.cpu.rmsnorm import fuse
from backend.engine.prompt import Prompt
from selection.errors import ModelError

log = logging.getLogger(__name__)

_MULTIPLE = 8  # widths are padded to it: few shapes keep the allocator's memory from creeping
_ALIKE = 1e-4  # of the largest hidden state: how far the two ways may be apart in float32


@dataclass(frozen=True)
class Asked:
    """A prompt and the key-value cache of its prefix, a pair of (1, heads, p, d) per layer.

    past is None for models whose state is no plain key-value cache; they read it every time.
    """

    prompt: Prompt
    past: tuple[tuple[Tensor, Tensor], ...] | None


@dataclass(frozen=True)
class Llm:
    """A causal LM and its tokenizer, on one device."""

    causal: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    streams: bool = False  # whether the model can read texts as one stream
    ends: Ends | None = field(default=None, compare=False, repr=False)  # of a model that streams
    # A tokenizer keeps the settings of a call: two threads at once spoil each other's tokens.
    tokenizing: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def ask(self, policy: str, labels: Sequence[str], max_tokens: int) -> Asked:
        """Read the policy once. Call it with adapters switched off.

        Raises ModelError if policy and text do not fit into the model's context together.
        """
        with self.tokenizing:
            prompt = prompts.build(self.tokenizer, policy, labels)
        room = getattr(self.causal.config, "max_position_embeddings", None)
        need = len(prompt.prefix) + max_tokens + len(prompt.suffix) + _MULTIPLE
        if room is not None and need > room:
            raise ModelError(
                f"The policy ({len(prompt.prefix)} tokens) and a text (up to {max_tokens}) do not "
                f"fit into the model's {room} tokens. Shorten the policy or the texts."
            )
        cache = DynamicCache(config=self.causal.config)
        prefix = torch.tensor([prompt.prefix], device=self.device)
        with torch.no_grad():
            self.causal.base_model(input_ids=prefix, past_key_values=cache, use_cache=True)
        return Asked(prompt, _past(cache))

    def answer(self, asked: Asked, texts: Sequence[Sequence[int]]) -> Tensor:
        """(b, k) float32 logits of the answer tokens after each of b texts (token ids)."""
        rows = [[*text, *asked.prompt.suffix] for text in texts]
        if self.streams and asked.past is not None:
            return self._read_out(self._last_of_stream(asked, asked.past, rows), asked.prompt)
        return self._read_out(self._last_of_padded(asked, rows), asked.prompt)

    def _last_of_stream(
        self, asked: Asked, past: attend.Past, rows: Sequence[Sequence[int]]
    ) -> Tensor:
        """(b, h) hidden states of the rows' last tokens, all rows one after the other."""
        stream = join(rows, len(asked.prompt.prefix))
        with self.ends.only(stream.ends) if self.ends else nullcontext():
            hidden: Tensor = self.causal.base_model(
                input_ids=stream.ids,
                position_ids=stream.positions,
                # of four dimensions, or transformers makes one of its own: `attend` needs none
                attention_mask=torch.zeros(1, 1, 1, 1, dtype=self.causal.dtype),
                shared_prefix=past,
                stream=stream,
                use_cache=False,
            ).last_hidden_state
        return hidden[0, stream.ends]

    def _last_of_padded(self, asked: Asked, rows: Sequence[Sequence[int]]) -> Tensor:
        """(b, h) hidden states of the rows' last tokens, a row each."""
        if asked.past is None:
            rows = [[*asked.prompt.prefix, *row] for row in rows]
        ids = torch.zeros(len(rows), width(max(map(len, rows))), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        hidden: Tensor = self.causal.base_model(
            input_ids=ids.to(self.device),
            past_key_values=None if asked.past is None else _expand(asked.past, len(rows)),
            use_cache=asked.past is not None,
        ).last_hidden_state
        ends = torch.tensor([len(row) - 1 for row in rows], device=self.device)
        return hidden[torch.arange(len(rows), device=self.device), ends]

    def _read_out(self, last: Tensor, prompt: Prompt) -> Tensor:
        head: torch.nn.Linear = self.causal.get_output_embeddings()  # type: ignore[no-untyped-call]
        answers = torch.tensor(prompt.answers, device=self.device)
        # Only the k rows, not the whole vocabulary; in float32, as bfloat16 would round logits.
        bias = None if head.bias is None else head.bias[answers].float()
        return torch.nn.functional.linear(last.float(), head.weight[answers].float(), bias)


def width(tokens: int) -> int:
    """The padded number of tokens of a batch whose longest row has `tokens`."""
    return -(-tokens // _MULTIPLE) * _MULTIPLE


def load(model: str, device: str | None = None, dtype: str = "auto") -> Llm:
    """Load a causal LM (a directory or a Hugging Face id) to answer with.

    device: "cpu", "cuda", ...; None takes a GPU if there is one. dtype: "float32", "bfloat16",
    "float16" or "auto": bfloat16 on GPUs that have it, float32 elsewhere.

    Raises ModelError if there is no such model, or no such device.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        causal = AutoModelForCausalLM.from_pretrained(
            model, dtype=_dtype(place, dtype), use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The model {model!r} cannot be loaded: {reason} Check the name (a Hugging Face id of "
            'a causal LM with safetensors, or a directory) and the network, or use "offline".'
        ) from error
    causal.requires_grad_(False).train(False)
    if place.type == "cpu":
        keep_freed()
        fuse(causal)
        hasten(causal.base_model)
    try:
        torch.nn.Module.to(causal, place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The model {model!r} cannot be put on the device {str(place)!r}: {error}"
        ) from error
    read = Llm(causal, tokenizer, place, ends=ends.of(causal.base_model))
    return replace(read, streams=True) if _streams(read) else read


def _streams(base: Llm) -> bool:
    """Whether a stream over a shared prefix gives the answers that padded rows give: tried out.

    What cannot be told from a config (windows, sinks, soft caps, attention of an own kind) shows
    in the answers, or in a refusal of what is unknown to the model.
    """
    if base.device.type != "cpu" or base.causal.config.is_encoder_decoder:
        return False
    usual = base.causal.config._attn_implementation
    prompt = Prompt(tuple(range(5, 12)), (3, 4), (5, 6))
    rows = [[*range(7, 7 + length), 3, 4] for length in (1, 9, 4)]
    try:
        base.causal.set_attn_implementation(attend.NAME)
        with torch.inference_mode():
            cache = DynamicCache(config=base.causal.config)
            base.causal.base_model(
                input_ids=torch.tensor([prompt.prefix]), past_key_values=cache, use_cache=True
            )
            past = _past(cache)
            if past is not None:
                asked = Asked(prompt, past)
                padded = base._last_of_padded(asked, rows)
                streamed = base._last_of_stream(asked, past, rows)
                if torch.allclose(padded, streamed, rtol=0.02, atol=_alike(padded)):
                    return True
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        log.info("texts are padded to rows: %s", error)
    base.causal.set_attn_implementation(usual)
    return False


def _alike(hidden: Tensor) -> float:
    exact = hidden.dtype == torch.float32
    return float(hidden.abs().max()) * (_ALIKE if exact else 0.05)


def _dtype(device: torch.device, name: str) -> torch.dtype:
    named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name in named:
        return named[name]
    if name != "auto":
        raise ModelError(f"dtype must be auto, {', '.join(named)}; not {name!r}.")
    on_gpu = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if on_gpu else torch.float32


def _past(cache: DynamicCache) -> tuple[tuple[Tensor, Tensor], ...] | None:
    pairs = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            return None
        pairs.append((layer.keys, layer.values))
    return tuple(pairs)


def _expand(past: tuple[tuple[Tensor, Tensor], ...], rows: int) -> DynamicCache:
    return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in past])
