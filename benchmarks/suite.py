"""All data sets, all strategies: the measurements behind docs/results.md.

    python -m benchmarks.suite [--sets clickbait,tweets] [--seeds 2] [--part noise]

Every finished run is a line below docs/results/runs and is not run again, so that a suite that was
cut off goes on where it was. After a change to a strategy, delete its lines.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.datasets import sets
from benchmarks.efficiency import Terms, measure
from selection.errors import CruxError

RESULTS = Path("docs/results")
PARTS: dict[str, tuple[Terms, str]] = {
    "efficiency": (Terms(), "all"),
    "useless": (Terms(beliefs="useless"), "crux;random;margin;stratified"),
    "inverted": (Terms(beliefs="inverted"), "crux;random;margin;stratified"),
    "noise10": (Terms(noise=0.1), "crux;random;margin;stratified;margin, spread"),
    "noise20": (Terms(noise=0.2), "crux;random;margin;stratified;margin, spread"),
}


def main(
    part: Annotated[str, typer.Option(help=", ".join(PARTS))] = "efficiency",
    only: Annotated[str, typer.Option("--sets", help="names between commas; all if empty")] = "",
    seeds: Annotated[int, typer.Option(min=1)] = 5,
    limit: Annotated[int, typer.Option(min=100)] = 20_000,
    strategies: Annotated[str, typer.Option(help="others than the part's own")] = "",
) -> None:
    """Measure a part on some or all sets."""
    terms, usual = PARTS[part]
    terms = Terms(seeds, terms.rounds, terms.per_round, terms.noise, terms.beliefs)
    for name, named in sets().items():
        if only and name not in only.split(","):
            continue
        try:
            data = named.load(limit)
        except CruxError as absent:
            print(f"{name} is left out: {absent}")
            continue
        keep = RESULTS / "runs" / part / f"{name}.jsonl"
        result = measure(data, terms, strategies or usual, keep)
        file = RESULTS / part / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"title": named.title, **result}, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
