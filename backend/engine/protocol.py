"""What every engine does: texts -> logits of the answer tokens, by a version of the model.

There are two: local.py (a model in this process) and remote/ (an OpenAI-compatible server).
scorer.py turns their logits into probabilities, and remembers these.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from backend.engine.served import Served
from selection.types import Doubles

if TYPE_CHECKING:  # torch takes seconds to import, and not every process needs it
    from backend.engine.adapters import Adapters
    from backend.engine.llm import Llm

T = TypeVar("T")
OnBatch = Callable[[Sequence[int], Doubles], None]
Observe = Callable[[int, int, float], None]  # texts, tokens and seconds of a forward pass


class Trainable(Protocol):
    """Owns a base model that can be trained."""

    def train(self, run: "Callable[[Llm, Adapters], T]") -> T:
        """Return what `run` makes of the model; whatever is to be read meanwhile waits.

        `run` leaves model and adapters as it found them, and asks the engine nothing: it would
        wait for itself.

        Raises ModelError if the model cannot be had, and what `run` raises.
        """
        ...


class Engine(Trainable, Protocol):
    """Asked from many threads."""

    @property
    def waiting(self) -> int:
        """Texts still to be read. Answers at once, also while the model loads."""
        ...

    def answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        """Return when all texts are read.

        on_batch: called in the calling thread after each batch, with positions in `texts` and
        their (b, k) logits; the texts come in any order.

        Raises VersionError if the version's adapter is missing or damaged, ModelError if the model
        cannot be had or the policy does not fit into it.
        """
        ...
