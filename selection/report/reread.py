"""Judged texts -> what the version in force believes of them, asked of the backend.

A card holds what the version before its round believed: with that, the page would list errors that
the present version no longer makes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from selection.backend_client import BackendClient
from selection.collect import Collected
from selection.errors import BackendError
from selection.item import Item
from selection.label import BATCH
from selection.report.blind import judged
from selection.status import Status

MOST = 600  # texts that are read again for a report; the backend keeps what it has read
Belief = Mapping[str, float]  # label -> P(label)


@dataclass(frozen=True)
class Reread:
    """What the version in force believes.

    beliefs: id in the pool -> its belief. left_out: texts beyond MOST. fault: why not all of the
    others were read, "" if they were.
    """

    version: str = ""
    beliefs: Mapping[str, Belief] = field(default_factory=dict)
    left_out: int = 0
    fault: str = ""


def reread(
    status: Status,
    collected: Collected,
    backend: BackendClient,
    on_progress: Callable[[str, int, int], None],
) -> Reread:
    """Read the judged texts of the newest round and all that measure, the newest first."""
    wanted = listed(collected)
    kept, version = wanted[:MOST], status.current
    beliefs: dict[str, Belief] = {
        item.card.id: item.card.belief for item in kept if item.card.version == version
    }
    others = [item for item in kept if item.card.id not in beliefs]
    fault = ""
    for start in range(0, len(others), BATCH):
        part = others[start : start + BATCH]
        try:
            scores = backend.score(status.project, [item.text for item in part])
        except BackendError as error:
            fault = str(error)
            break
        if scores.version != version:
            fault = f"{scores.version} was promoted meanwhile. Run crux report again."
            break
        for item, row in zip(part, scores.probability.tolist(), strict=True):
            beliefs[item.card.id] = dict(zip(scores.labels, row, strict=True))
        on_progress("reading judged texts again", start + len(part), len(others))
    # half of them from another version could not be compared
    return Reread(version, {} if fault else beliefs, len(wanted) - len(kept), fault)


def listed(collected: Collected) -> list[Item]:
    """Return the texts whose belief the page shows: the newest round's, and all that measure."""
    newest = collected.last_round
    return [
        one for one in judged(collected) if one.card.role != "train" or one.card.round == newest
    ]
