"""The second verdict on a text, independent by construction: each expert gets a task of their own.

Label Studio shows the annotations of a task to everybody who opens it, so a task is asked of one
person only. When it is answered, the text comes again in a new task, its twin, for somebody else.
Those who know the text already are kept away: the twin is born with an empty, cancelled annotation
in their names, and Label Studio's queue serves a task to nobody who has an annotation in it. Label
Studio regards a task that is imported with annotations as done, so it sleeps until it is reopened:
there is no moment at which the wrong person could be served it. (On SQLite a busy Label Studio can
lose the annotations of an import. They are then added one by one, at once, and at every look.)

A twin also replaces a task that the queue regards as done although nobody answered it, for example
because somebody made an annotation from its prediction. A text that needs no further answer leaves
the queue, or whoever joins later would be asked about it before anything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from selection.card import Card
from selection.collect import Collected
from selection.push import task_body
from selection.studio.api import Project, Studio, Task
from selection.studio.task import Json, placeholder


@dataclass(frozen=True)
class Twin:
    """The next task of a text. away: numbers of the users who must not be served it."""

    text: str
    card: Card
    away: tuple[int, ...]


def due(collected: Collected) -> Iterator[Twin]:
    """Yield a twin for each text that waits for an answer while no task of it is in the queue."""
    for item in collected.items:
        if item.card.twin is not None and item.missing and not (item.queued or item.asleep):
            away = tuple(sorted(item.know))
            yield Twin(item.text, replace(item.card, twin=item.card.twin + 1), away)


def push_twins(studio: Studio, project: Project, collected: Collected) -> int:
    """Put the twins that are due into the queue; return how many. Raises StudioError.

    Those that a killed worker has imported and not reopened are reopened now, and the tasks of
    texts that need no further answer leave the queue.
    """
    for item in collected.items:
        for task, user in item.unguarded if item.missing else ():
            studio.keep_away(task, user)
        for task in item.queued if item.card.twin is not None and item.done else ():
            studio.close(task)
    asleep = [item.asleep for item in collected.items if item.asleep and item.missing]
    twins = list(due(collected))
    if twins:
        made = studio.import_tasks(project.id, [_body(project, twin) for twin in twins])
        _guard(studio, project, dict(zip(made, twins, strict=True)))
        asleep += made
    for task in asleep:
        studio.reopen(task)
    return len(asleep)


def _guard(studio: Studio, project: Project, made: Mapping[int, Twin]) -> None:
    """Add the placeholders that the import has lost. made: number of the task -> its twin."""
    for task in studio.tasks(project.id, project.schema, after=min(made) - 1):
        away = made[task.id].away if task.id in made else ()
        for user in sorted({*away} - {one.user for one in task.annotations}):
            studio.keep_away(task.id, user)


def ask_fewer(
    studio: Studio, tasks: Sequence[Task], collected: Collected, experts: int
) -> int:
    """Lower what the open round asks of each text to `experts`; return how many texts that is.

    A round that waits for a second person ends when the admin decides to live without one.
    """
    open_texts = [item for item in collected.round(collected.last_round) if item.missing]
    names = {item.card.id for item in open_texts if item.card.experts > experts}
    for task in tasks:
        if task.crux is not None and task.crux.get("id") in names:
            studio.set_meta(task.id, {**task.meta, "crux": {**task.crux, "experts": experts}})
            if task.crux.get("twin") is None:  # it asks all of its experts itself
                studio.set_overlap(task.id, experts)
    return len(names)


def _body(project: Project, twin: Twin) -> Json:
    body = task_body(project, twin.card, twin.text)
    return body | {"annotations": [placeholder(user) for user in twin.away]}
