"""Pair -> its side, evaluation or training: both of its items, for ever.

The side depends on the pair's name alone. So the two items of a pair are never separated,
evaluation tasks are known (and answered blind) before anyone has labelled them, and neither more
data nor another machine moves an old item.
"""

from hashlib import blake2b
from typing import Literal

from selection.errors import SettingError

Side = Literal["train", "boundary"]

_BITS = 53  # what a float holds exactly: 64 bits could be rounded up to 1.0


def side(pair: str, evaluation_share: float) -> Side:
    """Return 'boundary' (for evaluation) for a share of all pairs, 'train' for the others.

    pair: name of the pair, or of the single item. evaluation_share: from 0 to 1. Raising it
    moves pairs from 'train' to 'boundary' only. Raises SettingError for any other share.
    """
    if not 0.0 <= evaluation_share <= 1.0:
        raise SettingError(
            f"the evaluation share is {evaluation_share}; give a number from 0 to 1, "
            "for example 0.4 to keep two pairs of five for evaluation"
        )
    return "boundary" if position(pair, "crux.split") < evaluation_share else "train"


def position(pair: str, purpose: str) -> float:
    """Return a number in [0, 1), uniform over names and the same on every machine.

    purpose: other numbers for another purpose.
    """
    person = purpose.encode("ascii")
    digest = blake2b(pair.encode("utf-8"), digest_size=8, person=person).digest()
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / float(1 << _BITS)
