"""Where to set the threshold: by the labels' shares in a few random texts, or by the model itself?

    python -m benchmarks.choice.threshold     writes benchmarks/results/threshold.json

Our choice on every set, by the learner of benchmarks/choice/learner.py. After each round kappa on the test
rows is taken at several thresholds: the model's own; the one at which 300 random texts of the pool
get each label as often as round 0's random draw says; in between, with the model's own answer
counting for so many drawn texts (backend/threshold.py, which has the product's number); and, as nobody
can, the one at which they get it as often as the pool has it.
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
from benchmarks.choice.race import Course, course
from benchmarks.choice.state import State
from benchmarks.headline.data import balance
from selection.errors import CruxError
from selection.types import Doubles, Ints

OUT = Path("benchmarks/results/threshold.json")
SAMPLE = 300  # random texts of the pool, as in the product
OWN = (0, 10, 20, 40, 80, 160)  # drawn texts that the model's own answer counts for
DRAW, MODEL, TRUTH = "the draw alone", "the model alone", "the truth"


def at_thresholds(ground: Course, rounds: int, per_round: int) -> dict[str, list[float]]:
    """Kappa on the test rows after each round, by the way in which the threshold was set."""
    pool, truth = ground.vectors[ground.pool], ground.labels[ground.pool]
    share = np.bincount(truth, minlength=ground.k) / len(truth)
    rows: Ints = np.zeros(0, dtype=np.int64)
    chance: Doubles = np.zeros(0)
    beliefs = ground.beliefs
    kappas: dict[str, list[float]] = {}
    for number in range(rounds):
        rng = np.random.default_rng([ground.seed, 2, number])
        state = State(pool, beliefs, rows, truth[rows], number, ground.seed, rng)
        bought = choice(state, per_round)
        rows, chance = np.append(rows, bought.row), np.append(chance, bought.inclusion)
        everywhere = learn(pool[rows], truth[rows], ground.vectors, ground.k)
        beliefs = everywhere[ground.pool]
        log = np.log(np.maximum(everywhere, 1e-30))
        sample = log[rng.permutation(ground.pool)[:SAMPLE]]
        prior, worth = balance(truth[rows], chance, ground.k)
        offsets = {MODEL: np.zeros(ground.k), TRUTH: np.array(match(sample, share))}
        for own in OWN:
            wanted = expected(sample, prior, worth, own)
            offsets[str(own) if own else DRAW] = np.array(match(sample, wanted))
        for name, offset in offsets.items():
            said = (log[ground.test] + offset).argmax(axis=1)
            kappa = cohen_kappa_score(ground.labels[ground.test], said)
            kappas.setdefault(name, []).append(0.0 if np.isnan(kappa) else float(kappa))
    return kappas


def main(
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    limit: Annotated[int, typer.Option(min=100, help="texts of a set")] = 9_000,
    folder: Annotated[Path, typer.Option(help="where the sets lie")] = FOLDER,
    out: Annotated[Path, typer.Option("--json", help="where the result goes")] = OUT,
) -> None:
    """Measure on every set that is there, and keep the mean curve of each way."""
    curves: dict[str, list[list[float]]] = {}
    for one in SETS.values():
        try:
            data = one.load(folder, limit)
        except CruxError as error:
            raise SystemExit(str(error)) from None
        vectors, described = vectors_of(data.texts), vectors_of(data.describe)
        for seed in range(seeds):
            ground = course(vectors, data.labels, described, seed=seed)
            for name, curve in at_thresholds(ground, 6, 64).items():
                curves.setdefault(name, []).append(curve)
        print(f"{one.name}: {seeds} seeds", flush=True)
    told = {
        "sets": len(SETS),
        "seeds": seeds,
        "kappa": {name: np.mean(each, axis=0).round(4).tolist() for name, each in curves.items()},
    }
    out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
