"""What a model knows after a prompt's prefix: read once, and gone on from by every text.

Layers that attend keep keys and values, those that attend within a window, too: the window is
in the mask. Layers of another kind (state spaces, convolutions) keep a state.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import (
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionLayer,
)

from backend.engine.head import Head

Layer = TypeVar("Layer")
Pairs = tuple[tuple[Tensor, Tensor], ...]  # keys and values (1, heads, p, d) of each layer


@dataclass(frozen=True)
class Past:
    """cache: of p tokens, one row. pairs: of each layer; None if a layer keeps something else.

    window: tokens that the layer with the narrowest window sees, itself included; None if all
    layers see all.
    """

    cache: DynamicCache
    pairs: Pairs | None
    window: int | None

    @property
    def nbytes(self) -> int:
        """Of one row's state, which each row of a batch has a copy of once texts go on from it."""
        return sum(_nbytes(layer) for layer in self.cache.layers)

    def repeated(self, rows: int) -> DynamicCache:
        """Return a cache of so many rows that go on from here. It shares the keys and values."""
        cache = copy.copy(self.cache)
        cache.layers = list(map(partial(_repeated, rows=rows), self.cache.layers))
        return cache


def read_prefix(causal: PreTrainedModel, prefix: Sequence[int], head: Head) -> Past:
    """Read p tokens."""
    cache = DynamicCache(config=causal.config)
    windows = [w for layer in cache.layers if (w := getattr(layer, "sliding_window", None))]
    for i, layer in enumerate(cache.layers):
        if type(layer) is DynamicSlidingWindowLayer:
            cache.layers[i] = DynamicLayer()  # type: ignore[no-untyped-call]
    ids = torch.tensor([prefix], device=causal.device)
    nothing = torch.tensor([], dtype=torch.long, device=causal.device)
    head.logits(
        [0], nothing, nothing,
        lambda: causal(input_ids=ids, past_key_values=cache, use_cache=True),
    )  # fmt: skip
    return Past(cache, _pairs(cache), min(windows, default=None))


def _pairs(cache: DynamicCache) -> Pairs | None:
    pairs = []
    for layer in cache.layers:
        if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
            return None
        pairs.append((layer.keys, layer.values))
    return tuple(pairs)


def _nbytes(layer: object) -> int:
    held = [getattr(layer, "keys", None), getattr(layer, "values", None)]
    if isinstance(layer, LinearAttentionLayer):
        held += [*layer.conv_states.values(), *layer.recurrent_states.values()]
    return sum(state.nbytes for state in held if state is not None)


def _repeated(layer: Layer, rows: int) -> Layer:
    """Return a layer's state for so many rows: of keys and values views, and copies of other
    states, since models write into these."""
    mine = copy.copy(layer)
    if isinstance(mine, DynamicLayer) and mine.keys is not None and mine.values is not None:
        mine.keys = mine.keys.expand(rows, *mine.keys.shape[1:])
        mine.values = mine.values.expand(rows, *mine.values.shape[1:])
    if isinstance(mine, LinearAttentionLayer):
        for name in ("conv_states", "recurrent_states"):
            states = getattr(mine, name).items()
            copies = {i: s if s is None else s.repeat_interleave(rows, 0) for i, s in states}
            setattr(mine, name, copies)
        mine.has_previous_state = dict(mine.has_previous_state)
        # gradients need a state as it was when it was read, and this method writes over it
        mine.update_recurrent_state = partial(_put, mine)  # type: ignore[method-assign]
    return mine


def _put(
    layer: LinearAttentionLayer, recurrent_states: Tensor, state_idx: int = 0, **_more: object
) -> Tensor:
    layer.recurrent_states[state_idx] = recurrent_states
    return recurrent_states
