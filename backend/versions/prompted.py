"""The version that there always is: the base model as it is, asked with the project's policy."""

from backend.versions.manifest import Manifest, version_name
from backend.versions.registry import Registry
from selection.errors import ProjectError


def prompted(
    registry: Registry, project: int, model: str, policy: str, labels: tuple[str, ...]
) -> Manifest:
    """Return the prompted version of a project, made if it is not there yet.

    Raises ProjectError for an empty policy.
    """
    if not policy.strip():
        raise ProjectError(
            f"Project {project} has no policy. Write it into the project's labeling instructions "
            f"(Settings, Annotation): experts and model read the same text."
        )
    version = version_name("prompted", model, policy, labels)
    manifest = Manifest(version, "prompted", -1, model, policy, labels)
    return registry.build(project, version, lambda _: manifest)
