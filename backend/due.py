"""Verdicts and records -> the round that is to be trained on now, if any."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from selection.collect import Collected
from selection.errors import RoundError
from selection.push import tab_title


def due(
    project: int,
    collected: Collected,
    records: Sequence[dict[str, Any]],
    *,
    train_after: int,
    forced: bool,
    tabs: Callable[[int], Collection[str]],
) -> int | None:
    """The last round that is complete and has no record of being so; None if there is none.

    train_after: new verdicts after which the last round is due, complete or not; 0: never.
    forced: it is due in any case. tabs: titles of the project's tabs, asked for if they matter.
    Raises RoundError if it is forced and nothing was pushed.
    """
    last = collected.last_round
    if last < 0:
        if forced:
            raise RoundError(
                f"Project {project} has no task that Crux pushed. Run crux round first."
            )
        return None
    seen = records[-1]["labels_bought"] if records else 0
    if forced or (train_after and collected.labels_bought - seen >= train_after):
        return last
    done = records[-1]["round"] if records else -1
    partial = {record["round"] for record in records if not record["complete"]}
    complete = [
        round
        for round in collected.rounds
        if (round > done or round in partial) and collected.complete(round)
    ]
    if not complete:
        return None
    pushed = tabs(project)  # the tab is made when all tasks of a round are there
    return max((round for round in complete if tab_title(round) in pushed), default=None)
