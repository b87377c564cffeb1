"""Training as people would otherwise do it: transformers' Trainer on a peft model."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model
from transformers import Trainer, TrainingArguments

from backend.engine import prompt
from backend.engine.adapters import Adapters
from backend.recipe import Recipe
from benchmarks.serving.peers import load
from selection.types import Ints

IGNORED = -100  # the label that the loss ignores
Row = dict[str, list[int]]


def by_trainer(
    model: str,
    policy: str,
    labels: Sequence[str],
    texts: Sequence[str],
    targets: Ints,
    recipe: Recipe,
    out: Path,
    device: str = "cpu",
) -> tuple[float, int]:
    """Train on whole prompts with the answer as the next token, and write the adapter to `out`.

    Return seconds and steps.
    """
    began = time.monotonic()
    base = load(model, device)
    asked = prompt.build(base.tokenizer, policy, labels)
    rows: list[Row] = []
    for ids, target in zip(
        prompt.encode(base.tokenizer, texts, recipe.max_tokens), targets.tolist(), strict=True
    ):
        whole = [*asked.prefix, *ids, *asked.suffix]
        rows.append(
            {
                "input_ids": [*whole, asked.answers[target]],
                "labels": [*[IGNORED] * len(whole), asked.answers[target]],
            }
        )
    torch.manual_seed(recipe.seed)
    lora = Adapters(base.causal).lora(recipe.rank, recipe.alpha, recipe.upper)
    adapted = get_peft_model(base.causal, lora)
    steps = min(recipe.epochs * -(-len(rows) // recipe.batch_size), recipe.max_steps)
    arguments = TrainingArguments(
        output_dir=str(out / "trainer"), per_device_train_batch_size=recipe.batch_size,
        max_steps=steps, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip, warmup_steps=round(steps * recipe.warmup),
        lr_scheduler_type="cosine", seed=recipe.seed, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, use_cpu=base.device.type == "cpu",
        dataloader_pin_memory=False, label_names=["labels"],
    )  # fmt: skip
    trainer = Trainer(
        model=adapted,
        args=arguments,
        train_dataset=rows,
        data_collator=_padded,
    )
    trainer.train()
    adapted.save_pretrained(str(out))
    return time.monotonic() - began, steps


def _padded(rows: list[Row]) -> dict[str, Any]:
    wide = max(len(row["input_ids"]) for row in rows)

    def matrix(key: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[key] + [filler] * (wide - len(row[key])) for row in rows])

    mask = [[1] * len(row["input_ids"]) + [0] * (wide - len(row["input_ids"])) for row in rows]
    return {
        "input_ids": matrix("input_ids", 0),
        "labels": matrix("labels", IGNORED),
        "attention_mask": torch.tensor(mask),
    }
