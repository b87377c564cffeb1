"""All data sets, all strategies: the measurements behind docs/results.md.

    python -m benchmarks.choice.suite [--part noise10] [--sets clickbait,tweets] [--seeds 2]

The parts:

    efficiency   the strategies that take seconds, from beliefs by similarity to what the labels
                 mean, no answer wrong
    everyone     the same with every strategy, on fewer texts: for some of them a choice takes
                 minutes
    variants     the same with ours, and with ours with one thing otherwise
    useless      the starting beliefs shuffled over the texts, so that they tell nothing
    inverted     the starting beliefs turned round, so that they mislead
    noise10      one bought label in ten is wrong
    noise20      one in five is

Every finished run is a line below benchmarks/results/runs and is not run again, so that a suite that was
cut off goes on where it was. After a change to a strategy, delete its lines.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.choice.datasets import FOLDER, SETS, Data, Named
from benchmarks.choice.efficiency import Terms, measure
from benchmarks.choice.strategies import VARIANTS
from selection.errors import CruxError, PoolError, SettingError

RESULTS = Path("benchmarks/results")
QUICK = (
    "crux, random, stratified, margin, margin spread, naive pairs, threshold, uncertainty herding, "
    "small-text breaking ties, scikit-activeml BADGE, scikit-activeml DropQuery, "
    "scikit-activeml FALCUN, scikit-activeml query by committee"
)
FEW = "crux, random, stratified, margin"
SOME = f"{FEW}, margin spread, uncertainty herding"


@dataclass(frozen=True)
class Part:
    """One measurement. strategies: that it compares. runs: where finished runs are kept; parts on
    the same terms share them. limit: at most so many texts of a set."""

    terms: Terms
    strategies: str
    runs: str
    limit: int = 9_000


PARTS = {
    "efficiency": Part(Terms(), QUICK, "efficiency"),
    "everyone": Part(Terms(seeds=1), "all", "efficiency", limit=4_000),
    "variants": Part(Terms(seeds=10), f"crux, {', '.join(VARIANTS)}", "efficiency"),
    "useless": Part(Terms(beliefs="useless"), FEW, "useless"),
    "inverted": Part(Terms(beliefs="inverted"), FEW, "inverted"),
    "noise10": Part(Terms(noise=0.1), SOME, "noise10"),
    "noise20": Part(Terms(noise=0.2), SOME, "noise20"),
}


def main(
    part: Annotated[str, typer.Option(help=", ".join(PARTS))] = "efficiency",
    only: Annotated[str, typer.Option("--sets", help="names between commas; all if empty")] = "",
    seeds: Annotated[int, typer.Option(min=0, help="others than the part's own")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="texts of a set; 0: the part's own")] = 0,
    strategies: Annotated[str, typer.Option(help="others than the part's own")] = "",
    folder: Annotated[Path, typer.Option(help="where the sets lie")] = FOLDER,
) -> None:
    """Measure a part on some or all sets; a set that is absent is left out with a message."""
    try:
        measured = _part(part)
        terms = replace(measured.terms, seeds=seeds or measured.terms.seeds)
        for one in _sets(only):
            data = _loaded(one, folder, limit or measured.limit)
            if data is not None:
                keep = RESULTS / "runs" / measured.runs / f"{one.name}.jsonl"
                result = measure(data, terms, strategies or measured.strategies, keep)
                _write(RESULTS / part / f"{one.name}.json", {"title": one.title, **result})
    except CruxError as error:
        raise SystemExit(str(error)) from None


def _part(name: str) -> Part:
    if name not in PARTS:
        raise SettingError(f"There is no part {name!r}. There are: {', '.join(PARTS)}.")
    return PARTS[name]


def _sets(wanted: str) -> list[Named]:
    """The sets of these names, between commas; all where none is named."""
    names = [name.strip() for name in wanted.split(",")] if wanted else list(SETS)
    for name in names:
        if name not in SETS:
            raise SettingError(f"There is no set {name!r}. There are: {', '.join(SETS)}.")
    return [SETS[name] for name in names]


def _loaded(one: Named, folder: Path, limit: int) -> Data | None:
    try:
        return one.load(folder, limit)
    except PoolError as absent:
        print(f"{one.name} is left out: {absent}")
        return None


def _write(file: Path, body: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
