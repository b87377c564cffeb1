"""Another Label Studio project as a pool: its tasks are the texts."""

from selection.errors import SettingError
from selection.pool import Reading, Row, check
from selection.studio.api import Project, Studio


def read_project_pool(
    studio: Studio, number: str, labelled: Project, max_characters: int
) -> Reading:
    """Read the texts of project `number`. labelled: the project in which experts label.

    Raises SettingError if the number is none or that of `labelled`, PoolError as pool.check does.
    """
    if not number.isdecimal() or int(number) == labelled.id:
        raise SettingError(
            f"The pool 'project:{number}' must name another project than {labelled.id}, "
            f"which experts label: give its number, as in project:12."
        )
    source = studio.project(int(number))
    rows = (
        Row(f"task {task.id}", f"task-{task.id}", task.data.get(source.schema.text_field))
        for task in studio.tasks(source.id, source.schema)
    )
    return check(rows, source=f"project:{number}", max_characters=max_characters)
