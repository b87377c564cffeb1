"""The vectors of a pool's texts: in memory while they are few, otherwise on disk, part by part.

A choice needs the vectors of some thousand rows, and a few products of all of them with a small
matrix. So a million of them need not lie in memory.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from selection.cache import Cache
from selection.types import Bools, Floats, Ints

IN_MEMORY = 256 * 1024 * 1024  # bytes at most
REMEMBERED = 20_000  # rows on disk that were asked for, since a choice asks for them many times


@dataclass(frozen=True)
class OnDisk:
    """An (n, d) matrix whose rows are fetched when they are asked for.

    place: (n,) of each row in the cache. What is deleted from the cache meanwhile is a CruxError.
    """

    cache: Cache
    place: Ints
    _known: OrderedDict[int, Floats] = field(default_factory=OrderedDict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return len(self.place), self.cache.row_width

    def __len__(self) -> int:
        return len(self.place)

    def __getitem__(self, rows: Ints | Bools) -> Floats:
        """Return (m, d) the rows at these positions, or where a mask of all rows is True."""
        wanted = np.arange(len(self.place))[rows]
        if not len(wanted):
            return np.zeros((0, self.cache.row_width), dtype=np.float32)
        missing = np.array([row for row in np.unique(wanted).tolist() if row not in self._known])
        if len(missing):
            fetched = self.cache.at(self.place[missing])
            self._known.update(zip(missing.tolist(), fetched, strict=True))
        found = np.stack([self._known[row] for row in wanted.tolist()])
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found

    def __matmul__(self, columns: Floats) -> Floats:
        """Return (n, p) the product with (d, p) columns."""
        found = np.empty((len(self.place), columns.shape[1]), dtype=np.float32)
        for where, rows in self.cache.by_part(self.place):
            found[where] = rows @ columns
        return found


Vectors = Floats | OnDisk


def vectors_in(cache: Cache, texts: Sequence[str]) -> Vectors:
    """Return the (n, d) vectors of texts that are all in the cache. Raises KeyError otherwise."""
    place = cache.find(texts)
    if 4 * len(place) * cache.row_width <= IN_MEMORY:
        return cache.at(place)
    return OnDisk(cache, place)
