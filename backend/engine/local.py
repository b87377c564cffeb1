"""The model in this process: one thread reads with it what all other threads ask, in batches.

Eight annotators who open a task at once are one batch, not eight; a bulk of thousands is many
(batching.py). A batch is of one version, so that no answer mixes two. A training has the model to
itself, but lets a batch through after each of its steps.
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

import numpy as np
import torch

from backend.config import BackendSettings
from backend.engine import llm
from backend.engine.adapters import Adapters
from backend.engine.batching import Part, Request, take_batch
from backend.engine.llm import Asked, Llm
from backend.engine.offline import resolve
from backend.engine.protocol import Observe, OnBatch, T
from backend.engine.reader import Reader
from backend.engine.served import Served
from selection.errors import CruxError, ModelError
from selection.types import Doubles

log = logging.getLogger(__name__)

GATHER = 0.05  # seconds, at most, to wait for threads that ask one text after another
BATCH_TOKENS = {"cpu": 640, "cuda": 16_384}  # of one forward pass: bounds memory and waiting
NICE = 5  # how much lower the model's priority is than that of the threads that answer
_LOWEST = 19  # priority on Linux
_POLICIES = 8  # whose key-value caches are kept
_CHUNK = 1024  # texts tokenised at a time


class Local:
    """An engine for many versions of one base model, asked from many threads.

    model: a directory or Hugging Face id; it is loaded when it is first needed. threads: of torch,
    None leaves their number alone. device, dtype: as in llm.load. max_tokens: read of a text.
    batch_tokens: of one forward pass, None for the device's. observe: called after each pass.
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
        self._loaded: tuple[Llm, Adapters, Reader] | None = None
        self._policies: OrderedDict[tuple[str, tuple[str, ...]], Asked] = OrderedDict()
        self._in_use = threading.Lock()  # the model and its adapters, by a batch or a training
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._thread: threading.Thread | None = None
        self._expected = 1  # requests, once those who are answered now have asked again
        self._batches = 0  # that were read

    @property
    def waiting(self) -> int:
        """See Engine."""
        with self._changed:
            return sum(len(request.left) for request in self._waiting)

    def answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        """See Engine."""
        for start in range(0, len(texts), _CHUNK):
            base, _, _ = self._ready()
            ids = base.encode(texts[start : start + _CHUNK], self._max_tokens)
            request = Request(served, ids, self._after(served))
            self._ask(request)
            while request.unread:
                positions, logits = request.next()
                on_batch([start + position for position in positions], logits)

    def train(self, run: Callable[[Llm, Adapters], T]) -> T:
        """See Engine. It runs in the calling thread, and batches are read between its steps."""
        base, adapters, _ = self._ready()
        with self._in_use:
            if self._threads is not None:
                torch.set_num_threads(self._threads)  # each thread of Python has its own number
            return run(base, adapters)

    def _ready(self) -> tuple[Llm, Adapters, Reader]:
        with self._loading:
            if self._loaded is None:
                if self._threads is not None:
                    torch.set_num_threads(self._threads)
                base = llm.load(self._model, self._device, self._dtype)
                adapters = Adapters(base.causal, self._let_a_batch_through)
                self._loaded = base, adapters, Reader(base)
                # What is loaded stays. Looking through it for garbage would take 0.3 s now and
                # then, in which not even /health is answered.
                gc.collect()
                gc.freeze()
            return self._loaded

    def _let_a_batch_through(self) -> bool:
        """Called by a training, which has the model: whoever waits has it for one batch.

        Return whether somebody did.
        """
        with self._changed:
            if not self._waiting:
                return False
            before = self._batches
        self._in_use.release()
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._batches > before)
        finally:
            self._in_use.acquire()
        return True

    def _after(self, served: Served) -> int:
        """Return the tokens that are read after each text."""
        known = self._policies.get((served.policy, served.labels))
        if known is not None:
            return len(known.prompt.suffix)
        base, _, _ = self._ready()
        return len(base.prompt(served.policy, served.labels).suffix)

    def _ask(self, request: Request) -> None:
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

    # the thread that reads

    def _serve(self) -> None:
        _step_back()
        try:
            while True:
                self._gather()
                try:
                    with self._in_use:
                        parts = self._take()
                        with self._answered(parts):
                            self._read(parts)
                finally:
                    with self._changed:
                        self._batches += 1
                        self._changed.notify_all()
        finally:
            self._start_again()

    def _gather(self) -> None:
        """Wait for requests, and a moment for those that will be there at once."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            self._changed.wait_for(lambda: len(self._waiting) >= self._expected, GATHER)

    def _take(self) -> list[Part]:
        with self._changed:
            parts = take_batch(self._waiting, self._room)
            self._waiting = [request for request in self._waiting if request.left]
            return parts

    @contextmanager
    def _answered(self, parts: Sequence[Part]) -> Iterator[None]:
        """Tell what goes wrong with a batch to all who are in it: nobody waits for ever.

        A CruxError is for them alone. Any other error also ends this thread, with its trace in the
        log, and another thread goes on.
        """
        failure: CruxError | None = ModelError(
            "The model failed on these texts; the backend's log has the details."
        )
        try:
            yield
            failure = None
        except CruxError as error:
            failure = error
        finally:
            if failure is not None:
                with self._changed:
                    failed = [part.request for part in parts]
                    self._waiting = [one for one in self._waiting if one not in failed]
                for request in failed:
                    request.answers.put(failure)

    @property
    def _room(self) -> int:
        base, _, _ = self._ready()
        return self._batch_tokens or BATCH_TOKENS.get(base.device.type, BATCH_TOKENS["cuda"])

    def _read(self, parts: Sequence[Part]) -> None:
        """One forward pass; several where the memory of the device is too small for it."""
        _, adapters, reader = self._ready()
        served = parts[0].request.served
        rows = [part.request.ids[position] for part in parts for position in part.positions]
        began = time.monotonic()
        asked = self._policy(served)
        with torch.inference_mode(), adapters.use(served.adapter) as unchanged:
            logits = self._logits(reader, asked, rows, unchanged)
        if self._observe is not None:
            self._observe(len(rows), sum(map(len, rows)), time.monotonic() - began)
        with self._changed:
            self._expected = len({*(part.request for part in parts), *self._waiting})
        at = 0
        for part in parts:
            here = logits[at : at + len(part.positions)]
            at += len(part.positions)
            part.request.answers.put((part.positions, here))

    def _logits(
        self, reader: Reader, asked: Asked, rows: list[list[int]], unchanged: int
    ) -> Doubles:
        try:
            return reader.answer(asked, rows, unchanged).cpu().numpy().astype(np.float64)
        except torch.OutOfMemoryError:
            if len(rows) == 1:
                raise ModelError(
                    f"The memory of {reader.base.device} is too small for a text of {len(rows[0])} "
                    "tokens. Choose a smaller model, or fewer CRUX_MAX_TOKENS."
                ) from None
        torch.cuda.empty_cache()
        self._batch_tokens = max(1, self._room // 2)
        log.warning("batches are of %s tokens from now on: memory is short", self._batch_tokens)
        half = len(rows) // 2
        parts = (rows[:half], rows[half:])
        return np.concatenate([self._logits(reader, asked, part, unchanged) for part in parts])

    def _policy(self, served: Served) -> Asked:
        """Return the policy as the base model has read it."""
        base, adapters, _ = self._ready()
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

    On Linux each thread has a priority of its own, which the threads that it starts inherit, those
    of torch and the successor of this one. So the process's own is what counts, its main thread's.
    """
    if sys.platform == "linux":
        lower = min(_LOWEST, os.getpriority(os.PRIO_PROCESS, os.getpid()) + NICE)
        me = threading.get_native_id()
        # a higher priority than its own is more than a thread may take
        os.setpriority(os.PRIO_PROCESS, me, max(lower, os.getpriority(os.PRIO_PROCESS, me)))


def make_local(settings: BackendSettings, observe: Observe | None = None) -> Local:
    """Return the engine of the model that the settings name.

    Raises ModelError if it is the offline one and its package is missing.
    """
    return Local(
        resolve(settings.llm, settings.home / "models"),
        threads=settings.threads or None,
        dtype=settings.dtype,
        max_tokens=settings.max_tokens,
        observe=observe,
    )
