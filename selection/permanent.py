"""Permanent random numbers (Ohlsson 1995): uniform in [0, 1), the same in every round and place.

A draw by such numbers can be widened later: what was drawn stays drawn, and its chance is known.
"""

from hashlib import blake2b

import numpy as np

from selection.types import Doubles, Strings

_BITS = 53  # what a float holds exactly: 64 bits could be rounded up to 1.0


def permanent(ids: Strings, seed: int) -> Doubles:
    """Return (n,) the number of each row, by its id, with which the audit draws."""
    salt = seed.to_bytes(8, "big")
    digests = (
        blake2b(str(i).encode("utf-8", "surrogatepass"), digest_size=8, salt=salt).digest()
        for i in ids
    )
    return np.array([_number(digest) for digest in digests])


def position(name: str, purpose: str) -> float:
    """Return the number of one text or pair. purpose: other numbers for another purpose."""
    person = purpose.encode("ascii")
    data = name.encode("utf-8", "surrogatepass")
    return _number(blake2b(data, digest_size=8, person=person).digest())


def _number(digest: bytes) -> float:
    return (int.from_bytes(digest, "big") >> (64 - _BITS)) / float(1 << _BITS)
