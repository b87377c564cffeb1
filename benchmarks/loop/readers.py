"""What the two readers of a version are worth, alone and together: the LLM and the probe.

    python -m benchmarks.loop --set rare --systems crux --seeds 1 --verdicts 250
    python -m benchmarks.loop.readers --set rare --verdicts 250

The first command runs the product's loop; the second has its versions read the test texts once
more, by the LLM alone, and joins the probe with other shares than the product's.
"""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from sklearn.metrics import average_precision_score

from backend.config import BackendSettings
from backend.engine.probe import load_probe, read_by_probe
from backend.engine.served import served
from backend.versions.manifest import Manifest
from benchmarks.choice.datasets import FOLDER
from benchmarks.loop.measure import best_kappa
from benchmarks.loop.place import PROJECT
from benchmarks.loop.versions import Named, Out, Seed, Sets, Verdicts, Versions, lead, measure
from selection.errors import SettingError
from selection.types import Doubles

OUT = Path("benchmarks/results/readers.json")
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the probe: 0 is the LLM alone, 1 the probe alone


def main(
    named: Named, verdicts: Verdicts, seed: Seed = 0, folder: Sets = FOLDER, out: Out = OUT
) -> None:
    """Measure the versions of one loop: the LLM, the probe, and both."""
    measure(named, seed, verdicts, folder, out, _figures)


def _figures(made: Manifest, versions: Versions) -> dict[str, Any]:
    """Return average precision and best kappa of one version on the test texts, by share."""
    ground, scorer, rare = versions.ground, versions.scorer, versions.rare
    truth = ground.truth == rare
    whole = served(versions.registry, PROJECT, made)
    alone = replace(whole, version=f"{whole.version} (alone)", offsets=(), embedder="")
    scorer.score(alone, ["to load the model"])
    if alone.adapter is None:
        raise SettingError(f"{made.version} is no trained version.")
    second = load_probe(alone.adapter)
    read_by_probe(second, ["to load the embedder"], made.embedder)
    began = time.perf_counter()
    llm = np.log(np.maximum(scorer.score(alone, ground.test).astype(np.float64), 1e-30))
    between = time.perf_counter()
    probe = read_by_probe(second, ground.test, made.embedder)
    seconds = between - began, time.perf_counter() - between
    usual = BackendSettings(home=versions.registry.root).probe_share
    figures = []
    for share in SHARES:
        score = lead(_joined(llm, probe, share, usual), rare)
        precision = float(average_precision_score(truth, score, sample_weight=ground.weight))
        best = best_kappa(score, truth, ground.weight)
        figures.append((round(precision, 3), round(best, 3)))
    return {
        "version": made.version.split("-")[0],
        "labels": len(made.examples),
        "positives": versions.positives(made),
        "share": list(SHARES),
        "precision": [one for one, _ in figures],
        "best_kappa": [one for _, one in figures],
        "texts": len(ground.test),
        "seconds": [round(one, 1) for one in seconds],
    }


def _joined(llm: Doubles, probe: Doubles, share: float, usual: float) -> Doubles:
    """Return (n, k) logits. probe: scaled as the version has it, for a share of `usual`."""
    if share == 1.0:
        return probe
    joined: Doubles = llm + share / (1 - share) / (usual / (1 - usual)) * probe
    return joined


def chapter(file: Path = OUT) -> str:
    """Return the chapter of docs/results.md; "" before anything was measured."""
    if not file.is_file():
        return ""
    lines = [
        "## What the probe adds to the LLM",
        "",
        "Versions of the product's own loop on texts that nothing touches, weighted to the true "
        "share: average precision, and kappa at the threshold that is best there. The probe has "
        "so much of the sum of both readers' log-odds; 0 is the LLM alone, 1 the probe alone. "
        "The standard error of a kappa is about 0.05, but the readers of a row are the same. "
        "Command: `python -m benchmarks.loop.readers`, after `python -m benchmarks.loop`.",
        "",
        f"| set | labels (positive) | {' | '.join(f'{share:g}' for share in SHARES)} |",
        f"|---|---|{'---|' * len(SHARES)}",
    ]
    measured = json.loads(file.read_text())
    every = [one for versions in measured.values() for one in versions]
    for name, versions in measured.items():
        for one in versions:
            pairs = zip(one["precision"], one["best_kappa"], strict=True)
            cells = " | ".join(f"{precision:.2f}, {best:.2f}" for precision, best in pairs)
            lines.append(f"| {name} | {one['labels']} ({one['positives']}) | {cells} |")
    dearer = float(np.median([probe / llm for llm, probe in (one["seconds"] for one in every)]))
    lines += ["", f"The probe takes {dearer:.0%} of the time of the LLM (median of the rows)."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
