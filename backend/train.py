"""Examples -> LoRA adapter directory: a pure function of its inputs.

LoRA (Hu et al. 2021) on the cross-entropy over the k answer tokens, always from the base model.
Curated examples are balanced otherwise than the pool they stand for, so the logits are corrected
for the shift of the prior (Saerens, Latinne and Decaestecker 2002) when they are used.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

from backend.engine import llm, prompt
from backend.engine.cpu.lora import lean
from backend.engine.llm import Asked, Llm
from backend.versions.manifest import ADAPTER
from selection.errors import ModelError

Progress = Callable[[int, int, float], None]
Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

_PASS_TOKENS = 1024  # bounds the memory of one backward pass; a batch may take several
_FLOOR = 1e-4  # of a label's share in the pool, whose logarithm is taken


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained. The defaults were measured (docs/decisions.md).

    rank, alpha: of LoRA, on all linear layers.
    epochs: passes over the examples, fewer if max_steps (batches) are reached first.
    class_balance: a label weighs the inverse of its frequency, at most this many times the
    weight of the commonest; 1 switches it off (1 and 10 did equally well on 7 of 56). smoothing:
    of the labels, 0 to 1.
    """

    rank: int = 16
    alpha: int = 32
    learning_rate: float = 1e-3
    epochs: int = 6
    max_steps: int = 115
    batch_size: int = 8
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    class_balance: float = 3.0
    smoothing: float = 0.1
    max_tokens: int = 256
    seed: int = 0

    def as_json(self) -> dict[str, int | float]:
        """The recipe as it enters the name of a model version."""
        return asdict(self)


@dataclass(frozen=True)
class Trained:
    """offsets: (k,) to add to the adapter's logits. loss: mean over the last epoch, in nats."""

    offsets: tuple[float, ...]
    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True)
class _Examples:
    """ids: n lists of tokens. targets: (n,) positions in the labels. weight: (k,) per label."""

    ids: list[list[int]]
    targets: Ints
    weight: Doubles


def train(
    model: str,
    policy: str,
    labels: Sequence[str],
    texts: Sequence[str],
    targets: Ints,
    pool_prior: Doubles,
    recipe: Recipe,
    out: Path,
    *,
    threads: int | None = None,
    device: str | None = None,
    dtype: str = "auto",
    progress: Progress | None = None,
) -> Trained:
    """Train an adapter on n texts and write it to the empty directory `out`.

    targets: (n,) positions in `labels`. pool_prior: (k,) shares of the labels where the model
    will be used. progress: called with steps done, steps in all, and the loss of the step.
    The same inputs give the same bytes on the same machine with the same threads.

    Raises ModelError if fewer than two labels have examples, or if the loss is not finite.
    """
    counts = _counts(labels, texts, targets)
    began = time.monotonic()
    if threads is not None:
        torch.set_num_threads(threads)
    base = llm.load(model, device, dtype)
    weight = class_weights(counts, recipe.class_balance)
    ids = prompt.encode(base.tokenizer, texts, recipe.max_tokens)
    examples = _Examples(ids, np.asarray(targets, dtype=np.int64), weight)
    asked = base.ask(policy, labels, recipe.max_tokens)  # before the adapter: see llm.py
    with torch.random.fork_rng():  # peft draws its first weights from the global generator
        torch.manual_seed(recipe.seed)
        adapted = PeftModel(base.causal, lean(_lora(recipe)))
    steps, loss = _fit(base, asked, examples, recipe, progress)
    _save(adapted, out)
    offsets = prior_offsets(pool_prior, counts * weight)
    return Trained(offsets, steps, time.monotonic() - began, loss)


def class_weights(counts: Ints, bound: float) -> Doubles:
    """(k,) weight of an example of each label, 1 for the commonest and `bound` at most.

    counts: (k,) examples per label.
    """
    rarity: Doubles = counts.max() / np.maximum(counts, 1)
    return np.minimum(rarity, max(bound, 1.0))


def prior_offsets(pool_prior: Doubles, seen: Doubles) -> tuple[float, ...]:
    """(k,) log of the pool's balance over the balance that the loss saw.

    seen: (k,) weighted examples per label. A label without any example keeps its logit: training
    has said nothing about it, and its ratio would be infinite.
    """
    prior = np.maximum(np.asarray(pool_prior, dtype=np.float64), _FLOOR)
    shares = np.log(prior / prior.sum()) - np.log(np.maximum(seen, _FLOOR) / seen.sum())
    return tuple(float(x) for x in np.where(seen > 0, shares, 0.0))


def _counts(labels: Sequence[str], texts: Sequence[str], targets: Ints) -> Ints:
    k = len(labels)
    if len(texts) != len(targets):
        raise ValueError(f"{len(texts)} texts for {len(targets)} targets")
    if len(targets) and (int(np.min(targets)) < 0 or int(np.max(targets)) >= k):
        raise ValueError(f"targets must be positions in {k} labels")
    counts = np.bincount(np.asarray(targets, dtype=np.int64), minlength=k)
    if np.count_nonzero(counts) < 2:
        found = ", ".join(f"{n} of {label!r}" for n, label in zip(counts, labels, strict=True))
        raise ModelError(
            f"Training needs examples of at least two labels; it got {found}. "
            "Label more tasks before the next round."
        )
    return counts


def _lora(recipe: Recipe) -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules="all-linear",
    )


def _save(adapted: PeftModel, out: Path) -> None:
    """Write the adapter, without the base model's path: it is not part of what was learned."""
    tensors = get_peft_model_state_dict(adapted)
    save_file({name: t.contiguous() for name, t in tensors.items()}, out / ADAPTER)
    config = adapted.peft_config["default"]
    if isinstance(config, LoraConfig) and config.target_modules is not None:
        config.target_modules = sorted(config.target_modules)  # a set: its order would be chance
    config.inference_mode = True
    config.save_pretrained(str(out))


def _fit(
    base: Llm, asked: Asked, examples: _Examples, recipe: Recipe, progress: Progress | None
) -> tuple[int, float]:
    """Run the steps of AdamW; their number and the mean loss of the last epoch."""
    learned = [p for p in base.causal.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    per_epoch = math.ceil(len(examples.ids) / recipe.batch_size)
    total = min(recipe.epochs * per_epoch, recipe.max_steps)
    losses: list[float] = []
    for step, rows in zip(range(total), _batches(examples.ids, recipe), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, total, recipe.warmup)
        losses.append(_backward(base, asked, examples, rows, recipe.smoothing))
        norm = float(torch.nn.utils.clip_grad_norm_(learned, recipe.clip))
        if not math.isfinite(losses[-1] + norm):
            raise ModelError(
                f"The loss is no longer a number at step {step + 1} of {total}. Train with a "
                f"learning rate below {recipe.learning_rate:g}, or with dtype float32."
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if progress is not None:
            progress(step + 1, total, losses[-1])
    return total, float(np.mean(losses[-per_epoch:]))


def _backward(
    base: Llm, asked: Asked, examples: _Examples, rows: list[int], smoothing: float
) -> float:
    """Add the gradient of one batch, in passes of bounded memory; the batch's mean loss."""
    ids = [examples.ids[i] for i in rows]
    widest = llm.width(max(map(len, ids)) + len(asked.prompt.suffix))
    size = max(1, _PASS_TOKENS // widest)
    weight = torch.tensor(examples.weight, dtype=torch.float32, device=base.device)
    targets = torch.tensor(examples.targets[rows], device=base.device)
    mass = weight[targets].sum()
    batch = 0.0
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        logits = base.answer(asked, ids[part])
        loss = torch.nn.functional.cross_entropy(
            logits, targets[part], weight=weight, reduction="sum", label_smoothing=smoothing
        )
        torch.autograd.backward(loss / mass)
        batch += float(loss.detach())
    return batch / float(mass)


def _batches(ids: list[list[int]], recipe: Recipe) -> Iterator[list[int]]:
    """Endless epochs of batches of similar length, in an order drawn from the seed."""
    rng = np.random.default_rng(recipe.seed)
    length = np.array([len(row) for row in ids])
    while True:
        # The jitter puts other texts together in each epoch, at little cost of padding.
        order = np.argsort(length * rng.uniform(0.8, 1.25, len(length)), kind="stable")
        starts = rng.permutation(np.arange(0, len(order), recipe.batch_size))
        for start in starts:
            yield [int(i) for i in order[start : start + recipe.batch_size]]


def _schedule(step: int, total: int, warmup: float) -> float:
    """The share of the learning rate: a linear rise, then a cosine down to a tenth."""
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    fall = (step - rise) / max(1, total - rise)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * fall))
