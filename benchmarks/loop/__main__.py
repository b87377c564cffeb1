"""What a loop is worth: true kappa against all verdicts that were spent, evaluation included.

    python -m benchmarks.loop --set remorse
    python -m benchmarks.loop --data FILE --text COLUMN --label COLUMN --positive VALUE

Every system teaches the same model by the same recipe. What was measured is kept: a run that was
cut off goes on, and one that is complete is only summed up.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.choice.datasets import FOLDER
from benchmarks.loop import sets
from benchmarks.loop.ground import Labelled, split
from benchmarks.loop.probe_alone import OPTIONS, ProbeAlone
from benchmarks.loop.race import Folders, Terms, axis_until, one_scorer, race
from benchmarks.loop.summary import table
from benchmarks.loop.systems import SYSTEMS, by_names
from selection.errors import CruxError, SettingError

BUILD = Path("build/benchmarks")


def main(
    named: Annotated[
        str | None, typer.Option("--set", help=f"a set by name: {', '.join(sets.NAMES)}")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="CSV or CSV.gz with a header")] = None,
    text: Annotated[str, typer.Option(help="column of the text")] = "text",
    label: Annotated[str, typer.Option(help="column of the label")] = "label",
    positive: Annotated[
        str | None, typer.Option(help="value of the positive label; if left out, each value is one")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="what experts and model are told; else made of the labels")
    ] = None,
    prevalence: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="thin the positives to this share")
    ] = None,
    systems: Annotated[
        str, typer.Option(help=f"names between commas: {', '.join(SYSTEMS)}")
    ] = "crux,random 80/20",
    seeds: Annotated[int, typer.Option(min=1)] = 3,
    first_seed: Annotated[int, typer.Option(min=0, help="where the seeds begin")] = 0,
    verdicts: Annotated[int, typer.Option(min=2, help="of experts, spent in all")] = 400,
    limit: Annotated[int | None, typer.Option(min=100, help="at most so many texts")] = None,
    tag: Annotated[str, typer.Option(help="of this version of the product")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(help="KEY=VALUE: a setting of the product that is changed; needs --tag"),
    ] = None,
    probe_alone: Annotated[
        bool, typer.Option("--probe-alone", help="in place of the LLM, to try things; needs --tag")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, help="of the model, 0 for all cores")] = 0,
    folder: Annotated[Path, typer.Option(help="of the named sets")] = FOLDER,
    results: Annotated[
        Path | None, typer.Option(help="folder of what was measured, one file a set")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", help="write the result here")] = None,
) -> None:
    """Measure systems on a set."""
    try:
        chosen = by_names(systems)
        options = _options(option or [], tag)
        if probe_alone and not tag:
            raise SettingError("With --probe-alone give a --tag: it is no result of the product.")
        if named is not None:
            labelled = sets.load(named, folder, limit)
        else:
            labelled = _from_file(data, text, label, positive, policy, prevalence, limit)
        # what somebody measures on a file of their own is no result of the project
        own = Folders().results if named is not None else BUILD / "loop" / "results"
        folders = Folders(BUILD, results or own)
        numbers = tuple(range(first_seed, first_seed + seeds))
        terms = Terms(numbers, axis_until(verdicts), tag, threads, options)
        ground = split(labelled)
        if probe_alone:
            model = ProbeAlone(folders.build)
            terms = replace(terms, options={**OPTIONS, **options})
            result = race(ground, chosen, terms, folders, model.scorer, train=model.train)
        else:
            result = race(ground, chosen, terms, folders, one_scorer(terms, folders))
    except CruxError as error:
        raise SystemExit(str(error)) from None
    print(table(result))
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n")


def _from_file(
    data: Path | None, text: str, label: str, positive: str | None, policy: str | None,
    prevalence: float | None, limit: int | None,
) -> Labelled:  # fmt: skip
    if data is None:
        raise SettingError("Name a set with --set, or a file with --data.")
    return sets.from_file(data, text, label, positive, policy, prevalence, limit)


def _options(given: list[str], tag: str) -> dict[str, object]:
    if given and not tag:
        raise SettingError("With --option give a --tag, so that what is measured has a name.")
    pairs = [one.partition("=") for one in given]
    if any(not found for _, found, _ in pairs):
        raise SettingError("An --option is KEY=VALUE, such as per_round=48.")
    return {name.strip(): value.strip() for name, _, value in pairs}


if __name__ == "__main__":
    typer.run(main)
