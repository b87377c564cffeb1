"""The version in force: the one that answers for a project, also while the current is damaged."""

from collections.abc import Callable, Iterator

from backend.versions.manifest import Manifest
from backend.versions.registry import Registry
from selection.errors import VersionError

OnDamage = Callable[[VersionError], None]


def in_force(
    registry: Registry, project: int, model: str, labels: tuple[str, ...], on_damage: OnDamage
) -> Manifest | None:
    """Return the current version if it is intact, else the last one before it that is.

    None where the prompted model answers: before the first promotion, where no version is intact,
    and where the one found was made for other labels or another base model. on_damage: called
    with what is wrong with each version (or with the pointer) that cannot be used.
    """
    for version in _candidates(registry, project, on_damage):
        try:
            manifest = registry.intact(project, version)
        except VersionError as error:
            on_damage(error)
            continue
        return manifest if fits(manifest, model, labels) else None
    return None


def fits(manifest: Manifest, model: str, labels: tuple[str, ...]) -> bool:
    """Return whether a version has the project's base model and labels."""
    return not misfit(manifest, model, labels)


def misfit(manifest: Manifest, model: str, labels: tuple[str, ...]) -> str:
    """Return why a version cannot answer for a project, as half a sentence; "" if it can."""
    if manifest.labels != labels:
        return (
            f"the labels of {manifest.version} are {', '.join(manifest.labels)}, and those of the "
            f"label config {', '.join(labels)}"
        )
    if manifest.model != model:
        return (
            f"{manifest.version} was made from the base model {manifest.model!r}, and {model!r} "
            f"is set"
        )
    return ""


def replaceable(registry: Registry, project: int, manifest: Manifest) -> str:
    """Return why a candidate may take over from the version in force although nobody can tell yet
    whether it is worse, to follow "which"; "" if that version was trained and promoted.
    """
    if manifest.kind == "prompted":
        return "was never trained"
    try:
        promoted = registry.current(project)
    except VersionError:
        promoted = None
    return "" if manifest.version == promoted else "answers in place of the one that was promoted"


def _candidates(registry: Registry, project: int, on_damage: OnDamage) -> Iterator[str]:
    """Yield the current version, then those in force after each round, the last first."""
    seen = set()
    try:
        current = registry.current(project)
    except VersionError as error:
        on_damage(error)
    else:
        if current is None:
            return
        seen.add(current)
        yield current
    try:
        records = registry.records(project)
    except VersionError as error:
        on_damage(error)
        return
    for record in reversed(records):
        if record.version not in seen:
            seen.add(record.version)
            yield record.version
