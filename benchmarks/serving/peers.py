"""What people would otherwise run to ask a causal LM which label holds.

Two plain ways with transformers, which get whole prompts (token ids) and keep nothing; and the
servers of llama.cpp and vLLM with the same weights, which cache the beginnings of prompts. The
servers are asked by Crux's own client, with as many texts a request and requests in flight as in
the product.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.config import BackendSettings
from backend.engine.head import Head
from backend.engine.llm import Llm
from backend.engine.offline import OFFLINE
from backend.engine.padding import PaddedReader
from backend.engine.remote.engine import Remote, make_remote
from backend.engine.served import Served
from backend.engine.weights import weights_of
from benchmarks.serving.llama_server import LlamaServer, write_float32
from benchmarks.serving.model_server import ModelServer
from benchmarks.serving.vllm_server import VllmServer
from demo.question import LABELS
from selection.types import Ints

NEW_TOKENS = 8  # enough for a label; Label Studio's own example allows 50 with the prompt
BATCH = 16


def load(model: str, device: str = "cpu") -> Llm:
    """Load the model as transformers gives it, without what llm.load does for speed."""
    there = torch.device(device)
    causal = AutoModelForCausalLM.from_pretrained(model, **weights_of(there, "auto"))
    tokenizer = AutoTokenizer.from_pretrained(model)
    return Llm(causal.train(False).to(there), tokenizer, there, PaddedReader(Head(causal)))


def generate(base: Llm, prompts: Sequence[Sequence[int]], answers: Sequence[int]) -> Ints:
    """Call `generate` for each task, as label-studio-ml-backend's huggingface_llm example does."""
    found = []
    for prompt in prompts:
        ids = torch.tensor([list(prompt)], device=base.device)
        with torch.inference_mode():
            made = base.causal.generate(  # type: ignore[operator]
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                pad_token_id=base.tokenizer.eos_token_id,
            )
        tokens = made[0, len(prompt) :].tolist()
        found.append(next((answers.index(t) for t in tokens if t in answers), 0))
    return torch.tensor(found).numpy()


def forward(base: Llm, prompts: Sequence[Sequence[int]], answers: Sequence[int]) -> Ints:
    """Read batches in order of arrival, padded on the left, the whole prompt in each row."""
    found = []
    for start in range(0, len(prompts), BATCH):
        rows = prompts[start : start + BATCH]
        wide = max(map(len, rows))
        ids = torch.zeros(len(rows), wide, dtype=torch.long)
        mask = torch.zeros(len(rows), wide, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, wide - len(row) :] = torch.tensor(list(row))
            mask[i, wide - len(row) :] = 1
        with torch.inference_mode():
            logits = base.causal(
                input_ids=ids.to(base.device), attention_mask=mask.to(base.device),
                logits_to_keep=1, use_cache=False,
            ).logits[:, -1]  # fmt: skip
        found.append(logits[:, list(answers)].argmax(dim=1).cpu())
    return torch.cat(found).numpy()


@contextmanager
def servers(folder: Path, model: str, home: Path) -> Iterator[dict[str, Remote]]:
    """Run both servers on all cores; each sleeps while it is not asked. home: of the models."""
    threads = torch.get_num_threads()
    weights = folder / "weights.gguf"
    if not weights.exists():
        write_float32(weights)
    for name in ("llama", "vllm"):
        (folder / name).mkdir()
    found: dict[str, ModelServer] = {
        "llama": LlamaServer(
            folder / "llama", weights, context=1_024, threads=threads, exact=False  # and so faster
        ),
        "vllm": VllmServer(
            folder / "vllm", model, context=1_024, threads=threads, adapters=False
        ),
    }
    with ExitStack() as running:
        for server in found.values():
            server.start()
            running.callback(server.stop)
        yield {
            name: make_remote(BackendSettings(home=home, llm=OFFLINE, llm_url=server.url))
            for name, server in found.items()
        }


def ask(engine: Remote, policy: str, texts: Sequence[str]) -> None:
    """Ask what Crux asks of such a server for a prompted model."""
    engine.answer(Served("peer", policy, LABELS, None), texts, lambda positions, logits: None)
