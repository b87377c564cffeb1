"""An engine's logits -> P(label | text): calibrated, shifted, remembered.

A prompted model (no adapter) is calibrated on texts that say nothing about any policy, after
contextual calibration (Zhao et al. 2021): what it answers there is its bias, and is subtracted.
The same version never reads the same text twice: not while its answer is remembered, and not while
another thread has it read.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from backend.config import BackendSettings
from backend.engine.protocol import Engine, Observe, T
from backend.engine.served import Served
from selection.types import Doubles, Floats

if TYPE_CHECKING:
    from backend.engine.adapters import Adapters
    from backend.engine.llm import Llm

OnProgress = Callable[[int, int], None]

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
ANSWERS = 100_000  # that are remembered
BIASES = 64  # of policies


class Scorer:
    """Answers for many versions of one base model, asked from many threads.

    answers: how many are remembered. hit: called with the number of texts of each request that
    were not read for it, since the answer was known or another request was reading it.
    """

    def __init__(
        self, engine: Engine, answers: int = ANSWERS, hit: Callable[[int], None] | None = None
    ) -> None:
        self._engine = engine
        self._most = answers
        self._hit = hit
        self._changed = threading.Condition()
        self._answers: OrderedDict[bytes, Floats] = OrderedDict()  # by _key
        self._reading: set[bytes] = set()
        self._calibrating = threading.Lock()
        self._biases: OrderedDict[tuple[str, tuple[str, ...]], Doubles] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Texts that the engine has still to read."""
        return self._engine.waiting

    def train(self, run: "Callable[[Llm, Adapters], T]") -> T:
        """See Engine."""
        return self._engine.train(run)

    def score(
        self, served: Served, texts: Sequence[str], on_progress: OnProgress | None = None
    ) -> Floats:
        """Return (n, k) P(label | text), rows in the order of `texts`, each of which sums to 1.

        on_progress: called after each batch with the number of different texts done, and in all.

        Raises VersionError if the version's adapter is missing or damaged, ModelError if the
        base model cannot be loaded or the policy does not fit into it.
        """
        keys = [_key(served.version, text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        known: dict[bytes, Floats] = {}
        read = 0
        while len(known) < len(text_of):
            mine, others = self._share(text_of, known)
            try:
                if mine:
                    read += len(mine)
                    unread = {key: text_of[key] for key in mine}
                    self._read(served, unread, known, on_progress, len(text_of))
            finally:
                self._give_up(mine)  # others may try what was not read
            self._wait(others)
        if self._hit is not None:
            self._hit(len(texts) - read)
        if not keys:
            return np.zeros((0, len(served.labels)), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def _share(
        self, keys: Iterable[bytes], known: dict[bytes, Floats]
    ) -> tuple[list[bytes], list[bytes]]:
        """Add what is remembered to `known`. Of the rest return what this thread must read, and
        what others are reading."""
        mine, others = [], []
        with self._changed:
            for key in keys:
                if key in known:
                    continue
                row = self._answers.get(key)
                if row is not None:
                    self._answers.move_to_end(key)
                    known[key] = row
                elif key in self._reading:
                    others.append(key)
                else:
                    self._reading.add(key)
                    mine.append(key)
        return mine, others

    def _read(
        self,
        served: Served,
        texts: dict[bytes, str],
        known: dict[bytes, Floats],
        on_progress: OnProgress | None,
        total: int,
    ) -> None:
        keys = list(texts)
        shift = np.array(served.offsets or (0.0,))
        if served.adapter is None:
            shift = shift - self._bias(served)

        second = self._second_reader(served, list(texts.values()))

        def on_batch(positions: Sequence[int], logits: Doubles) -> None:
            shifted = logits + shift + second[list(positions)]
            powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
            rows = np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
            read = {keys[i]: row for i, row in zip(positions, rows, strict=True)}
            known.update(read)
            self._remember(read)
            if on_progress is not None:
                on_progress(len(known), total)

        self._engine.answer(served, list(texts.values()), on_batch)

    def _second_reader(self, served: Served, texts: Sequence[str]) -> Doubles:
        """Return (n, k) what the version's probe adds to the logits."""
        if not served.embedder or served.adapter is None:
            return np.zeros((len(texts), 1))
        # seconds to import, and not every version has a probe
        from backend.engine.probe import load_probe, read_by_probe

        return read_by_probe(load_probe(served.adapter), texts, served.embedder)

    def _bias(self, served: Served) -> Doubles:
        """Return (k,) log-probabilities that the base model gives to texts that say nothing."""
        key = (served.policy, served.labels)
        with self._calibrating:
            if key not in self._biases:
                found = np.zeros((len(NEUTRAL), len(served.labels)))

                def on_batch(positions: Sequence[int], logits: Doubles) -> None:
                    top = logits.max(axis=1, keepdims=True)
                    total = np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) + top
                    found[list(positions)] = logits - total

                self._engine.answer(served.base, NEUTRAL, on_batch)
                self._biases[key] = np.median(found, axis=0)
            self._biases.move_to_end(key)
            while len(self._biases) > BIASES:
                self._biases.popitem(last=False)
            return self._biases[key]

    def _remember(self, read: dict[bytes, Floats]) -> None:
        with self._changed:
            for key, row in read.items():
                self._answers[key] = row
                self._reading.discard(key)
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
            self._changed.notify_all()

    def _give_up(self, keys: Sequence[bytes]) -> None:
        with self._changed:
            self._reading.difference_update(keys)
            self._changed.notify_all()

    def _wait(self, keys: Sequence[bytes]) -> None:
        """Wait until others have read these texts, or have failed to."""
        with self._changed:
            self._changed.wait_for(lambda: self._reading.isdisjoint(keys))


def make_scorer(
    settings: BackendSettings,
    observe: Observe | None = None,
    hit: Callable[[int], None] | None = None,
    answers: int = ANSWERS,
) -> Scorer:
    """Return the scorer with the engine that the settings name; a model loads at its first use.

    observe: called by the engine after each batch. answers, hit: as in Scorer.
    """
    # Neither engine is imported before it is needed: /health is answered before torch is there.
    if settings.llm_url:
        from backend.engine.remote.engine import make_remote

        return Scorer(make_remote(settings, observe), answers, hit)
    from backend.engine.local import make_local

    return Scorer(make_local(settings, observe), answers, hit)


def _key(version: str, text: str) -> bytes:
    """Return 16 bytes that stand for a version's answer to a text."""
    asked = f"{version}\0{text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(asked, digest_size=16).digest()
