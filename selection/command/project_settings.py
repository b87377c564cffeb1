"""What Crux needs of a project's settings: `crux connect` sets it, `crux doctor` checks it."""

from collections.abc import Sequence
from typing import Any

from selection.errors import ProjectError
from selection.studio.api import Project, Studio, Task
from selection.studio.instruction import with_note
from selection.wording import counted

WANTED = {
    "sampling": "Sequential sampling",  # in order of import
    "show_instruction": True,
    "show_collab_predictions": True,
    "skip_queue": "REQUEUE_FOR_OTHERS",  # Label Studio's default; the page has no switch for it
}
WHY = {
    ("skip_queue", "REQUEUE_FOR_ME"): "a text that somebody skipped comes back to the same person, "
    "and the second task of a blind text goes to whoever answered the first",
    ("skip_queue", "IGNORE_SKIPPED"): "a skipped text counts as answered, and nobody is given the "
    "second task of a blind text",
    ("show_instruction", False): "experts can label without having been shown the policy",
    ("show_collab_predictions", False): "experts do not see the model's answers",
}
RULES = (
    "click Label All Tasks; do not open rows that others have answered; skip a text that the "
    "instructions do not decide; never use the action Create Annotations From Predictions"
)
NOTE = (  # paragraphs, since Label Studio's page shows lists without bullets
    "<hr><p><b>So that your answers count</b></p>"
    "<p>1. Click <b>Label All Tasks</b>. It brings the texts that wait for you, one after another. "
    "Some come with an answer of the model: change it where it is wrong.</p>"
    "<p>2. Do not open rows that others have answered: what you say after you have seen their "
    "answers does not count.</p>"
    "<p>3. <b>Skip</b> a text that the instructions above do not decide.</p>"
    "<p>4. Never use the action <b>Create Annotations From Predictions</b>: what it makes are "
    "answers of the model, not yours, and they do not count.</p>"
)


def check_settings(project: Project) -> str:
    """Check that experts get the right tasks in the right order, and are told how to label."""
    found = {
        "sampling": project.sampling,
        "show_instruction": project.shows_instruction,
        "show_collab_predictions": project.shows_predictions,
        "skip_queue": project.skip_queue,
    }
    wrong = [
        f"{name} is {value!r}, so "
        + WHY.get((name, value), "experts do not get the tasks in Crux's order")
        for name, value in found.items()
        if value != WANTED[name]
    ]
    if project.overlap != 1:
        wrong.append(
            f"maximum_annotations is {project.overlap}, so every new task waits for "
            f"{project.overlap} people, where Crux gives each person a task of their own"
        )
    if with_note(project.instruction, NOTE) != project.instruction:
        wrong.append("the instructions do not tell annotators how to label so that it counts")
    if wrong:
        raise ProjectError(f"{'; '.join(wrong)}. Run crux connect, which sets this right.")
    return "tasks come in Crux's order and each for one person; the instructions say how to label"


def set_settings(project: Project, studio: Studio) -> str:
    """Set what differs; say what was left as it is."""
    changes: dict[str, Any] = dict(WANTED)
    left = ""
    noted = with_note(project.instruction, NOTE)
    if noted != project.instruction:
        changes["expert_instruction"] = noted
    if project.overlap != 1:
        # Label Studio then gives every task of the project this overlap. A blind task of an older
        # Crux, which asks all of its experts, would count as done after the first of them.
        waiting = len(_waiting_for_several(studio.tasks(project.id, project.schema)))
        if waiting:
            left = (
                f"; maximum_annotations stays {project.overlap} while an older Crux's "
                f"{counted(waiting, 'blind task')} still ask several experts each: run crux "
                "connect again when they are done"
            )
        else:
            changes["maximum_annotations"] = 1
    studio.update_project(project.id, **changes)
    return f"tasks come in Crux's order, and the instructions say how to label{left}"


def _waiting_for_several(tasks: Sequence[Task]) -> list[Task]:
    return [
        task
        for task in tasks
        if task.open and task.overlap > 1 and task.blind and (task.crux or {}).get("twin") is None
    ]
