"""A model's answers, by its own forward pass, without the logits of a whole vocabulary.

What a model does to its logits (scales, soft caps, biases, layers before the head) differs between
architectures, and a head applied by hand would miss it. So the model runs as it is, with a head in
place that computes what is read: k tokens at one place of each text.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from selection.errors import ModelError


class Head:
    """A model's head. As little safe for two threads at once as the model itself.

    whole: compute all tokens' logits at the places that are read, for a model that does with them
    what cannot be done with k alone. Raises ModelError for a model without a head.
    """

    def __init__(self, causal: PreTrainedModel, whole: bool = False) -> None:
        head: Any = causal.get_output_embeddings()  # type: ignore[no-untyped-call]
        places = [
            (parent, name)
            for parent in causal.modules()
            for name, child in parent.named_children()
            if child is head
        ]
        if head is None or not places:
            raise ModelError("it has no head that gives a logit for each token")
        self._places = places
        self._head: nn.Module = head
        self._whole = whole or type(head) is not nn.Linear

    def logits(
        self, answers: Sequence[int], rows: Tensor, at: Tensor, run: Callable[[], Any]
    ) -> Tensor:
        """Return (r, k) float32 logits of the tokens `answers` that a run of the model gives.

        rows, at: (r,) which rows and tokens of the model's (b, t) input are read.
        """
        tokens = torch.tensor(answers, device=rows.device)
        small = _Small(self._head, None if self._whole else tokens, rows, at)
        for parent, name in self._places:
            setattr(parent, name, small)
        try:
            logits: Tensor = run().logits[:, 0].float()
        finally:
            for parent, name in self._places:
                setattr(parent, name, self._head)
        return logits[:, tokens] if self._whole else logits


class _Small(nn.Module):
    """(r, 1, k) logits from (b, t, h) hidden states; of the whole vocabulary for `tokens` None."""

    def __init__(self, head: Any, tokens: Tensor | None, rows: Tensor, at: Tensor) -> None:
        super().__init__()
        # in tuples, so that they are not taken for parts of the model
        self._read = rows, at
        self._from = head, tokens

    @property
    def weight(self) -> Tensor:
        """Some models look at its dtype."""
        weight: Tensor = self._from[0].weight
        return weight

    def forward(self, hidden: Tensor) -> Tensor:
        """(r, 1, k) from (b, t, h)."""
        head, tokens = self._from
        read = hidden[self._read][:, None]
        if tokens is None:
            logits: Tensor = head(read)
            return logits
        # in float32, as bfloat16 would round logits
        bias = None if head.bias is None else head.bias[tokens].float()
        return nn.functional.linear(read.float(), head.weight[tokens].float(), bias)
