"""Reads examples again and again while the upper layers of the model learn.

Nothing below the lowest adapter changes in training, so a text always leaves those layers in the
same state. Kept, it saves that part of all forward passes but the first.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from backend.engine.cpu.below import Below
from backend.engine.llm import Asked, Llm

_ROOM = 1 << 29  # bytes that are kept at most; texts beyond that are read whole each time


class TrainingReader:
    """Answers n texts (token ids) after one prompt. layers: the lowest ones, which do not learn."""

    def __init__(
        self, base: Llm, asked: Asked, texts: Sequence[Sequence[int]], layers: int
    ) -> None:
        self.base = base
        self.asked = asked
        self.texts = texts
        self._layers = layers
        self._kept: dict[int, Tensor] = {}
        self._room = _ROOM

    def answer(self, rows: Sequence[int]) -> Tensor:
        """Return (b, k) logits, with gradients for what learns. rows: (b,) positions of texts."""
        texts = [self.texts[row] for row in rows]
        return self.base.answer(self.asked, texts, self._below(rows))

    def _below(self, rows: Sequence[int]) -> Below:
        new = [row for row in rows if row not in self._kept]
        states: dict[int, Tensor] = {}
        if new:
            with torch.no_grad():
                below = self.base.below(self.asked, [self.texts[row] for row in new], self._layers)
            if not below.layers:
                return below
            states = dict(zip(new, below.states, strict=True))
        for row, state in states.items():
            if state.nbytes <= self._room:
                self._kept[row] = state.clone()  # a view would hold the whole batch
                self._room -= state.nbytes
        known = self._kept | states
        return Below(self._layers, [known[row] for row in rows])
