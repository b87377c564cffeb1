"""The time of a choice: 64 of 20,000 rows of 384 numbers, with vectors and beliefs given.

    python -m benchmarks.choice.cost [--rows 20000] [--strategy crux] [--json FILE]

The docs quote benchmarks/results/cost.json.
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.choice.learner import learn
from benchmarks.choice.state import State
from benchmarks.choice.strategies import by_name
from selection.choose import RULE

REPEATS = 7


def main(
    rows: Annotated[int, typer.Option(min=1_000)] = 20_000,
    width: Annotated[int, typer.Option(min=2)] = 384,
    count: Annotated[int, typer.Option(min=2)] = 64,
    strategy: Annotated[str, typer.Option(help="one of the efficiency suite's")] = "crux",
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Time the choice of a later round, and the matrix products that it needs in any case."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(40, width))
    vectors = places[rng.integers(40, size=rows)] + 1.5 * rng.normal(size=(rows, width))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    answers = (vectors @ rng.normal(size=width) > 0.08 * width**0.5).astype(np.int64)
    bought = rng.permutation(rows)[: 3 * count]
    beliefs = learn(vectors[bought], answers[bought], vectors, 2)
    state = State(vectors, beliefs, bought, answers[bought], 1, 0, rng)
    choose = by_name(strategy)[strategy]
    some = vectors[: RULE.candidates]
    choice, floor = [], []
    for _ in range(REPEATS):
        began = time.perf_counter()
        choose(state, count)
        choice.append(time.perf_counter() - began)
        began = time.perf_counter()
        for _ in range(2):  # the nearest row with another label, and what covers what
            some @ some.T
        floor.append(time.perf_counter() - began)
    result = {
        "strategy": strategy,
        "rows": rows,
        "width": width,
        "count": count,
        "multiply_adds": 2 * RULE.candidates**2 * width,
        "seconds": round(float(np.median(choice)), 3),
        "slowest": round(max(choice), 3),
        "matrix_products_alone": round(float(np.median(floor)), 3),
    }
    print(json.dumps(result, indent=1))
    if out:
        out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
