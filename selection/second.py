"""Which audited texts a second expert judges: as many as the experts' own kappa needs.

One verdict measures the model. A second one on the same text measures the experts, whose kappa is
the ceiling; so it is asked for on a part of the audit, drawn by a permanent number of the text. The
chance stands on the card, since it may differ from round to round.
"""

from math import ceil

from selection.align import items_needed
from selection.permanent import position
from selection.record import Record

LEAST = 0.25  # share of the audited texts that is always judged twice


def asks_all(text: str, chance: float) -> bool:
    """Whether all experts are asked about an audited text. text: its id in the pool."""
    return position(text, "crux.second") < chance


def second_chance(newest: Record | None, audited: int, width: float) -> float:
    """Return the share of the next round's audited texts that all experts judge.

    newest: the last measured round, if any. audited: texts that the round adds. width: wanted of
    the 95 % interval of the experts' kappa. Half of what it still lacks is asked for in one round,
    since the 1 / sqrt(n) law is rough on few texts.
    """
    lacks = None if newest is None else items_needed(newest.expert_kappa, width / 2)
    if lacks is None or audited < 1:
        return LEAST
    return min(max(ceil(lacks / 2) / audited, LEAST), 1.0)
