"""Rows at the boundary -> the regions in which the model confuses labels, named and sized.

"Clusters that overlap show where the model is confused" (Krause and Chang 2025, step 2): cluster.py
finds them, region.py spreads the budget over them, region_name.py says what their texts are about.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selection.cluster import NO_REGION, Clusters, cluster, connect, neighbours, overlap
from selection.region import centres_of, like, region_of, share_of
from selection.region_name import distinctive, keep_names, known, name
from selection.types import Beliefs, Doubles, Ints, Pool, Strings
from selection.vectors import Vectors

READ = 2_000  # random texts of the pool that tell how large a region is


@dataclass(frozen=True)
class Earlier:
    """The regions of earlier rounds, by the texts that were bought in them.

    row: (b,) rows. name: (b,) of the region of each.
    """

    row: Ints
    name: Sequence[str]


@dataclass(frozen=True)
class Confusion:
    """The r regions of a round.

    clusters: of the rows at the boundary. region: (c,) of each cluster, NO_REGION for none. names:
    (r,). share: (r,) estimated part of the pool that is like each, 0 to 1.
    """

    clusters: Clusters
    region: Ints
    names: tuple[str, ...]
    share: Doubles

    def of(self, vectors: Vectors, rows: Ints) -> Ints:
        """Return (b,) the region of each row; one that is not at the boundary has the region that
        it is like. NO_REGION for none."""
        own = region_of(rows, self.clusters, self.region)
        clustered = np.isin(rows, self.clusters.row)
        return np.where(clustered, own, like(vectors, rows, self.clusters, self.region))


def confusion(
    pool: Pool,
    vectors: Vectors,
    beliefs: Beliefs,
    rows: Ints,
    *,
    count: int,
    seed: int,
    earlier: Earlier | None = None,
) -> Confusion:
    """Return the regions among the m rows at the boundary.

    vectors: (n, d) unit. count: clusters in all. A region that an earlier round had keeps its name.
    """
    clusters = cluster(vectors, beliefs.predicted, rows, count=count, seed=seed)
    region = connect(clusters, overlap(clusters, neighbours(vectors, clusters)))
    sample = np.random.default_rng([seed, 5]).permutation(len(pool))[:READ].astype(np.int64)
    share = share_of(vectors, clusters, region, sample)
    others = np.setdiff1d(sample, clusters.row)
    read = np.concatenate([clusters.row, others])
    where = np.concatenate([region[clusters.cell], np.full(len(others), NO_REGION)])
    words = distinctive([str(text) for text in pool.texts[read]], where, len(share))
    before = known(vectors, earlier.row, earlier.name) if earlier else known(vectors, rows[:0], ())
    names = keep_names(name(words), words, centres_of(vectors, clusters, region), *before)
    return Confusion(clusters, region, tuple(names), share)


def said(names: Sequence[str], of: Ints) -> Strings:
    """Return (b,) the name of the region of each row, "" for none."""
    column = np.empty(len(of), dtype=object)
    column[:] = ["" if one == NO_REGION else names[one] for one in of.tolist()]
    return column
