"""What people would otherwise run: three plain ways to ask a causal LM which label holds.

Each is given the whole prompts (token ids) and gives positions of labels; none keeps anything.
"""

from collections.abc import Sequence

import torch

from backend.llm import Llm
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
