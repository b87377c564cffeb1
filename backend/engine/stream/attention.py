"""Attention of many texts to one prefix that they share, and of each to itself.

Registered with transformers as NAME. How the texts of a stream are laid out for it is told by an
Arrangement: on CPUs by cpu/attention.py, elsewhere by spans.py. Neither copies the prefix a text.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from backend.engine.past import Pairs
from backend.engine.stream.packing import Stream

NAME = "crux_shared_prefix"


class Arrangement(Protocol):
    """The attention of one stream's texts, the same in all layers."""

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, pk: Tensor, pv: Tensor, scale: float | None
    ) -> Tensor:
        """Return (1, t, heads, d): softmax over the prefix, and the text up to the token that asks.

        q: (1, heads, t, d). k, v: (1, groups, t, d). pk, pv: (1, groups, p, d), constants. scale:
        of the scores, None for 1 / sqrt(d).
        """


Arrange = Callable[[Stream], Arrangement]


@dataclass(frozen=True)
class Shared:
    """What a pass over a stream attends with. prefix: keys and values of each layer."""

    prefix: Pairs
    arrangement: Arrangement


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    shared: Shared | None = None,
    **more: Any,
) -> tuple[Tensor, Tensor | None]:
    """(1, t, heads, d) from query (1, heads, t, d), key and value (1, groups, t, d).

    Without `shared` this is transformers' own "sdpa"; with it the mask is ignored.
    """
    if shared is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **more
        )
    pk, pv = shared.prefix[module.layer_idx]
    return shared.arrangement(query, key, value, pk, pv, scaling), None


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
