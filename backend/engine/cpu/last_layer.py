"""The last layer's MLP, for the tokens alone whose hidden state is read.

What the last layer makes of all other tokens goes nowhere: no layer after it attends to them. Its
MLP is three quarters of it, so of a model of 30 layers this is one part in forty.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


class Ends:
    """Changes how one MLP answers. Not safe for two threads at once, as the model is not."""

    def __init__(self, mlp: nn.Module) -> None:
        self._whole = mlp.forward
        self._ends: Tensor | None = None
        mlp.forward = self._answer

    @contextmanager
    def only(self, ends: Tensor) -> Iterator[None]:
        """Within it the MLP gives zeros for all tokens but these. ends: (n,) places in a stream."""
        self._ends = ends
        try:
            yield
        finally:
            self._ends = None

    def _answer(self, hidden: Tensor, *args: Any, **more: Any) -> Any:
        """(1, t, h) from (1, t, h)."""
        if self._ends is None:
            return self._whole(hidden, *args, **more)
        read = self._whole(hidden.index_select(1, self._ends), *args, **more)
        return hidden.new_zeros(hidden.shape).index_copy(1, self._ends, read)


def of(model: nn.Module) -> Ends | None:
    """Of the model's last layer; None where it has no MLP by the usual name."""
    layers = getattr(model, "layers", None)
    if not isinstance(layers, nn.ModuleList) or not len(layers):
        return None
    mlp = getattr(layers[-1], "mlp", None)
    return Ends(mlp) if isinstance(mlp, nn.Module) else None
