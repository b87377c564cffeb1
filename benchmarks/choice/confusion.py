"""Are regions where the model is confused? Its errors inside of them and beside them.

    python -m benchmarks.choice.confusion [--sets clickbait,tweets] [--seeds 2] [--names]

Rounds 1 to 4 of our choice on each set of the efficiency suite; of each round's 1,000 least sure
texts, which are in a region, and how often the learner is wrong there. The same for the clusters of
HDBSCAN. `--names` prints each region's name; it may quote offensive words of the texts.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.cluster import HDBSCAN

from benchmarks.choice.datasets import FOLDER, SETS, Data
from benchmarks.choice.efficiency import vectors_of
from benchmarks.choice.learner import learn
from benchmarks.choice.ours import beliefs_of, crux
from benchmarks.choice.race import make_course
from benchmarks.choice.state import State
from selection.boundary import boundary
from selection.choose import RULE
from selection.cluster import NO_REGION, Clusters, connect, neighbours, overlap
from selection.confusion import Confusion, confusion
from selection.errors import CruxError
from selection.types import Bools, Floats, Ints, Pool

ROUNDS, COUNT = 5, 64
LIMIT = 9_000  # texts of a set
OUT = Path("benchmarks/results/confusion.json")
DENSE = 5  # least members of a cluster of HDBSCAN
KINDS = ("k-means", "HDBSCAN")


@dataclass(frozen=True)
class Look:
    """One round's regions. clustered, inside: shares of the rows at the boundary that are in a
    cluster and in a region. largest: the largest region's share of those. wrong: share of errors,
    inside and outside of all regions, NaN if there are no such rows. wrong_alike: outside, if the
    predicted labels were as frequent there as they are inside."""

    regions: int
    clustered: float
    inside: float
    largest: float
    wrong_inside: float
    wrong_outside: float
    wrong_alike: float


def look(clusters: Clusters, region: Ints, rows: Ints, predicted: Ints, truth: Ints) -> Look:
    """Return what the regions hold. rows: (m,) at the boundary. predicted, truth: (n,) labels."""
    wrong = predicted != truth
    inside = clusters.row[region[clusters.cell] != NO_REGION]
    outside = np.setdiff1d(rows, inside)
    sizes = np.bincount(region[clusters.cell] - NO_REGION, minlength=1)[1:]
    return Look(
        len(sizes),
        len(clusters.row) / len(rows),
        len(inside) / len(rows),
        float(sizes.max() / sizes.sum()) if len(sizes) else float("nan"),
        float(wrong[inside].mean()) if len(inside) else float("nan"),
        float(wrong[outside].mean()) if len(outside) else float("nan"),
        _alike(inside, outside, predicted, wrong),
    )


def _alike(inside: Ints, outside: Ints, predicted: Ints, wrong: Bools) -> float:
    """Return the share of errors outside, with the weights that labels have inside."""
    labels, times = np.unique(predicted[inside], return_counts=True)
    own = [wrong[outside[predicted[outside] == label]] for label in labels]
    known = [bool(len(some)) for some in own]
    if not any(known):
        return float("nan")
    rates = [float(some.mean()) for some in own if len(some)]
    return float(np.average(rates, weights=times[known]))


def looks(data: Data, seed: int, say_names: bool) -> dict[str, list[Look]]:
    """Return the regions of each kind and round, along our own choice."""
    vectors = vectors_of(data.texts)
    course = make_course(vectors, data.labels, vectors_of(data.describe), seed=seed)
    pool, truth = course.vectors[course.pool], course.labels[course.pool]
    ids = np.array([f"{row:08d}" for row in range(len(pool))], dtype=object)
    texts = Pool(ids, np.array(data.texts, dtype=object)[course.pool])
    bought: Ints = np.zeros(0, dtype=np.int64)
    beliefs = course.beliefs
    found: dict[str, list[Look]] = {kind: [] for kind in KINDS}
    for number in range(ROUNDS):
        rng = np.random.default_rng([seed, 2, number])
        state = State(pool, beliefs, bought, truth[bought], number, seed, rng)
        believed = beliefs_of(state)
        rows = boundary(believed.margin, state.open, RULE.candidates)
        for kind in KINDS if number else ():
            if kind == "k-means":
                count = round(RULE.clusters * COUNT)
                regions = confusion(texts, pool, believed, rows, count=count, seed=seed)
                clusters, region = regions.clusters, regions.region
                if say_names:
                    _print(number, regions)
            else:
                clusters = dense(pool, believed.predicted, rows)
                region = connect(clusters, overlap(clusters, neighbours(pool, clusters)))
            found[kind].append(look(clusters, region, rows, believed.predicted, truth))
        bought = np.concatenate([bought, crux(state, COUNT)])
        beliefs = learn(pool[bought], truth[bought], pool, course.k)
    return found


def _print(number: int, found: Confusion) -> None:
    """Print what a person is told of each region."""
    print(f"round {number}")
    rows = np.bincount(found.region[found.clusters.cell] - NO_REGION, minlength=1)[1:]
    for said, size, share in zip(found.names, rows.tolist(), found.share.tolist(), strict=True):
        print(f"  {size:4} texts, {share:5.1%} of the pool: {said}")


def dense(vectors: Floats, predicted: Ints, rows: Ints) -> Clusters:
    """Return clusters of HDBSCAN (McInnes 2017), without the rows that it calls noise."""
    cell = np.full(len(rows), -1, dtype=np.int64)
    owner: list[int] = []
    for name in np.unique(predicted[rows]).tolist():
        members = np.flatnonzero(predicted[rows] == name)
        if len(members) > DENSE:
            own = vectors[rows[members]]
            found = HDBSCAN(min_cluster_size=DENSE, copy=True).fit_predict(own)
            cell[members] = np.where(found < 0, -1, found + len(owner))
            owner += [name] * (int(found.max()) + 1)
    inside = cell >= 0
    return Clusters(rows[inside], cell[inside], np.array(owner, dtype=np.int64))


def _mean(found: list[Look]) -> dict[str, float | int | None]:
    """Return the means over looks, with NaN left out, and the share of looks without a region."""
    columns = {key: np.array([getattr(one, key) for one in found]) for key in vars(found[0])}
    known = {key: column[~np.isnan(column)] for key, column in columns.items()}
    means = {key: round(float(v.mean()), 4) if len(v) else None for key, v in known.items()}
    return {**means, "none": round(float((columns["regions"] == 0).mean()), 4), "looks": len(found)}


def main(
    only: Annotated[str, typer.Option("--sets", help="names between commas")] = ",".join(SETS),
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    names: Annotated[bool, typer.Option("--names", help="print the regions' names")] = False,
    out: Annotated[Path, typer.Option("--json")] = OUT,
) -> None:
    """Measure the regions of some sets and write the figures of each."""
    result: dict[str, dict[str, dict[str, float | int | None]]] = {}
    every: dict[str, list[Look]] = {kind: [] for kind in KINDS}
    for one in only.split(","):
        try:
            data = SETS[one].load(FOLDER, LIMIT)
        except CruxError as error:
            raise SystemExit(str(error)) from None
        found: dict[str, list[Look]] = {kind: [] for kind in KINDS}
        for seed in range(seeds):
            for kind, some in looks(data, seed, names).items():
                found[kind] += some
                every[kind] += some
        result[one] = {kind: _mean(some) for kind, some in found.items()}
        print(one, json.dumps(result[one]), flush=True)
    result["every set"] = {kind: _mean(some) for kind, some in every.items()}
    print(json.dumps(result["every set"], indent=1))
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
