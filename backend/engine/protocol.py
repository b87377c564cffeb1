"""What every engine does: texts -> logits of the answer tokens, by a version of the model.

There are two: local.py (a model in this process) and remote.py (an OpenAI-compatible server).
scorer.py makes probabilities of what they say, and remembers them.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from backend.engine.served import Served
from selection.types import Doubles

Said = Callable[[Sequence[int], Doubles], None]


class Engine(Protocol):
    """Asked from many threads."""

    @property
    def waiting(self) -> int:
        """Texts that it has still to read. Answers at once, also while the model loads."""
        ...

    def answer(self, served: Served, texts: Sequence[str], said: Said) -> None:
        """Have all texts read; returns when all are.

        said: called in the calling thread after each batch with positions in `texts` and their
        (b, k) logits; its texts come in any order.

        Raises VersionError if the version's adapter is missing or damaged, ModelError if the model
        cannot be had or the policy does not fit into it.
        """
        ...
