"""Chosen rows -> tasks in the project's queue. Pushing twice changes nothing.

The round is written down as a file before the first request and removed by nobody: a push that
was cut off is repeated from it, and every task that stands in the project already is left alone.
The round's tab in the Data Manager is made last, so a tab says that the push is complete.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selection.card import Card, read_card
from selection.errors import RoundError
from selection.studio.api import Project, Studio, Task, prediction

CHUNK = 50  # tasks in one import: what a cut-off request can leave in doubt
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Order:
    """Everything that a round pushes. texts: one for each card. inclusion: new chances of tasks
    that earlier rounds audited, by id."""

    round: int
    cards: tuple[Card, ...]
    texts: tuple[str, ...]
    inclusion: dict[str, float]

    def save(self, path: Path) -> None:
        """Write the file whole or not at all. Raises RoundError on a full disk."""
        body = asdict(self)
        unfinished = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(body), encoding="utf-8")
            os.replace(unfinished, path)
        except OSError as error:
            with suppress(OSError):  # the folder itself may be what is wrong
                unfinished.unlink(missing_ok=True)
            raise RoundError(
                f"Cannot write the round to {path}: {error.strerror or error}. Free some space "
                f"and run crux round again; nothing was pushed."
            ) from None

    @classmethod
    def load(cls, path: Path) -> "Order":
        """Read a file that `save` wrote. Raises RoundError if it is damaged."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            cards = tuple(Card(**card) for card in body["cards"])
            texts = tuple(body["texts"])
            if len(texts) != len(cards):
                raise ValueError(f"{len(cards)} cards for {len(texts)} texts")
            return cls(body["round"], cards, texts, body["inclusion"])
        except (ValueError, KeyError, TypeError) as error:
            raise RoundError(
                f"The round's file {path} is damaged ({error}). Delete it and run crux round "
                f"again: the choice is made anew."
            ) from None


def tab_title(round: int) -> str:
    """Name of the round's tab in the Data Manager."""
    return f"Crux round {round}"


def push(studio: Studio, project: Project, order: Order, progress: Progress | None = None) -> int:
    """Push what is missing of the round; the number of tasks that were new.

    Raises StudioError; run again, it goes on where it stopped.
    """
    there = _there(studio.tasks(project.id, project.schema))
    missing = [i for i, card in enumerate(order.cards) if card.id not in there]
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        studio.import_tasks(
            project.id, [_task(project, order.cards[i], order.texts[i]) for i in part]
        )
        if progress:
            progress(min(start + CHUNK, len(missing)), len(missing))
    _settle(studio, project, order)
    return len(missing)


def _settle(studio: Studio, project: Project, order: Order) -> None:
    """Drop what two pushes at once bought twice, set overlaps and chances, make the tab."""
    tasks = studio.tasks(project.id, project.schema)
    kept = _there(tasks)
    twice = [
        task.id
        for task in tasks
        if task.crux is not None
        and task.crux.get("round") == order.round
        and kept[task.crux["id"]].id != task.id
        and not task.annotations
    ]
    if twice:
        studio.delete_tasks(project.id, twice)
    wanted = {card.id: card.experts for card in order.cards}
    for name, task in kept.items():
        if name in wanted and task.overlap != wanted[name]:
            studio.set_overlap(task.id, wanted[name])
        crux = task.crux or {}
        if name in order.inclusion and crux.get("inclusion") != order.inclusion[name]:
            meta = {**task.meta, "crux": {**crux, "inclusion": order.inclusion[name]}}
            studio.set_meta(task.id, meta)
    if tab_title(order.round) not in studio.tabs(project.id):
        studio.create_tab(project.id, tab_title(order.round), order.round)


def _there(tasks: Sequence[Task]) -> dict[str, Task]:
    """Bought tasks by the id of the pool; of two with one id the answered or older one."""
    there: dict[str, Task] = {}
    for task in sorted(tasks, key=lambda t: (not t.annotations, t.id)):
        card = read_card(task.id, task.crux)
        if card is not None:
            there.setdefault(card.id, task)
    return there


def _task(project: Project, card: Card, text: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "data": {project.schema.text_field: text, **card.as_columns()},
        "meta": card.as_meta(),
        "overlap": card.experts,
    }
    if not card.blind:
        best = max(card.belief, key=card.belief.__getitem__)
        body["predictions"] = [prediction(project.schema, best, card.belief[best], card.version)]
    return body
