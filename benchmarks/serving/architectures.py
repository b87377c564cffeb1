"""Are a model's answers right, whatever its architecture? Tiny models of random weights, asked by
Crux's engine and by transformers and peft alone.

    python -m benchmarks.serving.architectures

Four minutes on two cores. It writes benchmarks/results/architectures.json and the table of
docs/models.md. Streams are read in both arrangements, the one for CPUs and the one for GPUs.
"""

import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from backend.engine.cpu import attention
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.prompt import Prompt, build
from backend.engine.served import Served
from backend.engine.weights import keep_gradients, weights_of
from backend.recipe import Recipe
from backend.train import train
from benchmarks.marks import between
from benchmarks.serving.tiny import ARCHITECTURES, write_architecture
from selection.types import Doubles

POLICY, LABELS = "Is it mean?", ("harsh", "fine")
GOOD = ("good one", "a nice text of a letter", "fine", "one kind policy with a good text of it")
BAD = ("awful bad kind", "harsh", "toxic mean", "a bad letter, mean and awful, of a toxic kind")
TEXTS = (*GOOD, *BAD)
TARGETS = np.array([1] * len(GOOD) + [0] * len(BAD))
RECIPE = Recipe(epochs=4, learning_rate=5e-3, batch_size=4)
WAYS = CPU, GPU = "blocks", "spans"  # how streams are laid out
RESULTS = Path("benchmarks/results/architectures.json")
DOCUMENT = Path("docs/models.md")


@dataclass(frozen=True)
class Found:
    """What a model of one architecture answered; differences are the largest of logits.

    prompted: from the plain model on whole prompts, one text at a time. trained: from peft on the
    plain model, given the same adapter. swapped: of both versions from before, asked again in
    turn. moved: by the training, which is not 0. reads: how texts are read. keeps: whether the
    policy is read once.
    """

    prompted: float
    trained: float
    swapped: float
    moved: float
    reads: str
    keeps: bool


def check(
    directory: str, spans: bool = False, dtype: str = "float32", device: str = "cpu"
) -> Found:
    """Ask a model in a directory. spans: read streams as on a GPU. Raises ModelError."""
    engine = Local(directory, threads=1, device=device, dtype=dtype)
    lacking = patch.object(attention, "available", return_value=False)
    with lacking if spans else nullcontext():
        base = engine.train(lambda loaded, adapters: loaded)
    prompt = build(base.tokenizer, POLICY, LABELS)
    rows = [[*text, *prompt.suffix] for text in base.encode(TEXTS, RECIPE.max_tokens)]
    weights = {"device_map": {"": device}, **weights_of(torch.device(device), dtype)}
    plain = AutoModelForCausalLM.from_pretrained(directory, **weights).train(False)
    keep_gradients(plain)
    with tempfile.TemporaryDirectory() as folder:
        start = Served("start", POLICY, LABELS, None)
        prompted = ask(engine, start)
        whole = alone(plain, prompt, rows)
        train(
            engine, POLICY, LABELS, TEXTS, TARGETS, np.array([0.5, 0.5]), RECIPE, Path(folder)
        )
        version = Served("version", POLICY, LABELS, Path(folder))
        trained = ask(engine, version)
        again = [ask(engine, start) - prompted, ask(engine, version) - trained]
        taught = PeftModel.from_pretrained(plain, folder).train(False)
        adapted = (after if base.keeps else alone)(plain, prompt, rows, taught)
    return Found(
        prompted=_largest(prompted - whole),
        trained=_largest(trained - adapted),
        swapped=_largest(np.stack(again)),
        moved=_largest(trained - prompted),
        reads=_reads(base),
        keeps=base.keeps,
    )


def ask(engine: Local, served: Served) -> Doubles:
    """Return (n, k) logits of TEXTS, asked together."""
    found = np.full((len(TEXTS), len(LABELS)), np.nan)

    def on_batch(positions: Sequence[int], logits: Doubles) -> None:
        found[list(positions)] = logits

    engine.answer(served, TEXTS, on_batch)
    return found


def alone(
    plain: PreTrainedModel, prompt: Prompt, rows: Sequence[list[int]], _taught: object = None
) -> Doubles:
    """Return (n, k) logits, each whole prompt read alone and without any cache."""
    with torch.inference_mode():
        read = [
            plain(
                input_ids=torch.tensor([[*prompt.prefix, *row]], device=plain.device),
                use_cache=False,
            )
            for row in rows
        ]
    return _answers(prompt, [one.logits for one in read])


def after(
    plain: PreTrainedModel, prompt: Prompt, rows: Sequence[list[int]], taught: PeftModel
) -> Doubles:
    """Return (n, k) logits of rows that the adapter reads after a policy that it does not read."""
    logits = []
    with torch.inference_mode():
        for row in rows:
            cache = DynamicCache(config=plain.config)
            ids = torch.tensor([prompt.prefix], device=plain.device)
            with taught.disable_adapter():
                plain(input_ids=ids, past_key_values=cache, use_cache=True)
            ids = torch.tensor([row], device=plain.device)
            logits.append(plain(input_ids=ids, past_key_values=cache, use_cache=True).logits)
    return _answers(prompt, logits)


def _answers(prompt: Prompt, logits: Sequence[torch.Tensor]) -> Doubles:
    last = [one[0, -1, list(prompt.answers)].double().cpu().numpy() for one in logits]
    return np.stack(last)


def _largest(differences: Doubles) -> float:
    return float(np.abs(differences).max())


def _reads(base: Llm) -> str:
    if base.stream is None:
        return "padded rows" if base.padded.pads else "rows of one length"
    return "stream, in two parts" if base.stream.in_parts else "stream"


def table(found: dict[str, dict[str, Found]]) -> str:
    """Return what was found, a line for each way to read."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for name, ways in found.items():
        groups.setdefault((ways[CPU].reads, ways[CPU].keeps), []).append(name)
    lines = [
        "| read as | the policy is read | largest difference, prompted, trained | "
        "the same in masked spans, as on GPUs | architectures |",
        "|---|---|---|---|---|",
    ]
    order = ("stream, in two parts", "stream", "padded rows", "rows of one length")
    for reads, keeps in sorted(groups, key=lambda key: (not key[1], order.index(key[0]))):
        names = groups[reads, keeps]
        here, there = (_worst([found[n][way] for n in names if way in found[n]]) for way in WAYS)
        lines.append(
            f"| {reads} | {'once' if keeps else 'with every text'} | {here} | {there} | "
            f"{', '.join(names)} |"
        )
    return "\n".join(lines)


def _worst(found: Sequence[Found]) -> str:
    if not found:
        return "the same rows"
    prompted, trained = (max(getattr(f, of) for f in found) for of in ("prompted", "trained"))
    return f"{prompted:.0e}, {trained:.0e}"


def main() -> None:
    """Check all, write the results and the table."""
    disable_progress_bar()  # type: ignore[no-untyped-call]
    found: dict[str, dict[str, Found]] = {}
    for name in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            directory = write_architecture(name, Path(folder))
            found[name] = {CPU: check(directory)}
            if found[name][CPU].reads.startswith("stream"):
                found[name][GPU] = check(directory, spans=True)
        print(name, {way: asdict(one) for way, one in found[name].items()}, flush=True)
    kept = {name: {way: asdict(f) for way, f in ways.items()} for name, ways in found.items()}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    DOCUMENT.write_text(between(DOCUMENT.read_text(), "architectures", table(found)))


if __name__ == "__main__":
    main()
