"""A model version as an engine needs it: what is asked, with which weights and offsets."""

from dataclasses import dataclass
from pathlib import Path

from backend.versions.manifest import Manifest
from backend.versions.registry import Registry


@dataclass(frozen=True)
class Served:
    """A model version. adapter: its directory, None for the prompted base model.

    version: a name that no other version has, in any project: what it answered is remembered by
    it. offsets: (k,) added to the logits of the labels, () for none. embedder: on whose vectors the
    probe in the adapter's directory reads, "" for none.
    """

    version: str
    policy: str
    labels: tuple[str, ...]
    adapter: Path | None
    offsets: tuple[float, ...] = ()
    embedder: str = ""

    def __post_init__(self) -> None:
        if self.offsets and len(self.offsets) != len(self.labels):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.labels)} labels")

    @property
    def base(self) -> "Served":
        """The same question to the base model."""
        return Served(f"{self.version} (base)", self.policy, self.labels, None)


def served(registry: Registry, project: int, manifest: Manifest) -> Served:
    """Return a project's version. Raises VersionError if its adapter is missing or damaged."""
    return Served(
        version=f"{project}/{manifest.version}",
        policy=manifest.policy,
        labels=manifest.labels,
        adapter=registry.adapter(project, manifest),
        offsets=manifest.offsets,
        embedder=manifest.embedder,
    )
