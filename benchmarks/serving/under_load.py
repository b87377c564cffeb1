"""Single tasks, annotators at once, requests beside a bulk and a training, and promotions."""

import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from backend import worker
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.prompt import encode
from backend.recipe import Recipe
from backend.train import train
from benchmarks.serving.stage import Stage, predict, score, spend, texts_of, timed
from demo.question import LABELS

SINGLES, EACH = 100, 25  # single tasks; tasks of each annotator
ANNOTATORS = 8
TURNS = 7  # of annotators and bulk
SHORT = 40  # tokens of a short task, at most
Json = dict[str, Any]


def singles(on: Stage, base: Llm, pool: Iterator[str]) -> Json:
    """Ask for one short task after another, while nothing else runs."""
    seconds: dict[str, list[float]] = {}
    with on.client() as http:
        for text in islice(_short(base, pool), SINGLES):
            spend(seconds, "task", 1, partial(predict, http, on.projects["short"], text))
    return {
        "single_p50_s": round(float(np.quantile(seconds["task"], 0.5)), 3),
        "single_p95_s": round(float(np.quantile(seconds["task"], 0.95)), 3),
    }


def annotators(on: Stage, base: Llm, pool: Iterator[str]) -> Json:
    """Have eight open one task after another each, in turns with a bulk of as many texts."""
    ratios = []
    for _ in range(TURNS):
        bulk_of, asked = (list(islice(pool, ANNOTATORS * EACH)) for _ in range(2))
        with on.client() as http:
            alone = timed(partial(score, http, on.projects["short"], bulk_of))
            together = timed(partial(_at_once, on, asked))
        tokens = [sum(map(len, encode(base.tokenizer, some, 256))) for some in (bulk_of, asked)]
        ratios.append(tokens[1] / together / (tokens[0] / alone))
    return {"eight_over_bulk": round(statistics.median(ratios), 3)}


def _at_once(on: Stage, texts: Sequence[str]) -> list[Json]:
    def work(number: int) -> list[Json]:
        with on.client() as http:
            return [predict(http, on.projects["short"], t) for t in texts[number::ANNOTATORS]]

    with ThreadPoolExecutor(ANNOTATORS) as people:
        return [answer for found in people.map(work, range(ANNOTATORS)) for answer in found]


def control(on: Stage, model: str, pool: Iterator[str]) -> Json:
    """Ask for /health, /setup and /webhook in the middle of a bulk, beside a training."""
    project = on.projects["short"]
    asked: tuple[tuple[str, str, Json | None], ...] = (
        ("GET", "/health", None),
        ("POST", "/setup", {"project": str(project), "schema": "", "hostname": "http://x"}),
        ("POST", "/webhook", {"action": "ANNOTATION_CREATED", "project": {"id": project}}),
    )  # fmt: skip
    seconds: dict[str, list[float]] = {}
    texts = list(islice(pool, 500))
    with _training(model), on.client() as http:
        bulk_of = threading.Thread(target=score, args=(http, project, texts))
        bulk_of.start()
        while bulk_of.is_alive():
            for method, path, body in asked:
                with on.client(timeout=10.0) as one:  # Label Studio connects anew each time
                    spend(seconds, path, 1, partial(_control, one, method, path, body))
                time.sleep(0.02)
        bulk_of.join()
    every = [value for values in seconds.values() for value in values]
    return {
        "control_p99_s": round(float(np.quantile(every, 0.99)), 3),
        "control": {
            path: {f"p{q}": round(float(np.quantile(values, q / 100)), 3) for q in (50, 99, 100)}
            | {"asked": len(values)}
            for path, values in seconds.items()
        },
    }


def _control(http: httpx.Client, method: str, path: str, body: Json | None) -> None:
    http.request(method, path, json=body).raise_for_status()


@contextmanager
def _training(model: str) -> Iterator[None]:
    """Run a training in another process, as the worker does."""
    spawn = multiprocessing.get_context("spawn")
    trainer = spawn.Process(target=_train, args=(model,), daemon=True)
    trainer.start()
    time.sleep(8)  # until it has imported and loaded everything
    try:
        yield
    finally:
        trainer.terminate()
        trainer.join()


def _train(model: str) -> None:
    os.nice(worker.NICE)
    texts = list(islice(texts_of(seed=1), 400))
    with tempfile.TemporaryDirectory() as out:
        train(
            Local(model), "Is the review harsh?", LABELS, texts, np.arange(len(texts)) % 2,
            np.array([0.5, 0.5]), Recipe(epochs=100, max_steps=10_000), Path(out),
        )  # fmt: skip


def swap(on: Stage, model: str, pool: Iterator[str]) -> Json:
    """Promote back and forth while eight work: which requests are dropped, what is mixed?"""
    project = on.projects["short"]
    with on.client() as http:
        started = score(http, project, ["x"])["model_version"]
        trained = on.version(model, list(islice(pool, 16)))
        texts = list(islice(pool, 160))
        answers: list[Json] = []
        with ThreadPoolExecutor(ANNOTATORS + 1) as people:
            parts = [people.submit(_ask_each, on, texts[i::ANNOTATORS]) for i in range(ANNOTATORS)]
            delays = []
            for version in (trained, started, trained):
                time.sleep(1.0)
                delays.append(timed(partial(_promoted, on, version)))
            for part in parts:
                answers += part.result()
        mixed = 0
        for version in (started, trained):
            mine = [a for a in answers if a["version"] == version]
            asked = {"project": project, "texts": [a["text"] for a in mine], "version": version}
            again = http.post("/score", json=asked).json()["probabilities"]
            mixed += sum(abs(max(p) - a["score"]) > 1e-3 for p, a in zip(again, mine, strict=True))
    return {
        "swap": {
            "asked": len(texts),
            "answered": len(answers),
            "by_version": [sum(a["version"] == v for a in answers) for v in (started, trained)],
            "answers_of_another_version_than_named": mixed,
            "seconds_to_the_first_answer": round(max(delays), 3),
        }
    }


def _ask_each(on: Stage, texts: Sequence[str]) -> list[Json]:
    found = []
    with on.client() as http:
        for text in texts:
            one = predict(http, on.projects["short"], text)["results"][0]
            found.append({"text": text, "score": one["score"], "version": one["model_version"]})
    return found


def _promoted(on: Stage, version: str) -> None:
    project = on.projects["short"]
    with on.client() as http:
        http.post(f"/projects/{project}/current", json={"version": version}).raise_for_status()
        while score(http, project, [f"At {time.time()}."])["model_version"] != version:
            time.sleep(0.01)


def _short(base: Llm, pool: Iterator[str]) -> Iterator[str]:
    for text in pool:
        if len(encode(base.tokenizer, [text], 256)[0]) <= SHORT:
            yield text
