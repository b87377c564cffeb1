"""Texts after a prefix that they share, read as one stream of tokens without padding."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.engine import padding
from backend.engine.cpu import attention
from backend.engine.cpu.below import NOTHING_BELOW, Below, left_by, only
from backend.engine.cpu.last_layer import LastMlp
from backend.engine.cpu.packing import Stream, join
from backend.engine.padding import Past

_PREFIX = range(5, 12)  # token ids of the trial
_ROWS = [[*range(7, 7 + length), 3, 4] for length in (1, 9, 4)]
_RELATIVE = 0.02
# how far apart hidden states may be, as a share of the largest: in float32, and in fewer bits
_EXACT, _ROUNDED = 1e-4, 0.05


@dataclass(frozen=True)
class StreamReader:
    """Reads with a model that attends by backend/engine/cpu/attention.py.

    last_mlp: computes the model's last MLP for the tokens that are read alone; None computes it
    for all of them. in_parts: whether the first layers may be read alone, and the rest after them.
    """

    last_mlp: LastMlp | None
    in_parts: bool = False

    def last_hidden(
        self, causal: PreTrainedModel, prefix: int, past: Past, rows: Sequence[Sequence[int]],
        below: Below = NOTHING_BELOW,
    ) -> Tensor:  # fmt: skip
        """Return (b, h) hidden states of the last tokens of b rows (token ids).

        prefix: tokens before each row. past: their key-value cache. below: what is known of them.
        """
        stream = join(rows, prefix)
        model = causal.base_model
        with (
            self.last_mlp.only(stream.last) if self.last_mlp else nullcontext(),
            only(model, slice(below.layers, None)) if below.layers else nullcontext(),
        ):
            known = torch.cat(list(below.states))[None] if below.layers else None
            return _hidden(causal, past, stream, known)[0, stream.last]

    def below(
        self, causal: PreTrainedModel, prefix: int, past: Past, rows: Sequence[Sequence[int]],
        layers: int,
    ) -> Below:  # fmt: skip
        """Return what b rows are after the first `layers` layers; nothing if not read in parts."""
        if not self.in_parts or not layers:
            return NOTHING_BELOW
        stream = join(rows, prefix)
        with only(causal.base_model, slice(layers)) as kept, left_by(kept[-1]) as found:
            _hidden(causal, past, stream)
        return Below(layers, torch.split(found[0][0], [len(row) for row in rows]))


def _hidden(
    causal: PreTrainedModel, past: Past, stream: Stream, known: Tensor | None = None
) -> Tensor:
    """Return (1, t, h). known: (1, t, h) what the layers begin with, in place of embedded ids."""
    hidden: Tensor = causal.base_model(
        input_ids=stream.ids if known is None else None,
        inputs_embeds=known,
        position_ids=stream.positions,
        # of four dimensions, or transformers makes one of its own; `attend` needs none
        attention_mask=torch.zeros(1, 1, 1, 1, dtype=causal.dtype),
        shared_prefix=past,
        stream=stream,
        use_cache=False,
    ).last_hidden_state
    return hidden


def obstacle(causal: PreTrainedModel, reader: StreamReader) -> str:
    """Set the model up to read streams. Return why it cannot, and leave it as it was; "" if it can.

    It is tried out: what a config does not tell (windows, sinks, soft caps, attention of another
    kind) shows in the answers, or in an error about arguments that the model does not know.
    """
    if not attention.available():
        return f"this torch has no {attention.OPERATOR}"
    if causal.config.is_encoder_decoder:
        return "the model has an encoder"
    usual = causal.config._attn_implementation
    try:
        causal.set_attn_implementation(attention.NAME)
        with torch.inference_mode():
            past = padding.read_prefix(causal, _PREFIX)
            if past is None:
                found = "the model's state is no key-value cache"
            else:
                padded = padding.last_hidden(causal, _PREFIX, past, _ROWS)
                streamed = reader.last_hidden(causal, len(_PREFIX), past, _ROWS)
                found = "" if _alike(padded, streamed) else "the answers differ from padded rows"
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        found = f"the model refuses it ({error})"
    if found:
        causal.set_attn_implementation(usual)
    return found


def obstacle_to_parts(causal: PreTrainedModel, reader: StreamReader) -> str:
    """Return why a model that reads streams cannot read them in two parts; "" if it can.

    That is tried out, too: some models change what enters the first layer, or keep their layers
    under another name.
    """
    parted = replace(reader, in_parts=True)
    try:
        with torch.inference_mode():
            past = padding.read_prefix(causal, _PREFIX)
            if past is None or len(past) < 2:
                return "the model has one layer"
            whole = reader.last_hidden(causal, len(_PREFIX), past, _ROWS)
            below = parted.below(causal, len(_PREFIX), past, _ROWS, len(past) // 2)
            halves = parted.last_hidden(causal, len(_PREFIX), past, _ROWS, below)
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError) as error:
        return f"the model refuses it ({error})"
    return "" if _alike(whole, halves) else "the answers differ from those of the whole"


def _alike(padded: Tensor, streamed: Tensor) -> bool:
    share = _EXACT if padded.dtype == torch.float32 else _ROUNDED
    largest = float(padded.abs().max())
    return torch.allclose(padded, streamed, rtol=_RELATIVE, atol=share * largest)
