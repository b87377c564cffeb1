"""How fast the backend answers, beside what people would otherwise run.

    python -m benchmarks.serving [--texts 2000] [--part NAME ...] [--json FILE]
    python -m benchmarks.serving --device cuda [--model Llama-3.1-8B] [--texts 20000] [--json FILE]

The second form measures the engine alone on that device: see device.py. The kept figures are those
of the first, in benchmarks/results/serving.json. With --part only these parts are measured, and the
others' figures in the file stay.

A real Label Studio, a real gunicorn, real HTTP; the offline model; texts that were never asked
before. The work is cut into blocks in which everybody has a turn, so that whatever else the machine
does meets all alike. 18 minutes on two cores.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from backend.engine import llm
from backend.engine.llm import Llm
from backend.engine.offline import OFFLINE, resolve
from backend.engine.prompt import encode
from backend.engine.remote.engine import Remote
from benchmarks.serving import device, floor, under_load
from benchmarks.serving import peers as serving_peers
from benchmarks.serving.allocator import use_products_allocator
from benchmarks.serving.floor import Rates
from benchmarks.serving.memory import MODELS as MODELS_LIKE
from benchmarks.serving.stage import HOME, MODELS, Stage, prompt, score, spend, stage, texts_of

BLOCKS = 8
PEERS = {"forward": 40, "generate": 6}  # texts a block; a fifth of them with the long policy
SERVERS = 24  # texts a block for other servers; half of them with the long policy
PLAIN = {"forward": "plain"}  # names in the figures, where they differ
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
    on: Annotated[
        str | None, typer.Option("--device", help="measure the engine alone on it: cuda, cpu")
    ] = None,
    model_like: Annotated[
        str, typer.Option("--model", help=f"with --device, of its size: {', '.join(MODELS_LIKE)}")
    ] = "Llama-3.1-8B",
) -> None:
    """Measure, print, and write the figures."""
    use_products_allocator()
    if on is not None:
        device.measure(on, model_like, texts, out)
        return
    parts = part or list(Part)
    model = resolve(OFFLINE, MODELS)
    base = llm.load(model)
    pool = texts_of()
    figures: Json = json.loads(out.read_text()) if part and out and out.exists() else {}
    folder = tempfile.TemporaryDirectory()
    with folder as empty, stage(root or Path(empty), base.tokenizer) as set_up:
        figures["first_answer_s"] = round(set_up.restart(), 2)
        if Part.BULK in parts:
            with serving_peers.servers(Path(empty), model, HOME) as engines:
                figures |= bulk(set_up, base, engines, pool, texts)
        if Part.SINGLES in parts:
            figures |= under_load.singles(set_up, base, pool)
        if Part.ANNOTATORS in parts:
            figures |= under_load.annotators(set_up, base, pool)
        if Part.CONTROL in parts:
            figures |= under_load.control(set_up, model, pool)
        if Part.SWAP in parts:
            figures |= under_load.swap(set_up, model, pool)
        figures["peak_rss_gib"] = max(round(set_up.peak_gib(), 2), figures.get("peak_rss_gib", 0.0))
    print(json.dumps(figures, indent=1))
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n")


def bulk(
    on: Stage, base: Llm, engines: Mapping[str, Remote], pool: Iterator[str], texts: int
) -> Json:
    """Read thousands of texts by HTTP, in turns with the peers and the machine's own rate.

    engines: other people's servers, by name.
    """
    costs, plain = floor.costs(base), serving_peers.load(resolve(OFFLINE, MODELS))
    prompts = {name: prompt(base.tokenizer, words) for name, words in on.policies.items()}
    spent: dict[str, list[float]] = {}  # seconds a text of each name, one number a block
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
                spend(spent, f"ours {name}", len(mine), partial(score, http, project, mine))
                for peer, engine in engines.items():
                    some_texts = mine[: SERVERS if name == "short" else SERVERS // 2]
                    spend(
                        spent, f"{peer} {name}", len(some_texts),
                        partial(serving_peers.ask, engine, on.policies[name], some_texts),
                    )  # fmt: skip
                whole = [[*asked.prefix, *row, *asked.suffix] for row in ids]
                for peer, many in PEERS.items():
                    some = whole[: many if name == "short" else max(2, many // 5)]
                    ask = getattr(serving_peers, peer)
                    spend(
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
