"""How many random labels the same LLM needs to reach what it learned from a loop of the product.

    python -m benchmarks.loop --set rare --systems crux --verdicts 400
    python -m benchmarks.loop --set rare --systems random --seeds 1 --verdicts 3000

Every random label teaches and none measures, so this is the hardest rival, though it knows no
figure of its own. What is told here comes from the kept lines of these two commands.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.loop.kept import Line
from benchmarks.loop.report import FOLDER, OURS, found
from benchmarks.loop.summary import mean_and_interval

RANDOM = "random"
VERDICTS = 400  # of the loop that is to be reached


def needed(labels: Sequence[int], kappa: Sequence[float], target: float) -> float:
    """Return the number of labels at which a curve reaches a kappa; infinite if it never does.

    Between two points the curve is a line over the logarithm of the labels. What a smaller number
    reached a larger one is taken to reach as well. labels: ascending, positive.
    """
    best = np.maximum.accumulate(np.asarray(kappa, dtype=np.float64))
    if target > best[-1]:
        return math.inf
    at = int(np.argmax(best >= target))
    if at == 0:
        return float(labels[0])
    low, high = best[at - 1], best[at]
    share = (target - low) / (high - low)
    return float(labels[at - 1] * (labels[at] / labels[at - 1]) ** share)


def chapter(folder: Path = FOLDER) -> str:
    """Return the chapter of docs/results.md; "" before both were measured on any set."""
    every = found(folder)
    rows = []
    for name in sorted({name for name, _ in every}):
        ours = every.get((name, VERDICTS), {}).get(OURS)
        others = [
            (budget, systems[RANDOM])
            for (one, budget), systems in every.items()
            if one == name and budget > VERDICTS and RANDOM in systems
        ]
        if ours and others:
            rows.append(_row(name, ours, max(others, key=lambda other: other[0])[1]))
    if not rows:
        return ""
    lines = [
        "## How many random labels do as much",
        "",
        f"True kappa of the product's version after {VERDICTS} verdicts, of which some only "
        "measure, and that of the same LLM taught by random labels alone, which then has no "
        "figure of its own. Labels needed are read from the random curve, a line over the "
        "logarithm of the labels between two points; their interval holds what the curve needs "
        "for both ends of the kappa's 95 % interval. That is of the loops where there are "
        "several, else of the test texts, which both share. Command: `python -m "
        "benchmarks.loop --systems random --verdicts 3000`.",
        "",
        "| set | product's kappa | random labels: kappa | random labels needed | in place of one "
        "verdict |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, ours: list[list[Line]], random: list[list[Line]]) -> str:
    ends = [seed[-1] for seed in ours]
    kappa = mean_and_interval(np.array([line.kappa or 0.0 for line in ends]))
    mean, low, high = (kappa[key] for key in ("mean", "low", "high"))
    if low is None or high is None:
        low, high = ends[0].low, ends[0].high
    labels = [line.verdicts for line in random[0] if line.verdicts]
    curve = np.mean(
        [[line.kappa or 0.0 for line in seed if line.verdicts] for seed in random], axis=0
    )
    each = ", ".join(f"{n:,}: {value:.2f}" for n, value in zip(labels, curve, strict=True))
    most = labels[-1]
    asked = [needed(labels, curve.tolist(), target or 0.0) for target in (mean, low, high)]
    spent = float(np.mean([line.verdicts for line in ends]))
    counts = [_count(one, most) for one in asked]
    ratios = [_count(one / spent, most / spent, ".1f") for one in asked]
    return (
        f"| {name} | {mean:.2f} [{low or 0.0:.2f}, {high or 0.0:.2f}] ({len(ours)}) | {each} | "
        f"{counts[0]} ({counts[1]} to {counts[2]}) | {ratios[0]} ({ratios[1]} to {ratios[2]}) |"
    )


def _count(value: float, most: float, form: str = ",.0f") -> str:
    return f"over {most:{form}}" if math.isinf(value) else f"{value:{form}}"
