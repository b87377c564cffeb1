"""Chosen rows -> tasks in the project's queue. Pushing twice changes nothing.

The order is written to a file before the first request and never removed: a push that was cut off
is repeated from it, and a task that is in the project already is not imported again. The round's
tab in the Data Manager is created last, so a tab means that the push is complete.
"""

from collections.abc import Callable, Iterable, Sequence

import tenacity

from selection.card import Card, read_card
from selection.errors import StudioDown
from selection.order import Order
from selection.studio.api import Project, Studio, Task, prediction
from selection.studio.task import Json

Name = tuple[str, int]  # of a task: its text's id in the pool, and the number of the twin
PAUSES = (1.0, 5.0, 15.0)  # seconds before a push that Label Studio cut off is taken up again
CHUNK = 50  # tasks in one import: what a cut-off request can leave in doubt


def tab_title(round: int) -> str:
    """Return the name of the round's tab in the Data Manager."""
    return f"Crux round {round}"


def push_patiently(
    studio: Studio,
    project: Project,
    order: Order,
    tasks: Sequence[Task],
    on_progress: Callable[[str, int, int], None],
) -> int:
    """Push what is missing, again if Label Studio fails: a busy SQLite answers 500 at times.

    on_progress: called with (step, done, total). Returns and raises what `push` does.
    """

    def on_pushed(done: int, total: int) -> None:
        on_progress("pushing tasks", done, total)

    def on_failure(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        on_progress(f"{error} Trying again in {state.upcoming_sleep:.0f} s.", 0, 0)

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(StudioDown),
        wait=tenacity.wait_chain(*map(tenacity.wait_fixed, PAUSES)),
        stop=tenacity.stop_after_attempt(1 + len(PAUSES)),
        before_sleep=on_failure,
        reraise=True,
    )
    try:
        new: int = attempts(push, studio, project, order, tasks, on_pushed)
    except StudioDown as error:
        raise StudioDown(
            f"{error} What is pushed stays; run crux round again to go on."
        ) from None
    return new


def push(
    studio: Studio,
    project: Project,
    order: Order,
    tasks: Sequence[Task],
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Push what is missing of the round; return the number of tasks that were new.

    tasks: of the project, as they were read once. Only those of this round, and what has come in
    since, is read again here: before the import and after it, since somebody else may push the
    same round at this moment. Raises StudioError; run again, it goes on where it stopped.
    """
    older = _older(tasks, order.round)
    present = {name for name, _ in _by_id([*older, *_newer(studio, project, older)])}
    missing = [i for i, card in enumerate(order.cards) if card.id not in present]
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        studio.import_tasks(
            project.id, [task_body(project, order.cards[i], order.texts[i]) for i in part]
        )
        if on_progress:
            on_progress(min(start + CHUNK, len(missing)), len(missing))
    _settle(studio, project, order, [*older, *_newer(studio, project, older)])
    return len(missing)


def _settle(studio: Studio, project: Project, order: Order, tasks: Sequence[Task]) -> None:
    """Delete what two pushes at once bought twice, set chances, create the tab."""
    kept = _by_id(tasks)
    twice = [
        task.id
        for task in tasks
        if task.crux is not None
        and task.crux.get("round") == order.round
        and kept[_name(task.crux)].id != task.id
        and not task.annotations
    ]
    if twice:
        studio.delete_tasks(project.id, twice)
    cards = {card.id: card for card in order.cards}
    for (name, _), task in kept.items():
        # the bulk import ignores a task's overlap, which only tasks of an older Crux have
        if name in cards and task.overlap != cards[name].places:
            studio.set_overlap(task.id, cards[name].places)
        crux = task.crux or {}
        if name in order.inclusion and crux.get("inclusion") != order.inclusion[name]:
            meta = {**task.meta, "crux": {**crux, "inclusion": order.inclusion[name]}}
            studio.set_meta(task.id, meta)
    if tab_title(order.round) not in studio.tabs(project.id):
        studio.create_tab(project.id, tab_title(order.round), order.round)


def _older(tasks: Sequence[Task], round: int) -> list[Task]:
    """Return the tasks with lower ids than every task of this round."""
    ids = (task.id for task in tasks if task.crux is not None and task.crux.get("round") == round)
    first = min(ids, default=None)
    return [task for task in tasks if first is None or task.id < first]


def _newer(studio: Studio, project: Project, older: Sequence[Task]) -> list[Task]:
    """Read the tasks that come after these: Label Studio's ids ascend."""
    last = max((task.id for task in older), default=0)
    return studio.tasks(project.id, project.schema, after=last)


def _by_id(tasks: Iterable[Task]) -> dict[Name, Task]:
    """Return bought tasks by their names; of two, the answered or older one."""
    found: dict[Name, Task] = {}
    for task in sorted(tasks, key=lambda t: (not t.annotations, t.id)):
        card = read_card(task.id, task.crux)
        if card is not None:
            found.setdefault((card.id, card.twin or 0), task)
    return found


def _name(crux: Json) -> Name:
    return crux["id"], crux.get("twin") or 0


def task_body(project: Project, card: Card, text: str) -> Json:
    """Return the task as Label Studio imports it, with a pre-annotation unless it is blind."""
    body: Json = {
        "data": {project.schema.text_field: text, **card.as_columns()},
        "meta": card.as_meta(),
        "overlap": card.places,
    }
    if not card.blind:
        best = max(card.belief, key=card.belief.__getitem__)
        body["predictions"] = [prediction(project.schema, best, card.belief[best], card.version)]
    return body
