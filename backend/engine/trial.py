"""How a model can be read: found by trying, since no config tells it.

Some models do with their logits what needs all of them, some keep another state than keys and
values, some attend in ways that a stream of texts does not know (sinks, soft caps, biases). All of
that shows in the answers, or in an error about arguments that the model does not know. So each
faster way is compared with the model as it is, and taken if it gives the same.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from transformers import PreTrainedModel

from backend.engine.head import Head
from backend.engine.padding import PaddedReader
from backend.engine.past import Past, read_prefix
from selection.errors import ModelError

PREFIX = tuple(range(5, 12))  # token ids
ROWS = [[*range(7, 7 + length), 3, 4] for length in (1, 9, 4)]
ANSWERS = (3, 9, 10)
_RELATIVE = 0.02
# how far apart logits may be, as a share of the largest: in float32, and in fewer bits
_EXACT, _ROUNDED = 1e-4, 0.05
# in fewer bits an expert may be chosen otherwise, and a model would be refused for that
_NOT_CAUSAL = 0.25
# what a model raises that cannot be read in some way
_REFUSALS = (
    TypeError, ValueError, RuntimeError, AttributeError, KeyError, IndexError, AssertionError,
)  # fmt: skip


class Trial:
    """A model's own answers to a few rows, to compare others with.

    Raises ModelError if it has none, or if it is no causal model.
    """

    def __init__(self, causal: PreTrainedModel) -> None:
        self.causal = causal
        try:
            with torch.inference_mode():
                self._plain = torch.stack([self._alone(row)[-1] for row in ROWS])
                followed = self._alone([*ROWS[0], *ROWS[1]])[len(ROWS[0]) - 1]
        except _REFUSALS as error:
            raise ModelError(_refused(error)) from error
        if not self._alike(followed, self._plain[0], _NOT_CAUSAL):
            raise ModelError("later words change what it answers before them: it is not causal")

    def obstacle(self, read: Callable[[], Tensor]) -> str:
        """Return why (b, k) answers to ROWS after PREFIX are not the model's; "" if they are."""
        try:
            with torch.inference_mode():
                found = read()
        except _REFUSALS as error:
            return _refused(error)
        return "" if self._alike(found, self._plain) else "the answers differ"

    def _alone(self, row: Sequence[int]) -> Tensor:
        """Return (r, k) logits of ANSWERS after each token of a row."""
        ids = torch.tensor([[*PREFIX, *row]], device=self.causal.device)
        logits: Tensor = self.causal(input_ids=ids, use_cache=False).logits[0, len(PREFIX) :]
        return logits[:, list(ANSWERS)].float()

    def _alike(self, found: Tensor, plain: Tensor, rounded: float = _ROUNDED) -> bool:
        share = _EXACT if self.causal.dtype == torch.float32 else rounded
        largest = float(plain.abs().max())
        return torch.allclose(found, plain, rtol=_RELATIVE, atol=share * largest)


def padded_reader(trial: Trial) -> PaddedReader:
    """Return how rows are read. Raises ModelError if the model can be read in none of the ways."""
    found = ""
    for whole, pads in ((False, True), (True, True), (False, False), (True, False)):
        reader = PaddedReader(Head(trial.causal, whole), pads)
        found = trial.obstacle(partial(reader.answer, trial.causal, PREFIX, None, ROWS, ANSWERS))
        if not found:
            return reader
    raise ModelError(f"several texts at once cannot be read: {found}")


def kept_prefix(trial: Trial, reader: PaddedReader) -> tuple[Past | None, str]:
    """Return what the model knows after PREFIX, or None and why it cannot go on from there."""
    try:
        with torch.inference_mode():
            past = read_prefix(trial.causal, PREFIX, reader.head)
    except _REFUSALS as error:
        return None, _refused(error)
    found = trial.obstacle(partial(reader.answer, trial.causal, PREFIX, past, ROWS, ANSWERS))
    return (None if found else past), found


def _refused(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"the model refuses it ({lines[0][:200] if lines else type(error).__name__})"
