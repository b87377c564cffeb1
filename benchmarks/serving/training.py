"""How fast an adapter is trained, beside transformers' Trainer with peft on the same examples.

    python -m benchmarks.serving.training [--labels 96] [--repeats 2] [--json FILE]

The kept figures are in benchmarks/results/training.json. Both have the same base model (the offline
one), prompts, rank, learning rate, schedule, steps and batch size. The examples are tweets labelled
by one expert; kappa is measured on 400 others with raters of whom no expert is made, each model at
the threshold that fits its own answers to the pool's balance. The two run in turns, each in a
process of its own, so that its memory is its own. 20 minutes on two cores.
"""

import gc
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from backend.engine import llm, prompt
from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.offline import OFFLINE, resolve
from backend.recipe import Recipe
from backend.threshold import match
from backend.train import train
from benchmarks.serving import floor
from benchmarks.serving.allocator import use_products_allocator
from benchmarks.serving.floor import Rates
from benchmarks.serving.training_peer import by_trainer
from demo.question import LABELS, policy
from demo.ratings import load
from selection.types import Doubles, Ints

MODELS = Path("build/benchmarks/models")
TEST = 400
HARSH_SHARE = 0.4  # of the examples, as after two rounds
RUNNERS = ("ours", "trainer")
Json = dict[str, Any]


def main(
    labels: Annotated[int, typer.Option(min=16)] = 96,
    repeats: Annotated[int, typer.Option(min=1)] = 2,
    out: Annotated[Path | None, typer.Option("--json")] = None,
    runner: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Measure, print, and write the figures; with --runner only one of the two, in this process."""
    use_products_allocator()
    if runner:
        print(json.dumps(_run(runner, labels)))
        return
    runs: dict[str, list[Json]] = {name: [] for name in RUNNERS}
    for repeat in range(repeats):
        for name in RUNNERS:
            print(f"run {repeat + 1} of {repeats}: {name}", flush=True)
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.serving.training", "--runner", name, "--labels",
                 str(labels)],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            runs[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(runs[name][-1]), flush=True)
    figures = json.dumps(_figures(labels, runs), indent=1)
    print(figures)
    if out:
        out.write_text(figures + "\n")


def _figures(labels: int, runs: dict[str, list[Json]]) -> Json:
    def median(name: str, key: str) -> float:
        return float(statistics.median(run[key] for run in runs[name]))

    return {
        "labels": labels,
        "trainer_over_ours_seconds": round(
            statistics.median(
                theirs["seconds"] / ours["seconds"]
                for ours, theirs in zip(runs["ours"], runs["trainer"], strict=True)
            ),
            2,
        ),
        **{
            f"floor{at}_over_{name}": round(median(name, f"share_of_floor{at}"), 3)
            for at in ("", "_at_torchs_rate")
            for name in RUNNERS
        },
        **{
            f"{key}_{name}": round(median(name, key), 3)
            for name in RUNNERS
            for key in ("seconds", "kappa", "auc", "peak_rss_gib", "steps")
        },
        "test_texts": TEST,
        "runs": runs,
    }


def _run(name: str, labels: int) -> Json:
    model = resolve(OFFLINE, MODELS)
    texts, targets, tests, truth = examples(labels)
    words = policy("tweets")
    recipe = Recipe()
    before = _rates(model)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if name == "ours":
            prior = np.array([0.15, 0.85])
            made = train(Local(model), words, LABELS, texts, targets, prior, recipe, out)
            seconds, steps = made.seconds, made.steps
        else:
            seconds, steps = by_trainer(model, words, LABELS, texts, targets, recipe, out)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        base = llm.load(model)
        after = floor.rates(base)
        logits = _answers(base, out, words, tests)
    needed = _needed(base, words, texts, recipe, steps)
    best, torchs = (before.best + after.best) / 2, (before.torchs + after.torchs) / 2
    return {
        "seconds": round(seconds, 2),
        "steps": steps,
        "share_of_floor": round(needed / best / seconds, 3),
        "share_of_floor_at_torchs_rate": round(needed / torchs / seconds, 3),
        "gflop_a_second": round(2e-9 * best),
        "gflop_a_second_of_torch": round(2e-9 * torchs),
        "peak_rss_gib": round(peak, 2),
        **quality(logits, truth),
    }


def _rates(model: str) -> Rates:
    """Time products on a copy of the model that is gone before the training loads its own."""
    rates = floor.rates(llm.load(model))
    gc.collect()
    return rates


def examples(labels: int) -> tuple[list[str], Ints, list[str], Ints]:
    """Return texts of one expert, with as many harsh ones as curated rounds have, and tests."""
    rated = load("tweets")
    rng = np.random.default_rng(0)
    order = rng.permutation(len(rated))
    tests, rest = [rated[i] for i in order[:TEST]], [rated[i] for i in order[TEST:]]
    harsh = [one for one in rest if one.majority(0)][: round(labels * HARSH_SHARE)]
    fine = [one for one in rest if not one.majority(0)][: labels - len(harsh)]
    targets = np.array([0] * len(harsh) + [1] * len(fine))
    mixed = rng.permutation(len(targets))
    texts = [one.text for one in (*harsh, *fine)]
    truth = np.array([0 if one.majority(2) else 1 for one in tests])
    return [texts[i] for i in mixed], targets[mixed], [one.text for one in tests], truth


def _answers(base: Llm, adapter: Path, words: str, tests: list[str]) -> Doubles:
    """Return (n, 2) log-probabilities of the tests, read by the same code for both adapters."""
    asked = base.ask(words, LABELS, 256)
    ids = prompt.encode(base.tokenizer, tests, 256)
    rows = []
    with torch.inference_mode(), Adapters(base.causal).use(adapter):
        for start in range(0, len(ids), 16):
            rows.append(base.answer(asked, ids[start : start + 16]).log_softmax(dim=1))
    return torch.cat(rows).numpy().astype(np.float64)


def quality(logits: Doubles, truth: Ints) -> Json:
    """Return kappa at the threshold that fits the truth's balance, and AUC."""
    share = np.bincount(truth, minlength=2) / len(truth)
    labels = (logits + np.array(match(logits, share))).argmax(axis=1)
    return {
        "kappa": round(float(cohen_kappa_score(labels, truth)), 3),
        "auc": round(float(roc_auc_score(truth == 0, logits[:, 0] - logits[:, 1])), 3),
    }


def _needed(base: Llm, words: str, texts: list[str], recipe: Recipe, steps: int) -> float:
    """Return the multiply-adds of the steps.

    These are a forward pass of each text through the layers that do not learn, and in each epoch
    a forward and a backward pass through the frozen weights of those that do, and three passes
    through the adapter's own.
    """
    costs = floor.costs(base)
    asked = base.ask(words, LABELS, 256).prompt
    lengths = [len(row) + len(asked.suffix) for row in prompt.encode(base.tokenizer, texts, 256)]
    # the policy needs no backward pass, and only one forward pass for all
    own = recipe.upper * sum(recipe.rank * sum(weight.shape) for weight in floor.weights(base))
    forward = costs.texts(lengths, len(asked.prefix))
    an_epoch = 2 * recipe.upper * forward + 3 * own * sum(lengths)
    return (1 - recipe.upper) * forward + an_epoch * steps * recipe.batch_size / len(texts)


if __name__ == "__main__":
    typer.run(main)
