"""Everything that makes a model faster on a CPU, applied by one call.

Each part gives the values that it replaces, and is left out where it does not fit the model, the
machine or this version of torch. The adapters' own layer is in lora.py.
"""

import logging
from dataclasses import replace

from transformers import PreTrainedModel

from backend.engine.cpu import onednn
from backend.engine.cpu.last_layer import trim_last_mlp
from backend.engine.cpu.rmsnorm import use_torch_rmsnorm
from backend.engine.cpu.stream import StreamReader, obstacle, obstacle_to_parts

log = logging.getLogger(__name__)


def accelerate(causal: PreTrainedModel) -> StreamReader | None:
    """Make a model on a CPU faster, in place, and log which parts took and why others did not.

    Return what reads texts as one stream; None where they must be read as padded rows.
    """
    norms = use_torch_rmsnorm(causal)
    kept = onednn.obstacle()
    products = 0 if kept else onednn.use_onednn(causal.base_model)
    reader = StreamReader(trim_last_mlp(causal.base_model))
    padded = obstacle(causal, reader)
    if padded:
        last = "needs the stream"
    elif reader.last_mlp is None:
        last = "the last layer has no MLP by the usual name"
    else:
        last = "yes"
    whole = "needs the stream" if padded else obstacle_to_parts(causal, reader)
    log.info(
        "faster on a CPU: texts as one stream: %s; last MLP for the tokens that are read: %s; "
        "layers that do not learn read once: %s; torch's RMS norms: %s; oneDNN's products: %s",
        padded or "yes",
        last,
        whole or "yes",
        f"{norms} layers" if norms else "no norm gives the same values",
        kept or f"{products} layers",
    )
    return None if padded else replace(reader, in_parts=not whole)
