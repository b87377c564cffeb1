"""How fast the engine reads on one device, beside vLLM on the same one.

    python -m benchmarks.serving --device cuda --model Llama-3.1-8B --texts 20000

A model of random weights, which are as fast as any, and a bulk of product reviews and editorials;
policies of 20 and of 600 tokens; the prompted model, and one with an adapter. Both engines take
turns. Share: of the arithmetic that the device does in the model's own products. vLLM caches
prefixes, as it does by default, and is left out where build/vllm holds none. Then 96 texts are
learned with the policy of 600 tokens, by Crux and by transformers' Trainer with peft.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.config import BackendSettings
from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.offline import OFFLINE, resolve
from backend.engine.remote.engine import Remote, make_remote
from backend.engine.served import Served
from backend.engine.weights import weights_of
from backend.recipe import Recipe
from backend.train import train
from benchmarks.serving import floor
from benchmarks.serving.memory import config_of
from benchmarks.serving.stage import MODELS, policy, texts_of
from benchmarks.serving.training_peer import by_trainer
from benchmarks.serving.vllm_server import PYTHON, VllmServer
from demo.question import LABELS

POLICIES = {"20": 20, "600": 600}  # tokens
BLOCKS = 4
LESSON = 96  # texts
OURS = "ours"
Engine = Local | Remote


def measure(device: str, name: str, texts: int, out: Path | None) -> None:
    """Measure, print, and write the figures. Ends in a sentence where there is no such device."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise SystemExit("This machine has no GPU that torch can use; --device cpu measures it.")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        model, adapter = _written(home, name, device)
        engine = Local(model, device=device)
        base = engine.train(lambda loaded, _: loaded)
        with _vllm(home, model, device) as peer:
            engines: dict[str, Engine] = {OURS: engine} | ({"vllm": peer} if peer else {})
            figures: dict[str, Any] = {"model": name, "device": _card(device)}
            figures |= _race(base, engines, adapter, texts)
        figures["training_s"] = _training(engine, model, home, device)
    print(json.dumps(figures, indent=1))
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n")


def _race(base: Llm, engines: dict[str, Engine], adapter: Path, texts: int) -> dict[str, Any]:
    pool = texts_of()
    figures: dict[str, Any] = {}
    for words, tokens in POLICIES.items():
        asked = policy(base.tokenizer, tokens)
        for kind, path in (("prompted", None), ("trained", adapter)):
            served = Served(f"{kind}-{words}", asked, LABELS, path)
            here = f"{kind}, policy of {words} tokens"
            figures[here] = _bulk(base, engines, served, pool, texts)
            print(f"{here}: {figures[here]}", flush=True)
    if base.device.type == "cuda":
        figures["peak_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 1)
    return figures


def _training(engine: Local, model: str, home: Path, device: str) -> dict[str, float]:
    """Return the seconds of a lesson, ours and the Trainer's."""
    base = engine.train(lambda loaded, _: loaded)
    words = policy(base.tokenizer, POLICIES["600"])
    lesson = list(islice(texts_of(seed=1), LESSON))
    targets, recipe = np.arange(LESSON) % 2, Recipe(epochs=2)
    folders = home / "ours", home / "trainer"
    for folder in folders:
        folder.mkdir()
    prior = np.array([0.5, 0.5])
    mine = train(engine, words, LABELS, lesson, targets, prior, recipe, folders[0])
    seconds, steps = by_trainer(model, words, LABELS, lesson, targets, recipe, folders[1], device)
    if steps != mine.steps:
        raise ValueError(f"{steps} steps of the Trainer are not our {mine.steps}")
    return {OURS: round(mine.seconds, 1), "trainer": round(seconds, 1)}


def _bulk(
    base: Llm, engines: dict[str, Engine], served: Served, pool: Iterator[str], texts: int
) -> dict[str, float]:
    """Have the engines read texts in turns. Return their texts a second, medians over the blocks,
    and our share of the device's arithmetic."""
    for engine in engines.values():
        _seconds(engine, served, ["Warm."])
    found: dict[str, list[float]] = {name: [] for name in (*engines, "share")}
    for _ in range(BLOCKS):
        rate = floor.rates(base, rows=8_192 if base.device.type == "cuda" else 512).best
        mine = list(islice(pool, texts // BLOCKS))
        for name, engine in engines.items():
            seconds = _seconds(engine, served, mine)
            found[name].append(len(mine) / seconds)
            if name == OURS:
                found["share"].append(_needed(base, served, mine) / rate / seconds)
    return {name: float(f"{statistics.median(values):.3g}") for name, values in found.items()}


def _needed(base: Llm, served: Served, texts: list[str]) -> float:
    """Return the multiply-adds of texts whose policy was read before."""
    prompt = base.prompt(served.policy, served.labels)
    lengths = [len(ids) + len(prompt.suffix) for ids in base.encode(texts, 256)]
    return floor.costs(base).texts(lengths, len(prompt.prefix))


def _seconds(engine: Engine, served: Served, texts: list[str]) -> float:
    began = time.perf_counter()
    engine.answer(served, texts, lambda *_: None)
    return time.perf_counter() - began


def _written(home: Path, name: str, device: str) -> tuple[str, Path]:
    """Write a model of random weights, and an adapter to it that changes what it answers."""
    model = home / "model"
    tokenizer = AutoTokenizer.from_pretrained(resolve(OFFLINE, MODELS))
    dtype = weights_of(torch.device(device), "auto")["dtype"]
    config = config_of(name, None, len(tokenizer))
    with torch.device(device):
        base = AutoModelForCausalLM.from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    base.save_pretrained(model)
    tokenizer.save_pretrained(model)
    adapter = home / "projects" / "1" / "versions" / "trained"
    adapter.mkdir(parents=True)
    adapters = Adapters(base)
    with adapters.fresh(adapters.lora(Recipe.rank, Recipe.alpha), seed=0) as fresh:
        for parameter in fresh.parameters:
            torch.nn.init.normal_(parameter, std=0.01)
        fresh.save(adapter)
    return str(model), adapter


@contextmanager
def _vllm(home: Path, model: str, device: str) -> Iterator[Remote | None]:
    if not PYTHON.exists():
        print("vLLM is not there; its column is left out.")
        yield None
        return
    (home / "vllm").mkdir()
    on_gpu = device.startswith("cuda")
    server = VllmServer(home / "vllm", model, context=1_024, name=model, on_gpu=on_gpu)
    server.start()
    flying = 256 if on_gpu else 2
    settings = BackendSettings(home=home, llm=model, llm_url=server.url, llm_requests=flying)
    try:
        yield make_remote(settings)
    finally:
        server.stop()


def _card(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
