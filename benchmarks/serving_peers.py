"""What people would otherwise run to ask a causal LM which label holds.

Two plain ways on transformers, given the whole prompts (token ids), that keep nothing; and
llama.cpp's server with the same weights, which keeps what prompts begin with. It is asked by Crux's
own client for such servers, texts of a request and requests in flight as in the product.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from backend.config import Settings
from backend.engine import Served
from backend.llm import Llm
from backend.offline import OFFLINE
from backend.remote import Remote, connect
from benchmarks.llama_server import LlamaServer, write_float32
from demo.run import LABELS
from selection.types import Ints

NEW_TOKENS = 8  # enough for a label; Label Studio's own example allows 50 with the prompt
BATCH = 16


def generate(base: Llm, prompts: Sequence[Sequence[int]], answers: Sequence[int]) -> Ints:
    """One `generate` a task, as the huggingface_llm example of label-studio-ml-backend does."""
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
        said = made[0, len(prompt) :].tolist()
        found.append(next((answers.index(t) for t in said if t in answers), 0))
    return torch.tensor(found).numpy()


def forward(base: Llm, prompts: Sequence[Sequence[int]], answers: Sequence[int]) -> Ints:
    """Batches in order of arrival, padded on the left, the whole prompt in each row."""
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
def llama(folder: Path, home: Path) -> Iterator[Remote]:
    """llama.cpp's server on both cores, its fused attention on; home: where the models are."""
    weights = folder / "weights.gguf"
    folder.mkdir(parents=True, exist_ok=True)
    if not weights.exists():
        write_float32(weights)
    server = LlamaServer(folder, weights, context=1_024, threads=torch.get_num_threads(),
                         exact=False)  # fmt: skip
    server.start()
    try:
        yield connect(Settings(home=home, llm=OFFLINE, llm_url=server.url))
    finally:
        server.stop()


def ask_llama(engine: Remote, policy: str, texts: Sequence[str]) -> None:
    """What Crux asks of such a server for a prompted model."""
    engine.answer(Served("peer", policy, LABELS, None), texts, lambda positions, logits: None)
