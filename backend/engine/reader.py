"""Reads texts again and again, for the steps of a training and for one version after the other.

Adapters change the upper layers of the model only. So whatever was learned, the layers below leave
a text in the same state. Kept, that state saves their part of all readings but the first.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from backend.engine.llm import Asked, Llm
from backend.engine.prompt import Prompt
from backend.engine.stream.below import Below

ROOM = 1 << 29  # bytes of states

_Row = tuple[int, ...]


class Reader:
    """Answers texts (token ids) by a model whose upper layers change between the calls.

    room: bytes that are kept at most. The states after the prompt that was asked last come first;
    once they fill the room, other texts are read whole each time.
    """

    def __init__(self, base: Llm) -> None:
        self.base = base
        self._left = ROOM
        self._kept: OrderedDict[tuple[Prompt, int], dict[_Row, Tensor]] = OrderedDict()

    def answer(self, asked: Asked, texts: Sequence[Sequence[int]], layers: int) -> Tensor:
        """Return (b, k) logits of the answer tokens after each of b texts, as Llm.answer does.

        layers: the lowest ones of the model, which are as they were in the calls before.
        """
        return self.base.answer(asked, texts, self._below(asked, [*map(tuple, texts)], layers))

    def _below(self, asked: Asked, texts: list[_Row], layers: int) -> Below:
        place = asked.prompt, layers
        kept = self._kept.setdefault(place, {})
        self._kept.move_to_end(place)
        new = list(dict.fromkeys(text for text in texts if text not in kept))
        states: dict[_Row, Tensor] = {}
        if new:
            with torch.no_grad():
                below = self.base.below(asked, new, layers)
            if not below.layers:
                return below
            states = dict(zip(new, below.states, strict=True))
            for text, state in states.items():
                if self._has_room(state.nbytes):
                    kept[text] = state.clone()  # a view would hold the whole batch
                    self._left -= state.nbytes
        return Below(layers, [states[text] if text in states else kept[text] for text in texts])

    def _has_room(self, needed: int) -> bool:
        """Make room by what is kept of other prompts, the one asked the longest time ago first."""
        while needed > self._left and len(self._kept) > 1:
            _, states = self._kept.popitem(last=False)
            self._left += sum(state.nbytes for state in states.values())
        return needed <= self._left
