"""What `python -m benchmarks.loop` kept -> the chapter of docs/results.md, and its picture."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.choice.picture import panels
from benchmarks.loop.kept import Kept, Line
from benchmarks.loop.race import axis_until
from benchmarks.loop.summary import figures

FOLDER = Path("benchmarks/results/loop")
OURS = "crux"
Found = dict[tuple[str, int], dict[str, list[list[Line]]]]  # set, verdicts -> system -> seeds


def found(folder: Path = FOLDER) -> Found:
    """Return the lines of all pieces that are complete."""
    every: Found = {}
    for file in sorted(folder.glob("*.jsonl")):
        kept = Kept(file)
        for piece in sorted(kept.pieces(), key=lambda piece: piece.seed):
            systems = every.setdefault((piece.set, piece.budget), defaultdict(list))
            systems[piece.system].append(kept.lines(piece))
    return every


def chapter(folder: Path = FOLDER) -> str:
    """Return the chapter; "" before anything was measured."""
    rows = [
        _row(name, budget, system, seeds)
        for (name, budget), systems in found(folder).items()
        for system, seeds in systems.items()
    ]
    if not rows:
        return ""
    lines = [
        "## What a loop is worth",
        "",
        "Whole loops in one process with SmolLM2-135M and LoRA: the product's own choice, audit, "
        "training, threshold and evaluation, with the data's labels or votes in place of experts. "
        "Every verdict counts, those that measure too. *random 80/20* teaches the same model by "
        "the same recipe, four of five random verdicts, and measures it by the fifth. True kappa "
        "is that of the version in force on texts that nothing touches, weighted to the true "
        "share. Command: `python -m benchmarks.loop`; raw figures in `benchmarks/results/loop`.",
        "",
        "![True kappa against verdicts](images/loop.svg)",
        "",
        "| set | system | loops | true kappa at verdicts | in the end, by loop | texts of the rare "
        "label found | verdicts that taught | told intervals that held the truth | minutes, other "
        "work and pauses included |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, budget: int, system: str, seeds: list[list[Line]]) -> str:
    axis = axis_until(budget)
    one = figures(axis, seeds)
    curve = ", ".join(
        f"{verdicts}: {kappa:.2f}" for verdicts, kappa in zip(axis, one["true_kappa"], strict=True)
    )
    ends = ", ".join(f"{kappas[-1]:.2f}" for kappas in one["true_kappa_by_seed"])
    held = round((one["covered"] or 0.0) * one["intervals"])
    return (
        f"| {name} | {system} | {len(seeds)} | {curve} | {ends} | {one['positives']:.0f} | "
        f"{one['taught'] or 0:.0%} | {held} of {one['intervals']} | {one['seconds'] / 60:.0f} |"
    )


def picture(folder: Path = FOLDER) -> str:
    """Return an SVG with one panel a set and budget on which ours has run."""
    each = {
        f"{name} {budget}": _panel(name, budget, systems)
        for (name, budget), systems in found(folder).items()
        if OURS in systems
    }
    return panels(each, OURS, against="verdicts of experts")


def _panel(name: str, budget: int, systems: dict[str, list[list[Line]]]) -> dict[str, Any]:
    axis = (0, *axis_until(budget))
    curves = {system: figures(axis, seeds)["true_kappa"] for system, seeds in systems.items()}
    others = [system for system in curves if system != OURS]
    return {
        "title": f"{name}, {budget} verdicts",
        "labels": axis,
        "strategies": {system: {"kappa": curve} for system, curve in curves.items()},
        "best_peer": max(others, key=lambda system: curves[system][-1], default=None),
    }
