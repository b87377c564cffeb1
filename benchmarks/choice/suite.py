"""All data sets, all strategies: the measurements behind docs/results.md.

    python -m benchmarks.choice.suite [--part noise10] [--sets clickbait,tweets] [--seeds 2]

The parts:

    efficiency   the strategies that take seconds; the starting beliefs are similarities to what
                 the labels mean, and no answer is wrong
    everyone     the same with every strategy, on fewer texts, because a choice by some of them
                 takes minutes
    variants     the same with our choice, and with our choice with one thing changed
    useless      the starting beliefs are shuffled over the texts, so that they say nothing
    inverted     the starting beliefs are inverted, so that they mislead
    noise10      one bought label in ten is wrong
    noise20      one bought label in five is wrong

Every finished run is a line below benchmarks/results/runs and is not run again, so an interrupted
suite continues where it was. After a change to a strategy, delete its lines.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.choice.datasets import FOLDER, SETS, Data, NamedSet
from benchmarks.choice.efficiency import Terms, compare_strategies
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
    """One measurement.

    strategies: those that it compares. runs: where finished runs are kept; parts with the same
    terms share them. limit: at most this many texts of a set.
    """

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
    seeds: Annotated[int, typer.Option(min=0, help="0: the part's own")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="most texts of a set; 0: the part's own")] = 0,
    strategies: Annotated[str, typer.Option(help="names between commas, not the part's own")] = "",
    folder: Annotated[Path, typer.Option(help="folder of the sets")] = FOLDER,
) -> None:
    """Measure a part on some or all sets; a missing set is left out with a message."""
    try:
        asked = _part(part)
        terms = replace(asked.terms, seeds=seeds or asked.terms.seeds)
        for one in _sets(only):
            data = _loaded(one, folder, limit or asked.limit)
            if data is not None:
                keep = RESULTS / "runs" / asked.runs / f"{one.name}.jsonl"
                wanted = strategies or asked.strategies
                result = compare_strategies(data, terms, wanted, keep)
                _write(RESULTS / part / f"{one.name}.json", {"title": one.title, **result})
    except CruxError as error:
        raise SystemExit(str(error)) from None


def _part(name: str) -> Part:
    if name not in PARTS:
        raise SettingError(f"There is no part {name!r}. There are: {', '.join(PARTS)}.")
    return PARTS[name]


def _sets(wanted: str) -> list[NamedSet]:
    """Return the sets of these names between commas; all if there is no name."""
    names = [name.strip() for name in wanted.split(",")] if wanted else list(SETS)
    for name in names:
        if name not in SETS:
            raise SettingError(f"There is no set {name!r}. There are: {', '.join(SETS)}.")
    return [SETS[name] for name in names]


def _loaded(one: NamedSet, folder: Path, limit: int) -> Data | None:
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
