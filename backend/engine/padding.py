"""A prompt's prefix and the texts after it, read in the way that every causal LM allows.

The texts of a batch are rows, padded on the right. Nothing is masked: in a causal model no token
attends to the padding, which comes after it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

Past = tuple[tuple[Tensor, Tensor], ...]  # keys and values (1, heads, p, d) of each layer

MULTIPLE = 8  # of widths: few different ones keep the allocator's memory from growing


def width(tokens: int) -> int:
    """Return the padded width of a batch whose longest row has `tokens`."""
    return -(-tokens // MULTIPLE) * MULTIPLE


def read_prefix(causal: PreTrainedModel, prefix: Sequence[int]) -> Past | None:
    """Return the key-value cache of p tokens; None for a model that keeps another kind of state."""
    cache = DynamicCache(config=causal.config)
    ids = torch.tensor([prefix], device=causal.device)
    causal.base_model(input_ids=ids, past_key_values=cache, use_cache=True)
    pairs = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            return None
        pairs.append((layer.keys, layer.values))
    return tuple(pairs)


def last_hidden(
    causal: PreTrainedModel, prefix: Sequence[int], past: Past | None, rows: Sequence[Sequence[int]]
) -> Tensor:
    """Return (b, h) hidden states of the last tokens of b rows (token ids) after the prefix.

    past: of the prefix. Where it is None each row reads the prefix again.
    """
    if past is None:
        rows = [[*prefix, *row] for row in rows]
    ids = torch.zeros(len(rows), width(max(map(len, rows))), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    hidden: Tensor = causal.base_model(
        input_ids=ids.to(causal.device),
        past_key_values=None if past is None else _repeated(past, len(rows)),
        use_cache=past is not None,
    ).last_hidden_state
    last = torch.tensor([len(row) - 1 for row in rows], device=hidden.device)
    return hidden[torch.arange(len(rows), device=hidden.device), last]


def _repeated(past: Past, rows: int) -> DynamicCache:
    return DynamicCache([(k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in past])
