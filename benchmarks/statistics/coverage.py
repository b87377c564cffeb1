"""Do the intervals cover what they promise, and how often are the stop rules wrong? By simulation.

    python -m benchmarks.statistics [--only PART] [--simulations N] [--jobs N] [--json OUT]

Every cell is a world (simulate.py) whose true kappas are known exactly. Verdicts and predictions
are drawn from it N times (trials.py, loops.py), and the product's own functions (audit, ground,
decide) get them as Label Studio would hold them. A cell that OUT has already, from as many
simulations by the same code, is not simulated again.
"""

import argparse
import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before numpy is loaded: only --jobs runs in parallel

import numpy as np  # noqa: E402

import selection  # noqa: E402
from benchmarks.statistics import loops, trials  # noqa: E402
from benchmarks.statistics.trials import Cell, Figures  # noqa: E402
from selection.forecast import HALF_WIDTHS  # noqa: E402
from selection.second import LEAST  # noqa: E402

OUT = Path("benchmarks/results/statistics.json")
SIZES, PREVALENCES, KAPPAS = (60, 150, 400), (0.5, 0.1, 0.02), (0.6, 0.8, 0.95)
DELTA = 0.05
LOOPS = ("parity", "plateau")
SIMULATIONS = 150


def coverage() -> Iterator[Cell]:
    for n, p, kappa in product(SIZES, PREVALENCES, KAPPAS):
        world = {"n": n, "prevalence": p, "kappa": kappa}
        yield {**world, "design": "audit", "experts": 2, "each": None, "second": 1.0}
        yield {**world, "design": "audit", "experts": 2, "each": None, "second": LEAST}
        yield {**world, "design": "pairs", "experts": 2, "each": None}
        yield {**world, "design": "plain", "experts": 2, "each": None}
        yield {**world, "design": "plain", "experts": 5, "each": 2}
        if kappa == 0.8:
            yield {**world, "design": "plain", "experts": 3, "each": None}
            yield {**world, "design": "plain", "experts": 5, "each": None}
    for n, design in product(SIZES, ("audit", "plain")):
        five = {"n": n, "prevalence": "five labels", "kappa": 0.8}
        yield {**five, "design": design, "experts": 2, "each": None, "second": 1.0}


def audit() -> Iterator[Cell]:
    for n, p in product(SIZES, PREVALENCES):
        yield {"n": n, "prevalence": p, "kappa": 0.8}


def parity() -> Iterator[Cell]:
    for behind, n, p, kappa in product((DELTA, 0.0), SIZES, PREVALENCES, KAPPAS):
        world = {"n": n, "prevalence": p, "kappa": kappa, "delta": DELTA, "behind": behind}
        yield {**world, "second": LEAST}


def plateau() -> Iterator[Cell]:
    for n, p, (kappa, step) in product((192, 400), PREVALENCES, ((0.6, 0.025), (0.8, 0.025))):
        loop = {"n": n, "rounds": 8, "patience": 2, "delta": DELTA, "flat": 4, "second": LEAST}
        yield {**loop, "prevalence": p, "kappa": kappa, "step": step}
    for p in PREVALENCES:
        loop = {"n": 400, "rounds": 8, "patience": 2, "delta": DELTA, "flat": 4, "second": LEAST}
        yield {**loop, "prevalence": p, "kappa": 0.8, "step": 0.06}


def odd() -> Iterator[Cell]:
    for n, experts, p in product((60, 150), (3, 4, 5), (0.5, 0.1)):
        yield {"n": n, "prevalence": p, "kappa": 0.8, "experts": experts}


def cost() -> Iterator[Cell]:
    for n, p, kappa in product((25, 50, 100, 200, 400, 800, 1600), PREVALENCES, (0.4, 0.6, 0.8)):
        yield {"n": n, "prevalence": p, "kappa": kappa}


# Each part with its share of --simulations: a loop costs as much as six intervals.
PARTS = {coverage: 1.0, audit: 1.0, parity: 2 / 3, plateau: 1 / 2, odd: 1 / 2, cost: 1 / 6}


def name_of(part: str, cell: Cell) -> str:
    """Return 'coverage n=60 prevalence=0.1 …', under which a cell's figures are kept."""
    return " ".join([part, *(f"{k}={v}" for k, v in cell.items())])


def estimator() -> str:
    """Return a hash of all code that the figures depend on: the product's and the benchmark's."""
    folder = Path(selection.__file__).parent
    names = ("kappa", "calibrate", "interval", "align", "stop", "audit")
    files = [folder / f"{name}.py" for name in names]
    files += [Path(__file__).with_name(f"{name}.py") for name in ("simulate", "trials", "loops")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def plan(simulations: int) -> list[tuple[str, Cell, int]]:
    """Return every cell with its part and its number of simulations."""
    return [
        (part.__name__, cell, max(round(share * simulations), 1))
        for part, share in PARTS.items()
        for cell in part()
    ]


def simulate(part: str, cell: Cell, simulations: int) -> Figures:
    """Return the figures of one cell, by a seed of its own: it does not matter which others run."""
    rng = np.random.default_rng(zlib.crc32(name_of(part, cell).encode()))
    figures: Figures = getattr(loops if part in LOOPS else trials, part)(
        rng, simulations, cell
    )
    return figures


def read(path: Path | None) -> dict[str, Any]:
    """Return what an earlier run kept."""
    if path is not None and path.is_file():
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    return {"command": "python -m benchmarks.statistics", "cells": {}}


def write(path: Path | None, results: dict[str, Any]) -> None:
    """Keep the cells, sorted by name; without a path do nothing."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        results["cells"] = dict(sorted(results["cells"].items()))
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def prices(cells: dict[str, Any]) -> dict[tuple[float, float], tuple[int | None, ...]]:
    """Return the table of selection/forecast.py: (prevalence, kappa) -> texts for each half-width.

    Between two simulated sizes the half-width follows a power of the size. Rounded up to tens.
    """
    widths: dict[tuple[float, float], dict[int, float]] = {}
    for one in cells.values():
        if one["part"] == "cost":
            world = (one["cell"]["prevalence"], one["cell"]["kappa"])
            widths.setdefault(world, {})[one["cell"]["n"]] = one["figures"]["half_width"]
    table = {}
    for world, by_size in sorted(widths.items(), reverse=True):
        sizes = sorted(by_size)
        found = np.log([by_size[n] for n in sizes])
        needed: list[int | None] = []
        for half_width in HALF_WIDTHS:
            # half-widths fall as the size grows, and interp needs ascending ones
            n = float(np.exp(np.interp(-np.log(half_width), -found, np.log(sizes))))
            reached = by_size[sizes[-1]] <= half_width * (1 + 1e-9)
            needed.append(10 * ceil(n / 10 - 1e-6) if reached else None)
        table[world] = tuple(needed)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Simulate the cells that are missing, and print and keep their figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics")
    names = [part.__name__ for part in PARTS]
    parser.add_argument("--only", choices=names, help="one part; all if left out")
    parser.add_argument("--simulations", type=int, default=SIMULATIONS, help="for each cell")
    parser.add_argument("--jobs", type=int, default=1, help="parallel processes (1)")
    parser.add_argument("--json", type=Path, default=None, help=f"file of the figures, as {OUT}")
    given = parser.parse_args(arguments)

    results, code = read(given.json), estimator()
    todo = [
        one for one in plan(given.simulations)
        if given.only in (None, one[0])
        and results["cells"].get(name_of(*one[:2]), {}).get("made") != [one[2], code]
    ]  # fmt: skip
    begun = time.monotonic()
    with ProcessPoolExecutor(given.jobs) as pool:
        running = {pool.submit(simulate, *one): one for one in todo}
        for i, future in enumerate(as_completed(running), start=1):
            part, cell, simulations = running[future]
            figures = future.result()
            results["cells"][name_of(part, cell)] = {
                "part": part, "cell": cell, "made": [simulations, code], "figures": figures,
            }  # fmt: skip
            write(given.json, results)
            seconds = time.monotonic() - begun
            print(f"{i}/{len(todo)} {seconds:.0f} s  {name_of(part, cell)}", file=sys.stderr)
            print(f"  {json.dumps(figures)}", flush=True)
    print(f"For selection/forecast.py: {prices(results['cells'])}")
