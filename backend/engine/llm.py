"""A causal LM that answers with one token; scoring and training share it.

The policy is a long prefix that all texts share. The base model computes its key-value cache once,
and every adapter works on top of it: adapters change how a text is read, never how the policy is.
So nothing of the prefix is computed again, in training or in scoring, and versions with one policy
share one cache (compare "activated LoRA", Greenewald et al. 2025). Texts are a stream without
padding (stream/), or padded rows (padding.py) for a model that cannot be read so.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar

from backend.engine import prompt as prompts
from backend.engine.accelerate import accelerate
from backend.engine.padding import MULTIPLE, PaddedReader
from backend.engine.past import Past, read_prefix
from backend.engine.prompt import Prompt
from backend.engine.stream.below import NOTHING_BELOW, Below
from backend.engine.stream.reader import StreamReader
from backend.engine.trial import Trial, kept_prefix, padded_reader
from backend.engine.weights import keep_gradients, weights_of
from selection.errors import ModelError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """A prompt and what the base model knows after its prefix.

    past is None for models that cannot go on from there; they read the prefix with every text.
    """

    prompt: Prompt
    past: Past | None


@dataclass(frozen=True)
class Llm:
    """A causal LM and its tokenizer, on one device.

    padded: reads any texts. keeps: whether it goes on from a prefix. stream: reads texts faster;
    None where there is no such way.
    """

    causal: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    padded: PaddedReader = field(compare=False, repr=False)
    keeps: bool = True
    stream: StreamReader | None = field(default=None, compare=False, repr=False)
    # A tokenizer keeps the settings of a call: two threads at once spoil each other's tokens.
    tokenizing: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def encode(self, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Return the token ids of each text, at most `max_tokens` each."""
        with self.tokenizing:
            return prompts.encode(self.tokenizer, texts, max_tokens)

    def prompt(self, policy: str, labels: Sequence[str]) -> Prompt:
        """Return the prompt that asks for one of the labels. Raises ModelError."""
        with self.tokenizing:
            return prompts.build(self.tokenizer, policy, labels)

    def ask(self, policy: str, labels: Sequence[str], max_tokens: int) -> Asked:
        """Read the policy once. Call it with adapters switched off.

        Raises ModelError if policy and text do not fit into the model's context together.
        """
        prompt = self.prompt(policy, labels)
        need = len(prompt.prefix) + max_tokens + len(prompt.suffix) + MULTIPLE
        room = self._room()
        if room is not None and need > room:
            raise ModelError(
                f"The policy ({len(prompt.prefix)} tokens) and a text (up to {max_tokens}) do not "
                f"fit into the model's {room} tokens. Shorten the policy or the texts."
            )
        if not self.keeps:
            return Asked(prompt, None)
        with torch.no_grad():
            return Asked(prompt, read_prefix(self.causal, prompt.prefix, self.padded.head))

    def _room(self) -> int | None:
        """Return the tokens of the model's context, if it is bounded.

        Beyond the tokens that an indexer picks, padding would be picked in place of some of them.
        """
        config = self.causal.config.get_text_config()
        bounds = [getattr(config, name, None) for name in ("max_position_embeddings", "index_topk")]
        return min((bound for bound in bounds if isinstance(bound, int)), default=None)

    def below(self, asked: Asked, texts: Sequence[Sequence[int]], layers: int) -> Below:
        """Return what texts (token ids) are after the first layers, to answer from.

        Nothing is known of them where the model cannot be read in parts: `answer` then begins with
        the first layer.
        """
        prefix, past, rows = asked.prompt.prefix, asked.past, _rows(asked, texts)
        if self.stream is None or past is None or not self.stream.reaches(len(prefix), past, rows):
            return NOTHING_BELOW
        return self.stream.below(self.causal, len(prefix), past, rows, layers)

    def answer(
        self, asked: Asked, texts: Sequence[Sequence[int]], below: Below = NOTHING_BELOW
    ) -> Tensor:
        """Return (b, k) float32 logits of the answer tokens after each of b texts (token ids).

        below: what is known of the texts.
        """
        prompt, past, rows = asked.prompt, asked.past, _rows(asked, texts)
        prefix, answers = prompt.prefix, prompt.answers
        stream = self.stream
        if stream is not None and past is not None and stream.reaches(len(prefix), past, rows):
            return stream.answer(self.causal, len(prefix), past, rows, answers, below)
        return self.padded.answer(self.causal, prefix, past, rows, answers)


def _rows(asked: Asked, texts: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[*text, *asked.prompt.suffix] for text in texts]


def load(model: str, device: str | None = None, dtype: str = "auto") -> Llm:
    """Load a causal LM (a directory or a Hugging Face id) to answer with.

    device: "cpu", "cuda", ...; None takes a GPU if there is one. dtype: "float32", "bfloat16",
    "float16", "nf4" (weights of 4 bits), or "auto": bfloat16 on GPUs that have it, float32
    elsewhere.

    Raises ModelError if there is no such model, or no such device.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    disable_progress_bar()  # type: ignore[no-untyped-call]
    weights = weights_of(place, dtype)
    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
        causal = AutoModelForCausalLM.from_pretrained(
            model, use_safetensors=True, trust_remote_code=False, **weights
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"The model {model!r} cannot be loaded: {reason} Check the name (a Hugging Face id of "
            'a causal LM with safetensors, or a directory) and the network, or use "offline".'
        ) from error
    if not getattr(causal, "is_quantized", False):  # such a model is where it was loaded
        _put(causal, place, model)
    try:
        return prepared(causal, tokenizer)
    except ModelError as error:
        raise ModelError(
            f"The model {model!r} ({causal.config.model_type}) cannot be used: {error}. Choose "
            'another causal LM, or "offline".'
        ) from error


def prepared(causal: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Llm:
    """Return a loaded model as it can be asked. Raises ModelError if it cannot."""
    causal.requires_grad_(False).train(False)
    keep_gradients(causal)
    trial = Trial(causal)
    padded = padded_reader(trial)
    if not padded.pads:
        log.warning("texts of unlike length are read one by one, or their answers would differ")
    past, unkept = kept_prefix(trial, padded)
    if unkept:
        log.warning("the policy is read again with every text, which is slow: %s", unkept)
    stream = accelerate(trial, padded.head, past)
    return Llm(causal, tokenizer, causal.device, padded, past is not None, stream)


def _put(causal: PreTrainedModel, place: torch.device, model: str) -> None:
    try:
        torch.nn.Module.to(causal, place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The model {model!r} cannot be put on the device {str(place)!r}: {error}"
        ) from error
