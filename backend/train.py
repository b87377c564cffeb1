"""Examples -> LoRA adapter directory: a pure function of its inputs.

LoRA (Hu et al. 2021) on the cross-entropy over the k answer tokens, always from the base model.
The labels of curated examples are balanced differently from those of the pool, so the logits are
corrected for the shift of the prior (Saerens, Latinne and Decaestecker 2002) when they are used.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from backend.engine import padding
from backend.engine.adapters import Adapters, FreshAdapter
from backend.engine.llm import Asked, Llm
from backend.engine.protocol import Trainable
from backend.engine.reader import Reader
from backend.recipe import Recipe
from selection.errors import ModelError
from selection.types import Doubles, Ints

log = logging.getLogger(__name__)

OnStep = Callable[[int, int, float], None]

PASS_TOKENS = 1024  # of one backward pass at most; a batch may take several
_FLOOR = 1e-4  # the least share of a label in the pool, since its logarithm is taken


@dataclass(frozen=True)
class Trained:
    """offsets: (k,) to add to the adapter's logits. loss: mean over the last epoch, in nats."""

    offsets: tuple[float, ...]
    steps: int
    seconds: float
    loss: float


@dataclass(frozen=True)
class _Examples:
    """texts: (n,) token ids. targets: (n,) positions in the labels. weight: (k,) per label."""

    asked: Asked
    texts: Sequence[Sequence[int]]
    targets: Ints
    weight: Doubles


def train(
    engine: Trainable,
    policy: str,
    labels: Sequence[str],
    texts: Sequence[str],
    targets: Ints,
    pool_prior: Doubles,
    recipe: Recipe,
    out: Path,
    *,
    on_step: OnStep | None = None,
) -> Trained:
    """Train an adapter on n texts and write it to the empty directory `out`.

    engine: whose base model is trained; it answers afterwards as before. targets: (n,) positions
    in `labels`. pool_prior: (k,) shares of the labels where the model will be used. on_step:
    called with the steps done, the steps in all, and the loss of the step.

    The same inputs give the same bytes on the same machine with the same threads, whatever the
    engine has read before.

    Raises ModelError if fewer than two labels have examples, if the loss is not finite, or if the
    model cannot be had.
    """
    counts = _counts(labels, texts, targets)
    weight = class_weights(counts, recipe.class_balance)

    def run(base: Llm, adapters: Adapters) -> tuple[int, float]:
        ids = base.encode(texts, recipe.max_tokens)
        with adapters.use(None):  # the base model reads the policy: see llm.py
            asked = base.ask(policy, labels, recipe.max_tokens)
        examples = _Examples(asked, ids, np.asarray(targets, dtype=np.int64), weight)
        lora = adapters.lora(recipe.rank, recipe.alpha, recipe.upper)
        # of its own: what an engine has read before must not change a byte of what is learned
        reader = Reader(base)
        with adapters.fresh(lora, recipe.seed) as adapter:
            steps, loss = _fit(reader, examples, adapter, recipe, on_step)
            adapter.save(out)
        return steps, loss

    began = time.monotonic()
    steps, loss = engine.train(run)
    offsets = prior_offsets(pool_prior, counts * weight)
    return Trained(offsets, steps, time.monotonic() - began, loss)


def class_weights(counts: Ints, bound: float) -> Doubles:
    """Return (k,) the weight of an example of each label, 1 for the commonest, at most `bound`.

    counts: (k,) examples per label.
    """
    rarity: Doubles = counts.max() / np.maximum(counts, 1)
    return np.minimum(rarity, max(bound, 1.0))


def prior_offsets(pool_prior: Doubles, seen: Doubles) -> tuple[float, ...]:
    """Return (k,) the log of the pool's balance over the balance that the loss saw.

    seen: (k,) weighted examples per label. A label without any example keeps its logit: training
    showed nothing of it, and its ratio would be infinite.
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


def _fit(
    reader: Reader,
    examples: _Examples,
    adapter: FreshAdapter,
    recipe: Recipe,
    on_step: OnStep | None,
) -> tuple[int, float]:
    """Run the steps of AdamW. Return their number and the mean loss of the last epoch."""
    learned = adapter.parameters
    optimizer = torch.optim.AdamW(
        learned, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    texts = examples.texts
    per_epoch = math.ceil(len(texts) / recipe.batch_size)
    total = recipe.steps(len(texts))
    losses: list[float] = []
    passes = _Passes(reader, examples, adapter.unchanged, recipe.smoothing)
    for step, rows in zip(range(total), _batches(texts, recipe), strict=False):
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, total, recipe.warmup)
        losses.append(passes.backward(rows, learned))
        norm = float(torch.nn.utils.clip_grad_norm_(learned, recipe.clip))
        if not math.isfinite(losses[-1] + norm):
            raise ModelError(
                f"The loss is no longer a number at step {step + 1} of {total}. Train with a "
                f"learning rate below {recipe.learning_rate:g}, or with CRUX_DTYPE=float32."
            )
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if on_step is not None:
            on_step(step + 1, total, losses[-1])
        adapter.rest()
    return total, float(np.mean(losses[-per_epoch:]))


class _Passes:
    """Backward passes that fit into memory: smaller ones once the device's was too small."""

    def __init__(self, reader: Reader, examples: _Examples, unchanged: int, smoothing: float):
        """unchanged: the lowest layers, which do not learn."""
        self._reader = reader
        self._examples = examples
        self._unchanged = unchanged
        self._smoothing = smoothing
        self._tokens = PASS_TOKENS

    def backward(self, rows: list[int], learned: Sequence[torch.nn.Parameter]) -> float:
        """Compute the gradient of a batch, of parameters without any. Return its mean loss.

        Raises ModelError if the memory is too small for one text.
        """
        while True:
            try:
                return self._backward(rows)
            except torch.OutOfMemoryError:
                pass  # and with it goes what its trace holds of the pass
            for parameter in learned:
                parameter.grad = None
            self._halve(rows)

    def _halve(self, rows: list[int]) -> None:
        wide, size, device = self._width(rows), self._size(rows), self._reader.base.device
        if size == 1:
            raise ModelError(
                f"The memory of {device} is too small to learn from a text of {wide} tokens. "
                "Choose a smaller model, or fewer CRUX_MAX_TOKENS."
            )
        self._tokens = size // 2 * wide
        log.warning("training goes on with passes of %s tokens: memory is short", self._tokens)
        if device.type == "cuda":
            torch.cuda.empty_cache()

    def _width(self, rows: list[int]) -> int:
        longest = max(len(self._examples.texts[row]) for row in rows)
        return padding.width(longest + len(self._examples.asked.prompt.suffix))

    def _size(self, rows: list[int]) -> int:
        return min(len(rows), max(1, self._tokens // self._width(rows)))

    def _backward(self, rows: list[int]) -> float:
        size, device = self._size(rows), self._reader.base.device
        weight = torch.tensor(self._examples.weight, dtype=torch.float32, device=device)
        targets = torch.tensor(self._examples.targets[rows], device=device)
        mass = weight[targets].sum()
        batch = 0.0
        for start in range(0, len(rows), size):
            texts = [self._examples.texts[row] for row in rows[start : start + size]]
            logits = self._reader.answer(self._examples.asked, texts, self._unchanged)
            loss = torch.nn.functional.cross_entropy(
                logits, targets[start : start + size], weight=weight, reduction="sum",
                label_smoothing=self._smoothing,
            )  # fmt: skip
            torch.autograd.backward(loss / mass)
            batch += float(loss.detach())
        return batch / float(mass)


def _batches(texts: Sequence[Sequence[int]], recipe: Recipe) -> Iterator[list[int]]:
    """Yield batches of similar length, epoch after epoch, in an order drawn from the seed."""
    rng = np.random.default_rng(recipe.seed)
    length = np.array([len(text) for text in texts])
    while True:
        # The jitter puts different texts together in each epoch, at little cost in padding.
        order = np.argsort(length * rng.uniform(0.8, 1.25, len(length)), kind="stable")
        starts = rng.permutation(np.arange(0, len(order), recipe.batch_size))
        for start in starts:
            yield [int(i) for i in order[start : start + recipe.batch_size]]


def _schedule(step: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate: a linear rise, then a cosine down to a tenth."""
    rise = max(1, round(total * warmup))
    if step < rise:
        return (step + 1) / rise
    fall = (step - rise) / max(1, total - rise)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * fall))
