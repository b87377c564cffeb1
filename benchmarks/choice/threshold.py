"""Where to set the threshold: by the labels' shares in a few random texts, or by the model itself?

    python -m benchmarks.choice.threshold     writes benchmarks/results/threshold.json

Our choice on every set, with the learner of benchmarks/choice/learner.py. After each round kappa
on the test rows is taken at several thresholds. Each of them, except the model's own, predicts
each label for its expected share of 300 random texts of the pool. The expected share is

    the draw alone     what 20 audited texts a round say
    10, 20 … 160       both, with the model's own answer counting as this many drawn texts
                       (backend/threshold.py has the product's number)
    the truth          the share in the pool, which nobody knows outside a benchmark
"""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from sklearn.metrics import cohen_kappa_score

from backend.threshold import expected, match
from benchmarks.choice.datasets import FOLDER, SETS
from benchmarks.choice.efficiency import vectors_of
from benchmarks.choice.learner import learn
from benchmarks.choice.ours import choice
from benchmarks.choice.race import Course, make_course
from benchmarks.choice.state import State
from benchmarks.headline.data import balance
from selection.audit import audit
from selection.errors import CruxError
from selection.types import Doubles, Ints

OUT = Path("benchmarks/results/threshold.json")
SAMPLE = 300  # random texts of the pool, as in the product
AUDITED, RESERVE = 20, 0.25  # texts a round, and the share of the pool they come from: the defaults
WEIGHTS = (0, 10, 20, 40, 80, 160)  # drawn texts that the model's own answer counts as
DRAW, MODEL, TRUTH = "the draw alone", "the model alone", "the truth"


def at_thresholds(course: Course, rounds: int, per_round: int) -> dict[str, list[float]]:
    """Return kappa on the test rows after each round, by the way the threshold was set."""
    pool, truth = course.vectors[course.pool], course.labels[course.pool]
    share = np.bincount(truth, minlength=course.k) / len(truth)
    rows: Ints = np.zeros(0, dtype=np.int64)
    inclusion: Doubles = np.full(len(pool), np.nan)
    numbers = np.random.default_rng([course.seed, 3]).random(len(pool))
    beliefs = course.beliefs
    kappas: dict[str, list[float]] = {}
    for number in range(rounds):
        rng = np.random.default_rng([course.seed, 2, number])
        state = State(pool, beliefs, rows, truth[rows], number, course.seed, rng)
        bought = choice(state, per_round)
        rows = np.append(rows, bought.row)
        audited = audit(beliefs, numbers, inclusion, size=AUDITED, reserve=RESERVE)
        inclusion[audited.row] = audited.inclusion
        everywhere = learn(pool[rows], truth[rows], course.vectors, course.k)
        beliefs = everywhere[course.pool]
        log = np.log(np.maximum(everywhere, 1e-30))
        sample = log[rng.permutation(course.pool)[:SAMPLE]]
        prior, worth = balance(truth[audited.row], audited.inclusion, course.k)
        offsets = {MODEL: np.zeros(course.k), TRUTH: np.array(match(sample, share))}
        for weight in WEIGHTS:
            wanted = expected(sample, prior, worth, weight)
            offsets[str(weight) if weight else DRAW] = np.array(match(sample, wanted))
        for name, offset in offsets.items():
            predicted = (log[course.test] + offset).argmax(axis=1)
            kappa = cohen_kappa_score(course.labels[course.test], predicted)
            kappas.setdefault(name, []).append(0.0 if np.isnan(kappa) else float(kappa))
    return kappas


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
