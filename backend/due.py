"""Which round is to be trained on and measured now."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from selection.collect import Collected
from selection.corrections import changed_since
from selection.errors import RoundError
from selection.push import tab_title
from selection.record import Record


def due(
    project: int,
    collected: Collected,
    records: Sequence[Record],
    *,
    bought: int,
    train_after: int,
    forced: bool,
    tabs: Callable[[int], Collection[str]],
    settled_at: datetime,
) -> int | None:
    """Return the last complete round that has no complete record yet, None if there is none.

    The newest round is also due if verdicts were corrected after it was measured, the last of them
    before `settled_at`, so that somebody who corrects several starts one training. bought: verdicts
    that were ever given. train_after: number of new ones after which the last round is due,
    complete or not; 0 for never. forced: the last round is due in any case. tabs: project -> titles
    of its tabs, called only if they matter. Raises RoundError if forced and nothing was pushed.
    """
    last = collected.last_round
    if last < 0:
        if forced:
            raise RoundError(
                f"Project {project} has no task that Crux pushed. Run crux round first."
            )
        return None
    seen = records[-1].labels_bought if records else 0
    if forced or (train_after and bought - seen >= train_after):
        return last
    done = records[-1].round if records else -1
    partial = {record.round for record in records if not record.complete}
    complete = [
        round
        for round in collected.rounds
        if (round > done or round in partial) and collected.complete(round)
    ]
    if not complete:
        corrected = done == last and collected.complete(last) and changed_since(collected, records)
        return last if corrected and collected.newest < settled_at else None
    pushed = tabs(project)  # a round's tab is made last, when all of its tasks are there
    return max((round for round in complete if tab_title(round) in pushed), default=None)
