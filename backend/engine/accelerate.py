"""Everything that makes a model faster, applied by one call.

Each part gives the values that it replaces, and is left out where it does not fit the model, the
machine or this version of torch. The adapters' own layer is in lora.py.
"""

import logging
from dataclasses import replace

from torch import Tensor

from backend.engine.cpu import attention, onednn
from backend.engine.cpu.rmsnorm import use_torch_rmsnorm
from backend.engine.head import Head
from backend.engine.past import Past, read_prefix
from backend.engine.stream.attention import NAME, Arrange
from backend.engine.stream.last_layer import trim_last_mlp
from backend.engine.stream.reader import StreamReader
from backend.engine.stream.spans import by_spans
from backend.engine.trial import ANSWERS, PREFIX, ROWS, Trial

log = logging.getLogger(__name__)


def accelerate(trial: Trial, head: Head, past: Past | None) -> StreamReader | None:
    """Make a model faster, in place, and log which parts took and why others did not.

    past: of the trial's prefix, None for a model that cannot go on from one. Return what reads
    texts as one stream; None where they must be read as padded rows.
    """
    causal = trial.causal
    if causal.device.type == "cpu":
        _use_products(trial)
    arrange, by = _arrangement(causal.device.type)
    reader = StreamReader(head, arrange, trim_last_mlp(causal.base_model))
    padded = _obstacle(trial, reader, past)
    if padded:
        last = "needs the stream"
    elif reader.last_mlp is None:
        last = "the last layer has no MLP by the usual name"
    else:
        last = "yes"
    parted = replace(reader, in_parts=True)
    whole = "needs the stream" if padded else _obstacle_to_parts(trial, parted)
    window = "" if past is None or past.window is None else f", of at most {past.window} tokens"
    log.info(
        "texts as one stream: %s; last MLP for the tokens that are read: %s; "
        "layers that do not learn read once: %s",
        padded or f"yes, {by}{window}", last, whole or "yes",
    )  # fmt: skip
    if padded:
        return None
    return reader if whole else parted


def _use_products(trial: Trial) -> None:
    """Make what a CPU computes faster, and log it."""
    norms = use_torch_rmsnorm(trial.causal)
    kept = onednn.obstacle()
    products = 0 if kept else onednn.use_onednn(trial.causal.base_model)
    log.info(
        "faster on a CPU: torch's RMS norms: %s; oneDNN's products: %s",
        f"{norms} layers" if norms else "no norm gives the same values",
        kept or f"{products} layers",
    )


def _arrangement(device: str) -> tuple[Arrange, str]:
    """Return how the texts of a stream are laid out for the attention, and that in words."""
    if device == "cpu" and attention.available():
        return attention.by_blocks, "in blocks"
    return by_spans, "in masked spans"


def _obstacle(trial: Trial, reader: StreamReader, past: Past | None) -> str:
    """Set the model up to read streams. Return why it cannot, and leave it as it was; or ""."""
    causal = trial.causal
    if past is None:
        return "the prefix is read with every text"
    if past.pairs is None:
        return "the model's state is no key-value cache"
    if not reader.reaches(len(PREFIX), past, ROWS):
        return f"a layer attends to {past.window} tokens only"
    usual = causal.config._attn_implementation

    def read() -> Tensor:
        causal.set_attn_implementation(NAME)
        mine = read_prefix(causal, PREFIX, reader.head)
        return reader.answer(causal, len(PREFIX), mine, ROWS, ANSWERS)

    found = trial.obstacle(read)
    if found:
        causal.set_attn_implementation(usual)
    return found


def _obstacle_to_parts(trial: Trial, reader: StreamReader) -> str:
    """Return why a model that reads streams cannot read them in two parts; "" if it can.

    Some models change what enters the first layer, or keep their layers under another name.
    """

    def read() -> Tensor:
        past = read_prefix(trial.causal, PREFIX, reader.head)
        layers = len(past.cache.layers) // 2
        below = reader.below(trial.causal, len(PREFIX), past, ROWS, layers)
        return reader.answer(trial.causal, len(PREFIX), past, ROWS, ANSWERS, below)

    return trial.obstacle(read)
