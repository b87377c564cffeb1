"""How exact is an audit of a real model's answers? By drawing from texts whose verdicts are known.

    python -m benchmarks.statistics.real

The taught versions of benchmarks/headline have read 1,000 test texts each, of which the reference's
verdicts are known: they stand for a pool. 100 of them are audited 400 times, by the product's
chances and by equal parts of each predicted label; the error is the root of the mean square of
estimated less true kappa. The product's estimate calibrates the beliefs (selection/calibrate.py);
the others weigh the verdicts themselves.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.headline.data import HARSH, load
from selection.audit import audit
from selection.calibrate import Calibration
from selection.kappa import kappas
from selection.types import Doubles, Ints

RESULTS = Path("benchmarks/results/headline")
SIZE, RESERVE, DRAWS = 100, 0.5, 400


def errors(scores: Doubles, truth: Ints, draws: int = DRAWS) -> tuple[float, float, float]:
    """Return the error of the product, of weighted verdicts by its chances, and by equal parts.

    scores: (n,) log odds of the first label. truth: (n,) 1 where the reference gives it.
    """
    predicted = (scores > 0).astype(np.int64)
    positive = 1 / (1 + np.exp(-scores))
    belief = np.stack([1 - positive, positive], axis=1)
    equal = np.minimum(SIZE / 2 / np.bincount(predicted, minlength=2), RESERVE)[predicted]
    true = cohen_kappa_score(truth, predicted)
    off: list[list[float]] = []
    rng = np.random.default_rng(0)
    for _ in range(draws):
        number = rng.random(len(scores))
        nobody = np.full(len(scores), np.nan)
        by_doubt = audit(belief, number, nobody, size=SIZE, reserve=RESERVE)
        drawn = np.flatnonzero(number < equal)
        rows = by_doubt.row
        made = Calibration(belief[rows], np.eye(2)[truth[rows]], 1 / by_doubt.inclusion)
        found = [float(kappas(made.once(), 2)[0])] + [
            cohen_kappa_score(truth[rows], predicted[rows], sample_weight=1 / chance)
            for rows, chance in ((rows, by_doubt.inclusion), (drawn, equal[drawn]))
        ]
        off.append([one - true for one in found])
    product, doubt, parts = np.sqrt(np.nanmean(np.square(off), axis=0)).tolist()
    return product, doubt, parts


def main() -> None:
    """Print the errors for each version, and their means."""
    said = "calibrated {:.3f}, weighted by doubt {:.3f}, by equal parts {:.3f}"
    found = []
    for file in sorted(RESULTS.glob("*-[bcde]-*.json")):
        body = json.loads(file.read_text())
        truth = (load(body["kind"]).reference == HARSH).astype(np.int64)
        found.append(errors(np.array(body["predictions"], dtype=np.float64), truth))
        print(f"{file.stem}: {said.format(*found[-1])}", flush=True)
    print(f"mean: {said.format(*np.mean(found, axis=0))}")


if __name__ == "__main__":
    main()
