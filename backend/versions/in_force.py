"""The version in force: what answers for a project, also while the current one is damaged."""

from collections.abc import Callable, Iterator

from backend.versions.registry import Manifest, Registry
from selection.errors import VersionError

Told = Callable[[VersionError], None]


def in_force(
    registry: Registry, project: int, model: str, labels: tuple[str, ...], told: Told
) -> Manifest | None:
    """The current version if it is whole; else the last one before it that is.

    None where the prompted model answers: before the first promotion, where no version is whole,
    and where the one found was made for other labels or another base model. told: is called with
    what is wrong with each version (or with the pointer) that cannot be used.
    """
    for version in _candidates(registry, project, told):
        try:
            manifest = registry.intact(project, version)
        except VersionError as error:
            told(error)
            continue
        return manifest if fits(manifest, model, labels) else None
    return None


def fits(manifest: Manifest, model: str, labels: tuple[str, ...]) -> bool:
    """Whether a version still answers the project's question: same base model, same labels."""
    return manifest.model == model and manifest.labels == labels


def _candidates(registry: Registry, project: int, told: Told) -> Iterator[str]:
    """The current version, then those that were in force after each round, the last first."""
    seen = set()
    try:
        current = registry.current(project)
    except VersionError as error:
        told(error)
    else:
        if current is None:
            return
        seen.add(current)
        yield current
    try:
        records = registry.records(project)
    except VersionError as error:
        told(error)
        return
    for record in reversed(records):
        if record.version not in seen:
            seen.add(record.version)
            yield record.version
