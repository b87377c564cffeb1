"""What fewer bits would cost on the CPU: float32, bfloat16 and int8, at one trained version.

    python -m benchmarks.serving.precision [--labels 96] [--json FILE]

The kept figures are in benchmarks/results/precision.json. The adapter of
benchmarks.serving.training is merged into the weights; measured are kappa on the same 400 tweets,
the labels that differ from float32's, and texts a second in turns. bfloat16 and int8 are torch's
matrix products on the CPU, and its dynamic quantization (weights by row, activations by batch).
"""

import json
import statistics
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from peft import PeftModel

from backend.engine import llm, prompt
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.offline import OFFLINE, resolve
from backend.recipe import Recipe
from backend.threshold import match
from backend.train import train
from benchmarks.serving.allocator import use_products_allocator
from benchmarks.serving.training import MODELS, examples, quality
from demo.question import LABELS, policy
from selection.types import Doubles

WAYS = ("float32", "bfloat16", "int8")
TURN = 50  # texts


def main(
    labels: Annotated[int, typer.Option(min=16)] = 96,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Train once, measure each way, print, and write the figures."""
    use_products_allocator()
    model = resolve(OFFLINE, MODELS)
    texts, targets, tests, truth = examples(labels)
    words = policy("tweets")
    with tempfile.TemporaryDirectory() as folder:
        adapter = Path(folder)
        prior = np.array([0.15, 0.85])
        train(Local(model), words, LABELS, texts, targets, prior, Recipe(), adapter)
        models = {way: _merged(model, adapter, way) for way in WAYS}
    share = np.bincount(truth, minlength=2) / len(truth)
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    parts: dict[str, list[Doubles]] = {way: [] for way in WAYS}
    for start in range(0, len(tests), TURN):
        for way, base in models.items():
            began = time.perf_counter()
            parts[way].append(_read(base, words, tests[start : start + TURN]))
            seconds[way].append(time.perf_counter() - began)
    logits = {way: np.concatenate(found) for way, found in parts.items()}
    offsets = np.array(match(logits["float32"], share))
    exact = (logits["float32"] + offsets).argmax(axis=1)
    figures: dict[str, Any] = {"labels": labels, "test_texts": len(tests)}
    for way in WAYS:
        differences = np.diff(logits[way], axis=1) - np.diff(logits["float32"], axis=1)
        figures[way] = {
            "texts_a_second": round(TURN / statistics.median(seconds[way]), 1),
            "labels_changed": int(((logits[way] + offsets).argmax(axis=1) != exact).sum()),
            "largest_move_of_a_log_odds": round(float(np.abs(differences).max()), 3),
            **quality(logits[way], truth),
        }
    print(json.dumps(figures, indent=1))
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n")


def _merged(model: str, adapter: Path, way: str) -> Llm:
    base = llm.load(model, "cpu", "bfloat16" if way == "bfloat16" else "float32")
    adapted = PeftModel.from_pretrained(base.causal, str(adapter))
    merged = adapted.merge_and_unload()
    if way == "int8":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch moves its quantization to a package of its own
            inner = torch.ao.quantization.quantize_dynamic(  # type: ignore[no-untyped-call]
                merged.base_model, {torch.nn.Linear}, dtype=torch.qint8
            )
        setattr(merged, merged.base_model_prefix, inner)  # the read-out stays as it is
    return replace(base, causal=merged)


def _read(base: Llm, words: str, texts: list[str]) -> Doubles:
    """Return (n, 2) log-probabilities. In all ways the merged model reads the policy, too."""
    ids = prompt.encode(base.tokenizer, texts, 256)
    rows = []
    with torch.inference_mode():
        asked = base.ask(words, LABELS, 256)
        for start in range(0, len(ids), 16):
            rows.append(base.answer(asked, ids[start : start + 16]).log_softmax(dim=1))
    return torch.cat(rows).numpy().astype(np.float64)


if __name__ == "__main__":
    typer.run(main)
