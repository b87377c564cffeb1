"""Where to set the threshold: by which share of each label, and on which texts of the pool?

    python -m benchmarks.choice.threshold     writes benchmarks/results/threshold.json

Our choice on every set, with the learner of benchmarks/choice/learner.py. After each round kappa
on the test rows is taken at several thresholds. Each of them, except the model's own, predicts
each label for its expected share of the texts that the product draws. The expected share is

    the draw alone     what 20 audited texts a round say
    10, 20 … 160       both, with the model's own answer counting as this many drawn texts
                       (backend/threshold.py has the product's number)
    the truth          the share in the pool, which nobody knows outside a benchmark

With the product's expected share the threshold is also set on fewer texts, and on the whole pool.
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.metrics import cohen_kappa_score

from backend.threshold import OWN, expected, match
from benchmarks.choice.datasets import FOLDER, SETS
from benchmarks.choice.efficiency import vectors_of
from benchmarks.choice.learner import learn
from benchmarks.choice.race import Course, make_course
from benchmarks.headline.data import balance
from selection.choose import ALWAYS, SAMPLE, Plan, choose, drawn
from selection.errors import CruxError
from selection.permanent import permanent
from selection.types import Beliefs, Doubles, Ints, Pool

OUT = Path("benchmarks/results/threshold.json")
AUDITED, RESERVE = 20, 0.25  # texts a round, and the share of the pool they come from: the defaults
WEIGHTS = (0, 10, 20, 40, 80, 160)  # drawn texts that the model's own answer counts as
DRAW, MODEL, TRUTH = "the draw alone", "the model alone", "the truth"
EQUAL, DOUBT, BOTH, ALL = (
    f"{SAMPLE} with equal chances",
    f"{SAMPLE} by doubt",
    f"{SAMPLE} by doubt, {ALWAYS:,} that are read anyway",
    "the whole pool",
)
TEXTS = (EQUAL, DOUBT, BOTH, ALL)
Sampled = tuple[Ints, Doubles]  # (m,) rows of the pool and how many of it each stands for


def at_thresholds(course: Course, rounds: int, per_round: int) -> dict[str, list[float]]:
    """Return kappa on the test rows after each round, by the way the threshold was set."""
    pool, truth = course.vectors[course.pool], course.labels[course.pool]
    share = np.bincount(truth, minlength=course.k) / len(truth)
    rows: Ints = np.zeros(0, dtype=np.int64)
    inclusion: Doubles = np.full(len(pool), np.nan)
    ids = np.array([f"{row:08d}" for row in range(len(pool))], dtype=object)
    every = Pool(ids, ids)
    names = tuple(map(str, range(course.k)))
    beliefs = course.beliefs
    kappas: dict[str, list[float]] = {}
    for number in range(rounds):
        read = np.ones(len(pool), dtype=np.bool_)
        believed = Beliefs(beliefs, names, str(number), read)
        plan = Plan(
            number, number > 0, np.isin(np.arange(len(pool)), rows), inclusion, per_round, AUDITED,
            RESERVE, course.seed,
        )  # fmt: skip
        chosen, audited = choose(every, pool, believed, plan)
        inclusion[audited.row] = audited.inclusion
        samples = _samples(every, believed, plan)
        rows = np.append(rows, chosen.row[chosen.role == "train"])
        everywhere = learn(pool[rows], truth[rows], course.vectors, course.k)
        beliefs = everywhere[course.pool]
        log = np.log(np.maximum(everywhere, 1e-30))
        inside = log[course.pool]
        prior, worth = balance(truth[audited.row], audited.inclusion, course.k)
        drawn_rows, weight = samples[BOTH]
        offsets: dict[str, Doubles] = {MODEL: np.zeros(course.k)}
        offsets[TRUTH] = np.array(match(inside[drawn_rows], share, weight=weight))
        ways = [(str(own) if own else DRAW, BOTH, float(own)) for own in WEIGHTS]
        for name, texts, own in [*ways, *((one, one, OWN) for one in samples)]:
            drawn_rows, weight = samples[texts]
            wanted = expected(inside[drawn_rows], prior, worth, own, weight=weight)
            offsets[name] = np.array(match(inside[drawn_rows], wanted, weight=weight))
        for name, shift in offsets.items():
            predicted = (log[course.test] + shift).argmax(axis=1)
            kappa = cohen_kappa_score(course.labels[course.test], predicted)
            kappas.setdefault(name, []).append(0.0 if np.isnan(kappa) else float(kappa))
    return kappas


def _samples(pool: Pool, beliefs: Beliefs, plan: Plan) -> dict[str, Sampled]:
    """Return the rows by which the next version's threshold is set, by the way they were drawn."""
    reserve = np.flatnonzero(permanent(pool.ids, plan.seed) < RESERVE)
    alike = np.random.default_rng([plan.seed, 2, plan.round]).permutation(reserve)[:SAMPLE]
    return {
        EQUAL: (alike, np.ones(len(alike))),
        DOUBT: drawn(pool, beliefs, plan),
        BOTH: drawn(pool, beliefs, plan, always=ALWAYS),
        ALL: (np.arange(len(pool)), np.ones(len(pool))),
    }


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    limit: Annotated[int, typer.Option(min=100, help="most texts of a set")] = 9_000,
    folder: Annotated[Path, typer.Option(help="folder of the sets")] = FOLDER,
    out: Annotated[Path, typer.Option("--json", help="file of the result")] = OUT,
) -> None:
    """Measure on every set, and keep the mean curve of each way."""
    curves: dict[str, list[list[float]]] = {}
    for one in SETS.values():
        try:
            data = one.load(folder, limit)
        except CruxError as error:
            raise SystemExit(str(error)) from None
        vectors, described = vectors_of(data.texts), vectors_of(data.describe)
        for seed in range(seeds):
            course = make_course(vectors, data.labels, described, seed=seed)
            for name, curve in at_thresholds(course, 6, 64).items():
                curves.setdefault(name, []).append(curve)
        print(f"{one.name}: {seeds} seeds", flush=True)
    result = {
        "sets": len(SETS),
        "seeds": seeds,
        "kappa": {name: np.mean(each, axis=0).round(4).tolist() for name, each in curves.items()},
    }
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
