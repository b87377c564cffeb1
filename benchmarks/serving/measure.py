"""How fast the backend answers, beside what people would otherwise run.

    python -m benchmarks.serving [--texts 2000] [--part NAME ...] [--json benchmarks/results/serving.json]

With --part only these parts are measured, and the others' figures in the JSON stay.

A real Label Studio, a real gunicorn, real HTTP; the offline model; texts that were never asked
before. The work is cut into blocks, and in each block everybody has a turn, so that what else
goes on in the machine meets all alike. 18 minutes on two cores.
"""

import json
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer

from backend import worker as jobs
from backend.engine import llm
from backend.engine.llm import Llm
from backend.engine.offline import OFFLINE, resolve
from backend.engine.prompt import encode
from backend.engine.remote.engine import Remote
from backend.train import Recipe, train
from benchmarks.serving import floor
from benchmarks.serving import peers as serving_peers
from benchmarks.serving.floor import Rates
from benchmarks.serving.stage import HOME, MODELS, Stage, predict, prompt, score, stage, texts_of
from demo.run import LABELS

BLOCKS = 8
PEERS = {"forward": 40, "generate": 6}  # texts a block; with the long policy a fifth of them
SERVERS = 24  # texts a block for other servers; half of them with the long policy
PLAIN = {"forward": "plain"}  # names in the figures, where they differ
SINGLES, EACH = 100, 25  # single tasks; tasks of each annotator
ANNOTATORS = 8
TURNS = 7  # of annotators and bulk
SHORT = 40  # tokens of a short task, at most
Json = dict[str, Any]


class Part(StrEnum):
    """What can be measured alone."""

    BULK = "bulk"
    SINGLES = "singles"
    ANNOTATORS = "annotators"
    CONTROL = "control"
    SWAP = "swap"


def main(
    texts: Annotated[int, typer.Option(min=80, help="of the bulk")] = 2_000,
    part: Annotated[list[Part] | None, typer.Option(help="only this one; all if none")] = None,
    out: Annotated[Path | None, typer.Option("--json")] = None,
    root: Annotated[Path | None, typer.Option(help="folder of the servers' data")] = None,
) -> None:
    """Measure, print, and write the figures."""
    parts = part or list(Part)
    model = resolve(OFFLINE, MODELS)
    base = llm.load(model)
    pool = texts_of()
    told: Json = json.loads(out.read_text()) if part and out and out.exists() else {}
    with tempfile.TemporaryDirectory() as empty, stage(root or Path(empty), base.tokenizer) as on:
        told["first_answer_s"] = round(on.restart(), 2)
        if Part.BULK in parts:
            with serving_peers.servers(Path(empty), model, HOME) as engines:
                told |= bulk(on, base, engines, pool, texts)
        if Part.SINGLES in parts:
            told |= singles(on, base, pool)
        if Part.ANNOTATORS in parts:
            told |= annotators(on, base, pool)
        if Part.CONTROL in parts:
            told |= control(on, model, pool)
        if Part.SWAP in parts:
            told |= swap(on, model, pool)
        told["peak_rss_gib"] = max(round(on.peak_gib(), 2), told.get("peak_rss_gib", 0.0))
    print(json.dumps(told, indent=1))
    if out:
        out.write_text(json.dumps(told, indent=1) + "\n")


def bulk(
    on: Stage, base: Llm, engines: Mapping[str, Remote], pool: Iterator[str], texts: int
) -> Json:
    """Thousands of texts by HTTP, in turns with the peers and with the machine's own rate.

    engines: other people's servers, by name.
    """
    costs, plain = floor.costs(base), serving_peers.load(resolve(OFFLINE, MODELS))
    prompts = {name: prompt(base.tokenizer, words) for name, words in on.policies.items()}
    spent: dict[str, list[float]] = {}  # seconds a text of its name's own kind, a block each
    rates: list[Rates] = []
    needed: dict[str, list[float]] = {name: [] for name in prompts}  # multiply-adds a text
    with on.client() as http:
        for project in on.projects.values():
            score(http, project, ["Warm."])  # the policy is read once a version, not once a bulk
        for engine in engines.values():
            for words in on.policies.values():
                serving_peers.ask(engine, words, ["Warm."])
        for block in range(BLOCKS):
            rates.append(floor.rates(base))
            print(f"block {block + 1} of {BLOCKS}: {2e-9 * rates[-1].best:.0f} GFLOP/s", flush=True)
            mine = list(islice(pool, texts // BLOCKS))
            ids = encode(base.tokenizer, mine, 256)
            for name, asked in prompts.items():
                lengths = [len(row) + len(asked.suffix) for row in ids]
                needed[name].append(costs.texts(lengths, len(asked.prefix)) / len(mine))
                project = on.projects[name]
                _spend(spent, f"ours {name}", len(mine), partial(score, http, project, mine))
                for peer, engine in engines.items():
                    some_texts = mine[: SERVERS if name == "short" else SERVERS // 2]
                    _spend(
                        spent, f"{peer} {name}", len(some_texts),
                        partial(serving_peers.ask, engine, on.policies[name], some_texts),
                    )  # fmt: skip
                whole = [[*asked.prefix, *row, *asked.suffix] for row in ids]
                for peer, many in PEERS.items():
                    some = whole[: many if name == "short" else max(2, many // 5)]
                    ask = getattr(serving_peers, peer)
                    _spend(
                        spent, f"{peer} {name}", len(some),
                        partial(ask, plain, some, asked.answers),
                    )  # fmt: skip
    return _bulk_figures(spent, needed, rates)


def _bulk_figures(
    spent: dict[str, list[float]], needed: dict[str, list[float]], rates: list[Rates]
) -> Json:
    def ratio(above: Sequence[float], below: Sequence[float]) -> float:
        pairs = zip(above, below, strict=True)
        return round(statistics.median(a / b for a, b in pairs), 3)

    floors, torchs = (
        {
            name: [one / rate for one, rate in zip(values, speeds, strict=True)]
            for name, values in needed.items()
        }
        for speeds in ([rate.best for rate in rates], [rate.torchs for rate in rates])
    )
    names = {"short": "", "long": "_long_policy"}
    peers = sorted({name.split()[0] for name in spent} - {"ours"})
    over = {
        f"bulk_over_{PLAIN.get(peer, peer)}{of}": ratio(
            spent[f"{peer} {name}"], spent[f"ours {name}"]
        )
        for peer in peers
        for name, of in names.items()
    }
    for name, of in names.items():
        over[f"bulk_over_floor{of}"] = ratio(floors[name], spent[f"ours {name}"])
        over[f"bulk_over_floor_at_torchs_rate{of}"] = ratio(torchs[name], spent[f"ours {name}"])
    return {
        **over,
        "long_policy_over_short": ratio(spent["ours long"], spent["ours short"]),
        "texts_a_second": {
            name: round(1 / statistics.median(values), 2) for name, values in spent.items()
        },
        "floor_texts_a_second": {
            name: round(1 / statistics.median(values), 2) for name, values in floors.items()
        },
        "gflop_a_second": round(2e-9 * statistics.median(rate.best for rate in rates)),
        "gflop_a_second_of_torch": round(2e-9 * statistics.median(rate.torchs for rate in rates)),
        "blocks": BLOCKS,
    }


def singles(on: Stage, base: Llm, pool: Iterator[str]) -> Json:
    """One short task after another, while nothing else runs."""
    seconds: dict[str, list[float]] = {}
    with on.client() as http:
        for text in islice(_short(base, pool), SINGLES):
            _spend(seconds, "task", 1, partial(predict, http, on.projects["short"], text))
    return {
        "single_p50_s": round(float(np.quantile(seconds["task"], 0.5)), 3),
        "single_p95_s": round(float(np.quantile(seconds["task"], 0.95)), 3),
    }


def annotators(on: Stage, base: Llm, pool: Iterator[str]) -> Json:
    """Eight who each open one task after another, in turns with a bulk of as many texts."""
    ratios = []
    for _ in range(TURNS):
        bulk_of, asked = (list(islice(pool, ANNOTATORS * EACH)) for _ in range(2))
        with on.client() as http:
            alone = _timed(partial(score, http, on.projects["short"], bulk_of))
            together = _timed(partial(_at_once, on, asked))
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
    """/health, /setup and /webhook in the middle of a bulk, beside a training."""
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
                    _spend(seconds, path, 1, partial(_control, one, method, path, body))
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
    """A training in another process, as the worker has one."""
    worker = multiprocessing.get_context("spawn").Process(target=_train, args=(model,), daemon=True)
    worker.start()
    time.sleep(8)  # it is past its imports
    try:
        yield
    finally:
        worker.terminate()
        worker.join()


def _train(model: str) -> None:
    os.nice(jobs.NICE)
    texts = list(islice(texts_of(seed=1), 400))
    with tempfile.TemporaryDirectory() as out:
        train(
            model, "Is the review harsh?", LABELS, texts, np.arange(len(texts)) % 2,
            np.array([0.5, 0.5]), Recipe(epochs=100, max_steps=10_000), Path(out),
        )  # fmt: skip


def swap(on: Stage, model: str, pool: Iterator[str]) -> Json:
    """Promote back and forth while eight work and a bulk runs: who is dropped, what is mixed?"""
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
                delays.append(_timed(partial(_promoted, on, version)))
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


def _spend(spent: dict[str, list[float]], name: str, many: int, work: Callable[[], object]) -> None:
    spent.setdefault(name, []).append(_timed(work) / many)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
