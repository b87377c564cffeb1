"""All systems and seeds on one ground, piece by piece."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from backend.config import BackendSettings
from backend.engine.scorer import Scorer, make_scorer
from backend.train import Trained, train
from benchmarks.loop.ground import Ground
from benchmarks.loop.kept import Kept, Line, Piece
from benchmarks.loop.piece import run_piece
from benchmarks.loop.place import Place
from benchmarks.loop.summary import summarize
from benchmarks.loop.systems import System

AXIS = (50, 100, 200, 300, 400, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Terms:
    """What is the same for every system.

    axis: numbers of verdicts. tag: of the version of the product, so that a later one can be
    measured beside it. options: settings of the product other than its defaults. threads: of the
    model, 0 for all cores.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    axis: tuple[int, ...] = AXIS
    tag: str = ""
    threads: int = 0
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Folders:
    """build: of pieces and vectors, safe to delete. results: of what was measured."""

    build: Path = Path("build/benchmarks")
    results: Path = Path("benchmarks/results/loop")


def say(what: str) -> None:
    """Print at once, also into a file."""
    print(what, flush=True)


def axis_until(most: int) -> tuple[int, ...]:
    """Return the usual numbers of verdicts up to `most`, and that one."""
    return (*(verdicts for verdicts in AXIS if verdicts < most), most)


def one_scorer(terms: Terms, folders: Folders) -> Callable[[], Scorer]:
    """Return a function that loads the model at its first call: all pieces share its weights."""
    settings = BackendSettings(home=folders.build / "loop" / "model", threads=terms.threads)
    loaded: list[Scorer] = []

    def scorer() -> Scorer:
        if not loaded:
            loaded.append(make_scorer(settings))
        return loaded[0]

    return scorer


def race(
    ground: Ground,
    systems: Sequence[System],
    terms: Terms,
    folders: Folders,
    scorer: Callable[[], Scorer],
    train: Callable[..., Trained] = train,
    say: Callable[[str], None] = say,
) -> dict[str, Any]:
    """Run what is missing, and return the figures of all systems. Raises CruxError."""
    kept = Kept(folders.results / f"{ground.name}.jsonl")
    tag = f"{terms.tag}-" if terms.tag else ""
    lines: dict[str, list[list[Line]]] = {system.name: [] for system in systems}
    for seed in terms.seeds:
        for system in systems:
            piece = Piece(
                ground.name, ground.digest, system.name, seed, terms.axis[-1], terms.tag
            )
            name = system.name.replace(" ", "-").replace("/", "-")
            where = f"{tag}{name}-{seed}-of-{piece.budget}"
            place = Place(
                ground,
                seed,
                folders.build / "loop" / f"{ground.name}-{ground.digest}" / where,
                terms.axis,
                folders.build / "vectors",
                scorer,
                train,
                terms.threads,
                terms.options,
                partial(_progress, say, name, seed),
            )
            lines[system.name].append(run_piece(piece, system, place, kept, say))
    tells = {system.name: system.tells for system in systems}
    return summarize(ground, terms.axis, lines, tells)


def _progress(say: Callable[[str], None], name: str, seed: int, what: str) -> None:
    say(f"   {name} {seed}: {what}")
