"""The source's experiment on real votes, with the arm that it left out.

    python -m benchmarks.headline [--kinds tweets editorials] [--arms a b c d e] [--seeds 1]

  a  the prompted model as it is
  b  fine-tuned on one rater's vote for every text of the pool
  c  fine-tuned on the curated set of at most 400 expert labels, through the loop
  d  fine-tuned on as many expert labels of random texts
  e  fine-tuned on all expert labels of the pool: the ceiling of this model

Every (kind, arm, seed) is a piece. A piece that has its file in benchmarks/results/headline is not
computed again, and arm c resumes after its last complete round. data.py has votes, thirds and test
set.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.engine.offline import OFFLINE, resolve
from backend.recipe import Recipe
from benchmarks.headline.data import Ground, examples_of, load
from benchmarks.headline.loop import Loop, Terms
from benchmarks.headline.model import Learner, figures
from benchmarks.headline.report import ProgressLines, labels_of, people, read, show
from demo.question import NOUNS, policy
from demo.ratings import ARCHIVE
from selection.embed import embed
from selection.errors import CruxError

ARMS = "abcde"
RESULTS = Path("benchmarks/results/headline")
HOME = Path("build/benchmarks")
TRAINS, READS = 3.0, 12.0  # texts a second on one core, to predict how long it takes


@dataclass(frozen=True)
class Setting:
    """What all pieces share.

    small: the recipe of arms c and d. whole: of b and e, one pass, since the limit on the steps of
    `small` is meant for small sets.
    """

    model: str = OFFLINE
    archive: Path = ARCHIVE
    results: Path = RESULTS
    home: Path = HOME
    threads: int | None = 1
    terms: Terms = field(default_factory=Terms)
    small: Recipe = field(default_factory=Recipe)
    whole: Recipe = field(default_factory=lambda: Recipe(epochs=1, max_steps=1_000_000))


@dataclass(frozen=True)
class Piece:
    """One file of results."""

    kind: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.arm}-{self.seed}"


def pieces(kinds: Sequence[str], arms: Sequence[str], seeds: int) -> list[Piece]:
    """Return what there is to compute, in the order given. Arm a has one seed: it draws nothing."""
    return [
        Piece(kind, arm, seed)
        for kind in kinds
        for arm in arms
        for seed in range(1 if arm == "a" else seeds)
    ]


def forecast(piece: Piece, ground: Ground, setting: Setting) -> float:
    """Return about how many seconds a piece will take."""
    reads = float(len(ground.test))
    if piece.arm == "a":
        return reads / READS
    reads += len(ground.sample)
    small = setting.small.steps(setting.terms.budget) * setting.small.batch_size
    if piece.arm == "c":
        rounds = setting.terms.rounds
        return rounds * (small / TRAINS + (reads + setting.terms.read_limit) / READS)
    trains = small if piece.arm == "d" else len(ground.pool) * setting.whole.epochs
    return trains / TRAINS + reads / READS


def run(piece: Piece, ground: Ground, setting: Setting) -> Path:
    """Return the piece's file, which is computed if it is not there."""
    file = setting.results / f"{piece.name}.json"
    if file.is_file():
        return file
    print(f"{piece.name}: about {forecast(piece, ground, setting) / 60:.0f} min", flush=True)
    result = compute(piece, learner_of(piece, ground, setting), setting)
    result["predictions"] = result.pop("predictions")  # last, as it is long
    body = {
        **asdict(piece),
        "model": setting.model,
        "test": ground.digest,
        "pool": len(ground.pool),
        "threads": setting.threads,
        **result,
    }
    write(file, body)
    return file


def learner_of(piece: Piece, ground: Ground, setting: Setting) -> Learner:
    """Return what trains and measures the piece's versions."""
    model = resolve(setting.model, setting.home / "models")
    tokens, lines = setting.small.max_tokens, ProgressLines(piece.name)
    return Learner(model, policy(piece.kind), ground, setting.threads, tokens, lines)


def compute(piece: Piece, learner: Learner, setting: Setting) -> dict[str, Any]:
    """Return what one arm costs and what it reaches."""
    if piece.arm == "a":
        return {"labels": 0, "positives": 0, **learner.measure(learner.prompted())}
    recipe = _recipe(piece, setting)
    result: dict[str, Any] = {"recipe": recipe.as_json()}
    if piece.arm == "c":
        result["terms"] = asdict(setting.terms)
        rounds = loop(piece, learner, setting).run()
        result["rounds"] = [{k: v for k, v in r.items() if k != "predictions"} for r in rounds]
        result |= {k: v for k, v in rounds[-1].items() if k not in ("round", "ids", "inclusion")}
        # complete rounds of an earlier run count, what was cut off does not
        return {**result, "seconds": sum(one["seconds"] for one in rounds)}
    examples = examples_of(piece.arm, learner.ground, piece.seed, setting.terms.budget)
    version = learner.train(_folder(piece, learner, setting) / "version", examples, recipe)
    return {
        **result,
        "labels": len(examples.ids),
        "positives": examples.positives,
        "prior": examples.prior.tolist(),
        "train_seconds": version.seconds,
        "steps": version.steps,
        "loss": version.loss,
        **learner.measure(version),
    }


def loop(piece: Piece, learner: Learner, setting: Setting) -> Loop:
    """Return the loop of an arm c, at the round that it has reached."""
    texts = [one.text for one in learner.ground.pool]
    vectors = embed(texts, embedder=OFFLINE, home=setting.home)
    folder, recipe = _folder(piece, learner, setting), _recipe(piece, setting)
    return Loop(learner, setting.terms, recipe, piece.seed, folder, vectors)


def _recipe(piece: Piece, setting: Setting) -> Recipe:
    chosen = setting.whole if piece.arm in "be" else setting.small
    return replace(chosen, seed=piece.seed)


def _folder(piece: Piece, learner: Learner, setting: Setting) -> Path:
    """Return the folder of what a piece has finished, so that it resumes."""
    stamp = _stamp(learner, setting, _recipe(piece, setting))
    folder = setting.home / "headline" / f"{piece.name}-{stamp}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _stamp(learner: Learner, setting: Setting, recipe: Recipe) -> str:
    """Return what stands for the terms: with other terms nothing half done is used."""
    parts = [setting.model, learner.policy, learner.ground.digest, recipe.as_json()]
    text = json.dumps([*parts, len(learner.ground.pool), asdict(setting.terms)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def write(file: Path, body: dict[str, Any]) -> None:
    """Write the file whole or not at all, one key a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in body.items())
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(part, file)


def remeasure(results: Path, kind: str) -> None:
    """Compute kappas and intervals of the pieces anew, from the scores in their files."""
    known, found = read(results, kind)
    for file, piece in found.items():
        write(file, {**piece, **figures(np.array(piece["predictions"]), labels_of(known))})


def main(argv: Sequence[str] | None = None) -> None:
    """Compute what is missing, then show what there is."""
    parser = argparse.ArgumentParser(prog="benchmarks.headline", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--kinds", nargs="+", default=["tweets", "editorials"], choices=NOUNS)
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=ARMS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--remeasure", action="store_true", help="kappas from kept scores")
    parser.add_argument("--json", type=Path, help="file of all figures but the predictions")
    asked = parser.parse_args(argv)
    setting = Setting(archive=asked.archive, results=asked.results, threads=asked.threads)
    try:
        grounds = {kind: load(kind, setting.archive) for kind in asked.kinds}
    except CruxError as error:
        raise SystemExit(str(error)) from None
    todo = pieces(asked.kinds, asked.arms, asked.seeds)
    missing = [p for p in todo if not (setting.results / f"{p.name}.json").is_file()]
    seconds = sum(forecast(piece, grounds[piece.kind], setting) for piece in missing)
    print(f"{len(missing)} of {len(todo)} pieces to compute, about {seconds / 60:.0f} min")
    for kind, ground in grounds.items():
        write(setting.results / f"{kind}-people.json", people(ground))
    for piece in todo:
        run(piece, grounds[piece.kind], setting)
    for kind in asked.kinds if asked.remeasure else ():
        remeasure(setting.results, kind)
    figures_of = show(setting.results, asked.kinds)
    if asked.json:
        asked.json.write_text(json.dumps(figures_of, indent=1) + "\n")
