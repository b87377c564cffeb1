"""How exact is an audit of a real model's answers? By drawing from texts whose verdicts are known.

    python -m benchmarks.statistics.real

The taught versions of benchmarks/headline have read 1,000 test texts each, of which the reference's
verdicts are known: they stand for a pool. 100 of them are audited 400 times, by the product's
chances and by equal parts of each predicted label; the error is the root of the mean square of
estimated less true kappa.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score

from benchmarks.headline.data import HARSH, load
from selection.audit import audit
from selection.types import Doubles, Ints

RESULTS = Path("benchmarks/results/headline")
SIZE, RESERVE, DRAWS = 100, 0.5, 400


def errors(scores: Doubles, truth: Ints, draws: int = DRAWS) -> tuple[float, float]:
    """Return the error by the product's chances, and by equal parts of each predicted label.

    scores: (n,) log odds of the first label. truth: (n,) 1 where the reference gives it.
    """
    predicted = (scores > 0).astype(np.int64)
    positive = 1 / (1 + np.exp(-scores))
    belief = np.stack([1 - positive, positive], axis=1)
    equal = np.minimum(SIZE / 2 / np.bincount(predicted, minlength=2), RESERVE)[predicted]
    true = cohen_kappa_score(truth, predicted)
    off: list[tuple[float, float]] = []
    rng = np.random.default_rng(0)
    for _ in range(draws):
        number = rng.random(len(scores))
        nobody = np.full(len(scores), np.nan)
        by_doubt = audit(belief, number, nobody, size=SIZE, reserve=RESERVE)
        drawn = np.flatnonzero(number < equal)
        samples = ((by_doubt.row, by_doubt.inclusion), (drawn, equal[drawn]))
        one, two = (
            cohen_kappa_score(truth[rows], predicted[rows], sample_weight=1 / chance) - true
            for rows, chance in samples
        )
        off.append((one, two))
    doubt, parts = np.sqrt(np.nanmean(np.square(off), axis=0)).tolist()
    return doubt, parts


def main() -> None:
    """Print both errors for each version, and their means."""
    found = []
    for file in sorted(RESULTS.glob("*-[bcde]-*.json")):
        body = json.loads(file.read_text())
        truth = (load(body["kind"]).reference == HARSH).astype(np.int64)
        found.append(errors(np.array(body["predictions"], dtype=np.float64), truth))
        doubt, parts = found[-1]
        print(f"{file.stem}: by doubt {doubt:.3f}, equal parts {parts:.3f}", flush=True)
    print("mean: by doubt {:.3f}, equal parts {:.3f}".format(*np.mean(found, axis=0)))


if __name__ == "__main__":
    main()
