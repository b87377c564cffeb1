"""What every engine does: texts -> logits of the answer tokens, by a version of the model.

There are two: local.py (a model in this process) and remote.py (an OpenAI-compatible server).
scorer.py makes probabilities of what they say, and remembers them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from selection.types import Doubles

Said = Callable[[Sequence[int], Doubles], None]


@dataclass(frozen=True)
class Served:
    """A model version. adapter: its directory, None for the prompted base model.

    offsets: (k,) added to the logits of the labels, () for none.
    """

    version: str
    policy: str
    labels: tuple[str, ...]
    adapter: Path | None
    offsets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.offsets and len(self.offsets) != len(self.labels):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.labels)} labels")

    @property
    def base(self) -> "Served":
        """The same question to the base model."""
        return Served(f"{self.version} (base)", self.policy, self.labels, None)


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
