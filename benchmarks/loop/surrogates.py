"""What is known of texts that the LLM did not read: the surrogate, and what it is made of.

    python -m benchmarks.loop --set rare --systems crux --seeds 1 --verdicts 250
    python -m benchmarks.loop.surrogates --set rare --verdicts 250

The first command runs the product's loop; in the second each of its versions reads 1,000 random
texts of the pool. From 500 of them the others are told in four ways.
"""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from backend.engine.served import served
from backend.versions.manifest import Manifest
from benchmarks.choice.datasets import FOLDER
from benchmarks.loop.place import PROJECT
from benchmarks.loop.versions import Named, Out, Seed, Sets, Verdicts, Versions, lead, measure
from selection.embed import embed
from selection.surrogate import Surrogate
from selection.types import Doubles, Floats, Ints, Pool

OUT = Path("benchmarks/results/surrogates.json")
READ, APART = 500, 500  # texts that teach a surrogate, and by which it is compared with the LLM
FIRST = 64  # texts that are likeliest to be of the rare label: how many of them are
VERDICT = 10.0  # texts that the LLM read as heavy as one verdict, for the older way
OLDER = "logistic regression on vectors"
Way = Callable[[Ints, Doubles], Doubles]  # (m,) rows and (m, 2) beliefs -> (n, 2) of all rows


def main(
    named: Named, verdicts: Verdicts, seed: Seed = 0, folder: Sets = FOLDER, out: Out = OUT
) -> None:
    """Measure the versions of one loop: what is known of texts that they did not read."""
    measure(named, seed, verdicts, folder, out, _figures)


def _figures(made: Manifest, versions: Versions) -> dict[str, Any]:
    """Compare what the ways say of the pool with the version, and with the truth."""
    ground, rare = versions.ground, versions.rare
    vectors = embed(ground.texts, embedder="offline", home=Path("build/benchmarks"))
    row_of = {name: row for row, name in enumerate(ground.ids)}
    rows = np.array([row_of[name] for name, _ in made.examples], dtype=np.int64)
    taught = rows, np.array([made.labels.index(label) for _, label in made.examples])
    untaught = np.setdiff1d(np.arange(len(ground.texts)), rows)
    order = np.random.default_rng(0).permutation(untaught)[: READ + APART]
    read, apart = order[:READ], order[READ:]
    version = served(versions.registry, PROJECT, made)
    said = versions.scorer.score(version, [ground.texts[row] for row in order]).astype(np.float64)
    truth = ground.experts[:, 0] == rare
    rest = np.setdiff1d(untaught, read)
    by_version = lead(np.log(np.maximum(said[READ:], 1e-9)), rare)
    ways = {}
    for name, way in _ways(ground.ids, ground.texts, vectors, taught).items():
        score = lead(np.log(np.maximum(way(read, said[:READ]), 1e-9)), rare)
        likeliest = rest[np.argsort(-score[rest], kind="stable")[:FIRST]]
        ways[name] = {
            "correlation": round(float(np.corrcoef(score[apart], by_version)[0, 1]), 3),
            "precision": round(float(average_precision_score(truth[rest], score[rest])), 3),
            "first": int(truth[likeliest].sum()),
        }
    return {
        "version": made.version.split("-")[0],
        "labels": len(rows),
        "positives": versions.positives(made),
        "pool": len(ground.texts),
        "ways": ways,
    }


def _ways(
    ids: tuple[str, ...], texts: tuple[str, ...], vectors: Floats, taught: tuple[Ints, Ints]
) -> dict[str, Way]:
    pool = Pool(np.array(ids, dtype=object), np.array(texts, dtype=object))
    whole = Surrogate.of(pool, vectors, taught, 2)
    mute = csr_matrix(whole.words.shape, dtype=np.float32)
    return {
        OLDER: lambda read, said: _older(vectors, taught, read, said),
        "vectors": replace(whole, words=mute, verdicts=np.zeros_like(whole.verdicts)).beliefs,
        "words and vectors": replace(whole, verdicts=np.zeros_like(whole.verdicts)).beliefs,
        "words, vectors and verdicts": whole.beliefs,
    }


def _older(vectors: Floats, taught: tuple[Ints, Ints], read: Ints, said: Doubles) -> Doubles:
    """Teach labels that are as heavy as the LLM believes in them, and verdicts beside them."""
    rows = np.concatenate([np.repeat(read, 2), taught[0]])
    labels = np.concatenate([np.tile([0, 1], len(read)), taught[1]])
    weight = np.concatenate([said.ravel(), np.full(len(taught[0]), VERDICT)])
    learner = LogisticRegression(C=10.0, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(vectors[rows], labels, weight)
    return np.asarray(learner.predict_proba(vectors), dtype=np.float64)


def chapter(file: Path = OUT) -> str:
    """Return the chapter of docs/results.md; "" before anything was measured."""
    if not file.is_file():
        return ""
    measured = json.loads(file.read_text())
    names = list(next(iter(measured.values()))[0]["ways"])
    lines = [
        "## What is known of texts that the LLM did not read",
        "",
        f"Versions of the product's own loop read {READ} random texts of the pool. What they would "
        "say of the others is told from these in four ways, of which the product has the last. In "
        f"each cell: the correlation of the log-odds with the version's own on {APART} other "
        "texts; the average precision for the true label on all that was not read; and how many "
        f"of the {FIRST} likeliest of them have the rare label. Command: `python -m "
        "benchmarks.loop.surrogates`, after `python -m benchmarks.loop`.",
        "",
        f"| set | texts | labels (positive) | {' | '.join(names)} |",
        f"|---|---|---|{'---|' * len(names)}",
    ]
    for name, versions in measured.items():
        for one in versions:
            cells = " | ".join(
                f"{way['correlation']:.2f}, {way['precision']:.2f}, {way['first']}"
                for way in one["ways"].values()
            )
            labels = f"{one['labels']} ({one['positives']})"
            lines.append(f"| {name} | {one['pool']:,} | {labels} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
