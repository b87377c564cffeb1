"""A model version as an engine wants it: what is asked, of which weights, with which offsets."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Served:
    """A model version. adapter: its directory, None for the prompted base model.

    version: a name that no other version has, in any project. offsets: (k,) added to the logits of
    the labels, () for none.
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
