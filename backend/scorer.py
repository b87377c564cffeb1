"""Base model + adapter -> P(label | text) from the answer tokens' logits; versions hot-swapped.

A prompted model (no adapter) is calibrated on texts that say nothing about any policy, after
contextual calibration (Zhao et al. 2021): what it answers there is its bias, and is taken off.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from backend import llm, prompt
from backend.adapters import Adapters
from backend.llm import Asked, Llm

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]

NEUTRAL = (
    "",
    "N/A",
    "[MASK]",
    "...",
    "nothing",
    "ok",
    "Here is the link.",
    "See the table below.",
    "The meeting is on Tuesday.",
    "It is what it is.",
    "He said that they would come.",
    "I went to the store and bought some bread.",
)
_POLICIES = 8  # whose key-value caches are kept
_ANSWERS = 100_000  # that are remembered
_CHUNK = 1024  # texts tokenised and sorted by length at a time


@dataclass(frozen=True)
class Served:
    """A model version. adapter: its directory, None for the prompted base model.

    offsets: (k,) added to the logits of the labels, () for none.
    """

    version: str
    policy: str
    labels: tuple[str, ...]
    adapter: Path | None
    offsets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.offsets and len(self.offsets) != len(self.labels):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.labels)} labels")


class Scorer:
    """Answers for many versions of one base model, asked from many threads.

    model: a directory or Hugging Face id. threads: of torch, None leaves them alone. device,
    dtype: as in llm.load. max_tokens: read of a text. batch_tokens: rows times padded width of
    one forward pass. The model is loaded at the first score.
    """

    def __init__(
        self,
        model: str,
        *,
        threads: int | None = None,
        device: str | None = None,
        dtype: str = "auto",
        max_tokens: int = 256,
        batch_tokens: int = 1024,
    ) -> None:
        self._model = model
        self._threads = threads
        self._device = device
        self._dtype = dtype
        self._max_tokens = max_tokens
        self._batch_tokens = batch_tokens
        self._turns = _Turns()
        self._loaded: tuple[Llm, Adapters] | None = None
        self._policies: OrderedDict[tuple[str, tuple[str, ...]], tuple[Asked, Floats]] = (
            OrderedDict()
        )
        self._answers: OrderedDict[tuple[Served, bytes], Floats] = OrderedDict()

    def score(
        self, served: Served, texts: Sequence[str], progress: Progress | None = None
    ) -> Floats:
        """(n, k) P(label | text), rows in the order of `texts`, each sums to 1.

        progress: called after each batch with the different texts done, and in all.

        Raises VersionError if the version's adapter is missing or damaged, ModelError if the
        base model cannot be loaded or the policy does not fit into it.
        """
        digests = [_digest(text) for text in texts]
        texts_of = dict(zip(digests, texts, strict=True))
        known = self._recall(served, texts_of)
        unknown = [digest for digest in texts_of if digest not in known]
        for start in range(0, len(unknown), _CHUNK):
            chunk = unknown[start : start + _CHUNK]
            for read in self._read(served, {digest: texts_of[digest] for digest in chunk}):
                known |= read
                if progress is not None:
                    progress(len(known), len(texts_of))
        if not digests:
            return np.zeros((0, len(served.labels)), dtype=np.float32)
        return np.stack([known[digest] for digest in digests])

    def _read(self, served: Served, texts: dict[bytes, str]) -> Iterator[dict[bytes, Floats]]:
        """The answers of each batch as it is done; other threads have turns in between."""
        digests = list(texts)
        with self._turns.take():
            ids = prompt.encode(self._ready()[0].tokenizer, list(texts.values()), self._max_tokens)
        for rows in _batches([len(row) for row in ids], self._batch_tokens):
            with self._turns.take():
                answers = self._answer(served, [ids[i] for i in rows])
                read = {digests[i]: row for i, row in zip(rows, answers, strict=True)}
                self._remember(served, read)
            yield read

    def _answer(self, served: Served, ids: list[list[int]]) -> Floats:
        """(b, k) probabilities of one batch. Holds the turn."""
        base, adapters = self._ready()
        asked, bias = self._asked(served.policy, served.labels)
        with torch.inference_mode(), adapters.use(served.adapter):
            logits = base.answer(asked, ids).cpu().numpy().astype(np.float64)
        logits += np.array(served.offsets or (0.0,))
        if served.adapter is None:
            logits -= bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)

    def _asked(self, policy: str, labels: tuple[str, ...]) -> tuple[Asked, Floats]:
        """The policy as the base model has read it, and the base model's bias (k,)."""
        base, adapters = self._ready()
        key = (policy, labels)
        if key not in self._policies:
            with torch.inference_mode(), adapters.use(None):
                asked = base.ask(policy, labels, self._max_tokens)
                neutral = prompt.encode(base.tokenizer, NEUTRAL, self._max_tokens)
                logits = base.answer(asked, neutral).log_softmax(dim=1)
            self._policies[key] = (asked, np.median(logits.cpu().numpy(), axis=0))
        self._policies.move_to_end(key)
        while len(self._policies) > _POLICIES:
            self._policies.popitem(last=False)
        return self._policies[key]

    def _ready(self) -> tuple[Llm, Adapters]:
        if self._loaded is None:
            if self._threads is not None:
                torch.set_num_threads(self._threads)
            base = llm.load(self._model, self._device, self._dtype)
            self._loaded = (base, Adapters(base.causal))
        return self._loaded

    def _recall(self, served: Served, digests: dict[bytes, str]) -> dict[bytes, Floats]:
        known = {}
        with self._turns.take():
            for digest in digests:
                row = self._answers.get((served, digest))
                if row is not None:
                    self._answers.move_to_end((served, digest))
                    known[digest] = row
        return known

    def _remember(self, served: Served, read: dict[bytes, Floats]) -> None:
        self._answers |= {(served, digest): row for digest, row in read.items()}
        while len(self._answers) > _ANSWERS:
            self._answers.popitem(last=False)


class _Turns:
    """A lock that a thread which releases and takes it again cannot keep from the others."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._work = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        with self._next:
            self._work.acquire()
        try:
            yield
        finally:
            self._work.release()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _batches(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Positions in batches of similar length; rows times padded width is at most batch_tokens.

    The longest come first, so that too little memory shows at once.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * llm.width(lengths[batch[0]] + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
