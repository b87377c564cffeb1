"""An engine's logits -> P(label | text): calibrated, shifted, remembered.

A prompted model (no adapter) is calibrated on texts that say nothing about any policy, after
contextual calibration (Zhao et al. 2021): what it answers there is its bias, and is taken off.
The same text is never read twice by the same version: not while it is remembered, and not while
another thread has it read.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from backend.config import Settings
from backend.engine.protocol import Engine
from backend.engine.served import Served
from selection.types import Doubles, Floats

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
ANSWERS = 100_000  # that are remembered
BIASES = 64  # of policies

_Key = tuple[Served, bytes]


class Scorer:
    """Answers for many versions of one base model, asked from many threads.

    answers: how many are remembered. hit: called with the number of texts of each request that
    were not read for it, since the answer was known or on its way.
    """

    def __init__(
        self, engine: Engine, answers: int = ANSWERS, hit: Callable[[int], None] | None = None
    ) -> None:
        self._engine = engine
        self._most = answers
        self._hit = hit
        self._changed = threading.Condition()
        self._answers: OrderedDict[_Key, Floats] = OrderedDict()
        self._reading: set[_Key] = set()
        self._calibrating = threading.Lock()
        self._biases: OrderedDict[tuple[str, tuple[str, ...]], Doubles] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Texts that the engine has still to read."""
        return self._engine.waiting

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
        known: dict[bytes, Floats] = {}
        read = 0
        while len(known) < len(texts_of):
            mine, others = self._share(served, texts_of, known)
            try:
                if mine:
                    read += len(mine)
                    unread = {digest: texts_of[digest] for digest in mine}
                    self._read(served, unread, known, progress, len(texts_of))
            finally:
                self._give_up(served, mine)  # of what was not read others may try
            self._wait(served, others)
        if self._hit is not None:
            self._hit(len(texts) - read)
        if not digests:
            return np.zeros((0, len(served.labels)), dtype=np.float32)
        return np.stack([known[digest] for digest in digests])

    def _share(
        self, served: Served, digests: Iterable[bytes], known: dict[bytes, Floats]
    ) -> tuple[list[bytes], list[bytes]]:
        """What is remembered goes to `known`; of the rest, what is ours to read and what is not."""
        mine, others = [], []
        with self._changed:
            for digest in digests:
                if digest in known:
                    continue
                row = self._answers.get((served, digest))
                if row is not None:
                    self._answers.move_to_end((served, digest))
                    known[digest] = row
                elif (served, digest) in self._reading:
                    others.append(digest)
                else:
                    self._reading.add((served, digest))
                    mine.append(digest)
        return mine, others

    def _read(
        self,
        served: Served,
        texts: dict[bytes, str],
        known: dict[bytes, Floats],
        progress: Progress | None,
        total: int,
    ) -> None:
        digests = list(texts)
        shift = np.array(served.offsets or (0.0,))
        if served.adapter is None:
            shift = shift - self._bias(served)

        def said(positions: Sequence[int], logits: Doubles) -> None:
            shifted = logits + shift
            powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
            rows = np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)
            read = {digests[i]: row for i, row in zip(positions, rows, strict=True)}
            known.update(read)
            self._remember(served, read)
            if progress is not None:
                progress(len(known), total)

        self._engine.answer(served, list(texts.values()), said)

    def _bias(self, served: Served) -> Doubles:
        """(k,) what the base model answers to texts that say nothing, as log-probabilities."""
        key = (served.policy, served.labels)
        with self._calibrating:
            if key not in self._biases:
                found = np.zeros((len(NEUTRAL), len(served.labels)))

                def said(positions: Sequence[int], logits: Doubles) -> None:
                    top = logits.max(axis=1, keepdims=True)
                    total = np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) + top
                    found[list(positions)] = logits - total

                self._engine.answer(served.base, NEUTRAL, said)
                self._biases[key] = np.median(found, axis=0)
            self._biases.move_to_end(key)
            while len(self._biases) > BIASES:
                self._biases.popitem(last=False)
            return self._biases[key]

    def _remember(self, served: Served, read: dict[bytes, Floats]) -> None:
        with self._changed:
            for digest, row in read.items():
                self._answers[served, digest] = row
                self._reading.discard((served, digest))
            while len(self._answers) > self._most:
                self._answers.popitem(last=False)
            self._changed.notify_all()

    def _give_up(self, served: Served, digests: Sequence[bytes]) -> None:
        with self._changed:
            self._reading.difference_update((served, digest) for digest in digests)
            self._changed.notify_all()

    def _wait(self, served: Served, digests: Sequence[bytes]) -> None:
        """Until others have read these texts, or have failed to."""
        keys = [(served, digest) for digest in digests]
        with self._changed:
            self._changed.wait_for(lambda: not any(key in self._reading for key in keys))


def make_scorer(
    settings: Settings,
    observe: Callable[[int, int, float], None] | None = None,
    hit: Callable[[int], None] | None = None,
    answers: int = ANSWERS,
) -> Scorer:
    """The scorer with the engine that the settings name; a model loads at its first use.

    observe: called by the engine after each batch with its texts, tokens and seconds. answers,
    hit: as in Scorer.
    """
    # neither engine is imported before it is needed: /health is answered before torch is there
    if settings.llm_url:
        from backend.engine.remote.engine import connect

        return Scorer(connect(settings, observe), answers, hit)
    from backend.engine.local import Local
    from backend.engine.offline import resolve

    local = Local(
        resolve(settings.llm, settings.home / "models"),
        threads=settings.threads or None,
        dtype=settings.dtype,
        max_tokens=settings.max_tokens,
        observe=observe,
    )
    return Scorer(local, answers, hit)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
