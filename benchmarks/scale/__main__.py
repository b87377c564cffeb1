"""Seconds and memory of the steps of a round, from a pool whose vectors are on disk.

    python -m benchmarks.scale [--rows 1000000] [--json FILE]

The steps are the product's: the pool is read and checked, its vectors are found, the LLM reads
2,000 texts and a surrogate tells the rest, 64 texts and an audit are chosen. The LLM is stood in
for by a rule on words, since its time does not depend on the pool.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.choice.datasets import FOLDER
from benchmarks.scale.made import make
from benchmarks.scale.steps import run

HOME = Path("build/benchmarks/scale")


def main(
    rows: Annotated[int, typer.Option(min=1_000)] = 1_000_000,
    folder: Annotated[Path, typer.Option(help="of the sets")] = FOLDER,
    home: Annotated[Path, typer.Option(help="where the made pool lies")] = HOME,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Measure one pool."""
    home.mkdir(parents=True, exist_ok=True)
    file = make(rows, home, folder)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:  # memory of its own
        steps, _ = fresh.submit(run, file, home).result()
    total = sum(steps.seconds.values()) - steps.seconds["start"]
    print(f"{rows} rows: {total:.1f} s, {steps.mebibytes['choice']} MiB")
    if out:
        out.write_text(json.dumps({"rows": rows, **vars(steps)}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
