"""A model read in two parts: its first layers, and the rest from where they left off."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Below:
    """What n texts are after the first `layers` layers: (t, h) each, for t tokens of a text."""

    layers: int
    states: Sequence[Tensor]


NOTHING_BELOW = Below(0, ())


@contextmanager
def only(model: Any, layers: slice) -> Iterator[nn.ModuleList]:
    """Within it the model has these of its layers alone. As little safe for two threads as it."""
    whole = model.layers
    model.layers = whole[layers]
    try:
        yield model.layers
    finally:
        model.layers = whole


@contextmanager
def left_by(layer: nn.Module) -> Iterator[list[Tensor]]:
    """Within it, what the layer returns is added to the list."""
    found: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)

    hook = layer.register_forward_hook(keep)
    try:
        yield found
    finally:
        hook.remove()
