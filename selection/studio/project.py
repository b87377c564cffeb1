"""A project: its label config, its policy, and which predictions experts see."""

from dataclasses import dataclass
from typing import Any

from selection.errors import ProjectError
from selection.studio.instruction import plain_text
from selection.studio.schema import Schema, parse_schema
from selection.studio.transport import Caller


@dataclass(frozen=True)
class Project:
    """A project as Crux needs it.

    policy: the labeling instruction as plain text. instruction: its HTML. overlap: how many people
    a new task asks. skip_queue: where a skipped task goes, by Label Studio's own names.
    """

    id: int
    title: str
    policy: str
    schema: Schema
    config_xml: str
    model_version: str
    tasks: int
    annotations: int
    overlap: int
    sampling: str
    shows_predictions: bool
    skip_queue: str = "REQUEUE_FOR_OTHERS"
    shows_instruction: bool = True
    instruction: str = ""


class Projects(Caller):
    """The calls about projects and their settings."""

    def project(self, project_id: int) -> Project:
        """Read a project.

        Raises StudioLacks if there is none, ProjectError if its label config does not fit.
        """
        found = self._read(f"project {project_id}", lambda: self._sdk.projects.get(project_id))
        return read_project(found)

    def projects(self) -> dict[int, str]:
        """Return number -> title of the projects that the token sees, the newest 20 first."""
        pager: Any = self._read(
            "the projects",
            lambda: self._sdk.projects.list(include="id,title", ordering="-id", page_size=20),
        )
        return {one.id: one.title or "" for one in pager.items or ()}

    def create_project(self, title: str, config: str, instruction: str, **settings: Any) -> Project:
        """Create a project that shows its instruction and serves tasks in order of import."""
        parse_schema(config)
        body = {"show_instruction": True, "sampling": "Sequential sampling", **settings}
        made = self._ask(
            f"the new project {title!r}",
            lambda: self._sdk.projects.create(
                title=title, label_config=config, expert_instruction=instruction, **body
            ),
        )
        return self.project(int(made.id or 0))

    def update_project(self, project_id: int, **settings: Any) -> Project:
        """Change settings by Label Studio's own names, such as show_collab_predictions."""
        self._ask(
            f"project {project_id}", lambda: self._sdk.projects.update(project_id, **settings)
        )
        return self.project(project_id)

    def set_model_version(self, project_id: int, version: str) -> None:
        """Choose the predictions that experts see: a version that has some, or a backend's title.

        Raises StudioError if there are none yet: import predictions first.
        """
        self._ask(
            f"model version {version!r} of project {project_id} (import its predictions first)",
            lambda: self._sdk.projects.update(project_id, model_version=version),
        )


def read_project(found: Any) -> Project:
    """Convert what the SDK returns. Raises ProjectError if the label config does not fit."""
    xml = found.label_config or ""
    try:
        schema = parse_schema(xml)
    except ProjectError as error:
        raise ProjectError(f"Project {found.id} ({found.title}): {error}") from error
    return Project(
        id=found.id,
        title=found.title or "",
        policy=plain_text(found.expert_instruction or ""),
        schema=schema,
        config_xml=xml,
        model_version=found.model_version or "",
        tasks=found.task_number or 0,
        annotations=found.total_annotations_number or 0,
        overlap=found.maximum_annotations or 1,
        sampling=str(found.sampling or ""),
        shows_predictions=bool(found.show_collab_predictions),
        skip_queue=str(found.skip_queue or ""),
        shows_instruction=bool(found.show_instruction),
        instruction=found.expert_instruction or "",
    )
