"""The model in this process: one thread owns it, and reads what all other threads ask in batches.

Eight annotators who open a task at once are one batch, not eight; a bulk of thousands is many, and
whoever asks for less comes first, but not for ever: a request's deadline is its arrival plus
PATIENCE for every token that it asks for, and the earliest deadline is served. A batch is of one
version, so that no answer mixes two.
"""

import gc
import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np
import torch

from backend.engine import llm, prompt
from backend.engine.adapters import Adapters
from backend.engine.llm import Asked, Llm
from backend.engine.protocol import Said
from backend.engine.served import Served
from selection.errors import CruxError, ModelError
from selection.types import Doubles

log = logging.getLogger(__name__)

PATIENCE = 1e-3  # seconds a token, about what a small model on two cores takes to read it
GATHER = 0.05  # seconds, at most, in which those who ask one thing after another meet again
BATCH_TOKENS = {"cpu": 512, "cuda": 16_384}  # of one forward pass: bounds memory and waiting
NICE = 5  # how far the model stands back behind the threads that answer
_POLICIES = 8  # whose key-value caches are kept
_CHUNK = 1024  # texts tokenised at a time

Observe = Callable[[int, int, float], None]


class Local:
    """An engine for many versions of one base model, asked from many threads.

    model: a directory or Hugging Face id. threads: of torch, None leaves them alone. device,
    dtype: as in llm.load. max_tokens: read of a text. batch_tokens: of one forward pass, None for
    the device's. observe: called after each pass with its texts, tokens and seconds. The model is
    loaded at the first question.
    """

    def __init__(
        self,
        model: str,
        *,
        threads: int | None = None,
        device: str | None = None,
        dtype: str = "auto",
        max_tokens: int = 256,
        batch_tokens: int | None = None,
        observe: Observe | None = None,
    ) -> None:
        self._model = model
        self._threads = threads
        self._device = device
        self._dtype = dtype
        self._max_tokens = max_tokens
        self._batch_tokens = batch_tokens
        self._observe = observe
        self._loading = threading.Lock()
        self._loaded: tuple[Llm, Adapters] | None = None
        self._policies: OrderedDict[tuple[str, tuple[str, ...]], Asked] = OrderedDict()
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._thread: threading.Thread | None = None
        self._expected = 1  # requests, once those who are answered now have asked again

    @property
    def waiting(self) -> int:
        """Texts that wait to be read."""
        with self._changed:
            return sum(len(request.left) for request in self._waiting)

    def answer(self, served: Served, texts: Sequence[str], said: Said) -> None:
        """See Engine."""
        for start in range(0, len(texts), _CHUNK):
            ids = self._encode(texts[start : start + _CHUNK])
            request = _Request(served, ids)
            self._ask(request)
            while request.unread:
                positions, logits = request.next()
                said([start + position for position in positions], logits)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        base, _ = self._ready()
        with base.tokenizing:
            return prompt.encode(base.tokenizer, texts, self._max_tokens)

    def _ready(self) -> tuple[Llm, Adapters]:
        with self._loading:
            if self._loaded is None:
                if self._threads is not None:
                    torch.set_num_threads(self._threads)
                base = llm.load(self._model, self._device, self._dtype)
                self._loaded = (base, Adapters(base.causal))
                # What is loaded stays. To look through it for garbage takes .3 s now and then, in
                # which not even /health is answered.
                gc.collect()
                gc.freeze()
            return self._loaded

    def _ask(self, request: "_Request") -> None:
        with self._changed:
            self._waiting.append(request)
            self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
            self._thread.start()

    def _start_again(self) -> None:
        with self._changed:
            self._thread = None
            if self._waiting:
                self._start()

    # the thread that owns the model

    def _serve(self) -> None:
        _step_back()
        try:
            while True:
                parts = self._next()
                with self._answered(parts):
                    self._read(parts)
        finally:
            self._start_again()

    def _next(self) -> list["_Part"]:
        """Wait for requests; what of them makes the next batch."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            self._changed.wait_for(lambda: len(self._waiting) >= self._expected, GATHER)
            waiting = sorted(self._waiting, key=lambda request: request.deadline)
            served, room = waiting[0].served, self._room
            parts: list[_Part] = []
            for request in waiting:
                if request.served == served:
                    part = request.take(room, always=not parts)
                    room -= part.tokens
                    if part.positions:
                        parts.append(part)
            self._waiting = [request for request in self._waiting if request.left]
            return parts

    @contextmanager
    def _answered(self, parts: Sequence["_Part"]) -> Iterator[None]:
        """Nobody waits for ever: what goes wrong with a batch is told to all who are in it.

        An error of ours is theirs alone. Any other ends this thread, with its trace in the log,
        and another one goes on.
        """
        told: CruxError | None = ModelError(
            "The model failed on these texts; the backend's log has the details."
        )
        try:
            yield
            told = None
        except CruxError as error:
            told = error
        finally:
            if told is not None:
                with self._changed:
                    failed = [part.request for part in parts]
                    self._waiting = [one for one in self._waiting if one not in failed]
                for request in failed:
                    request.answers.put(told)

    @property
    def _room(self) -> int:
        base, _ = self._ready()
        return self._batch_tokens or BATCH_TOKENS.get(base.device.type, BATCH_TOKENS["cuda"])

    def _read(self, parts: Sequence["_Part"]) -> None:
        """One forward pass, in pieces where the memory of the device is too small for it."""
        base, adapters = self._ready()
        served = parts[0].request.served
        rows = [part.request.ids[position] for part in parts for position in part.positions]
        began = time.monotonic()
        asked = self._policy(served)
        with torch.inference_mode(), adapters.use(served.adapter):
            logits = self._logits(base, asked, rows)
        if self._observe is not None:
            self._observe(len(rows), sum(map(len, rows)), time.monotonic() - began)
        with self._changed:
            self._expected = len({*(part.request for part in parts), *self._waiting})
        at = 0
        for part in parts:
            here = logits[at : at + len(part.positions)]
            at += len(part.positions)
            part.request.answers.put((part.positions, here))

    def _logits(self, base: Llm, asked: Asked, rows: list[list[int]]) -> Doubles:
        try:
            return base.answer(asked, rows).cpu().numpy().astype(np.float64)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise ModelError(
                    f"The memory of {base.device} is too small for a text of {len(rows[0])} "
                    "tokens. Choose a smaller model, or fewer CRUX_MAX_TOKENS."
                ) from None
        torch.cuda.empty_cache()
        self._batch_tokens = max(1, self._room // 2)
        log.warning("batches are of %s tokens from now on: memory is short", self._batch_tokens)
        half = len(rows) // 2
        parts = [self._logits(base, asked, part) for part in (rows[:half], rows[half:])]
        return np.concatenate(parts)

    def _policy(self, served: Served) -> Asked:
        """The policy as the base model has read it."""
        base, adapters = self._ready()
        key = (served.policy, served.labels)
        if key not in self._policies:
            with torch.inference_mode(), adapters.use(None):
                self._policies[key] = base.ask(served.policy, served.labels, self._max_tokens)
        self._policies.move_to_end(key)
        while len(self._policies) > _POLICIES:
            self._policies.popitem(last=False)
        return self._policies[key]


def _step_back() -> None:
    """Let the other threads of this process run first: /health must not wait for a batch.

    On Linux each thread has a priority of its own, and torch's threads inherit it from this one.
    """
    if sys.platform == "linux":
        me = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, me, os.getpriority(os.PRIO_PROCESS, me) + NICE)


@dataclass(frozen=True)
class _Part:
    """Positions of one request's texts that one batch reads. tokens: of them."""

    request: "_Request"
    positions: list[int]
    tokens: int


@dataclass(eq=False)
class _Request:
    """Texts (token ids) that one thread waits for. left: positions not yet in a batch."""

    served: Served
    ids: list[list[int]]
    left: list[int] = field(init=False)
    unread: int = field(init=False)
    deadline: float = field(init=False)
    answers: SimpleQueue[tuple[list[int], Doubles] | CruxError] = field(init=False)

    def __post_init__(self) -> None:
        # the longest come first, so that too little memory shows at once
        self.left = sorted(range(len(self.ids)), key=lambda i: len(self.ids[i]))
        self.unread = len(self.ids)
        self.deadline = time.monotonic() + PATIENCE * sum(map(len, self.ids))
        self.answers = SimpleQueue()

    def take(self, room: int, always: bool) -> _Part:
        """The longest texts left that fit into `room` tokens; one at least if `always`."""
        taken: list[int] = []
        tokens = 0
        while self.left:
            more = len(self.ids[self.left[-1]]) + 1
            if tokens + more > room and (taken or not always):
                break
            taken.append(self.left.pop())
            tokens += more
        return _Part(self, taken, tokens)

    def next(self) -> tuple[list[int], Doubles]:
        """Wait for a batch: positions and (b, k) logits. Raises what reading them raised."""
        answer = self.answers.get()
        if isinstance(answer, CruxError):
            raise answer
        self.unread -= len(answer[0])
        return answer
