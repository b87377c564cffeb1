"""An OpenAI-compatible server as the engine: texts -> logits of the answer tokens, by HTTP.

The prompt is the local engine's, made here with the tokenizer of CRUX_LLM and sent as token ids.
So the server must serve CRUX_LLM: it is asked once to turn some ids back into text. Such a server
cannot train, so the model is loaded here, too, at the first training.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from backend.config import BackendSettings
from backend.engine import prompt as prompts
from backend.engine.offline import resolve
from backend.engine.prompt import Prompt
from backend.engine.protocol import Observe, OnBatch, T, Trainable
from backend.engine.remote.adapters import RemoteAdapters
from backend.engine.remote.completions import UnknownModel, logprobs
from backend.engine.remote.http import LlmServer
from backend.engine.served import Served
from backend.engine.template import plain
from selection.errors import ModelError
from selection.types import Doubles

if TYPE_CHECKING:
    from backend.engine.adapters import Adapters
    from backend.engine.llm import Llm

DEADLINE = 90.0  # seconds for an answer; Label Studio waits 100 for a prediction
_TEXTS = 4  # in one request: few, so that little is asked again or waits when one fails
_CHUNK = 1024  # texts tokenised at a time
_PANGRAM = "The quick brown fox jumps over 13 lazy dogs."


class Remote:
    """An engine for many versions of one base model, asked from many threads.

    model: name of the base model, as the server may know it. tokenizer: a directory or Hugging
    Face id. trainer: makes what owns a copy of the model to train. requests: in flight at most.
    observe: called after each request.
    """

    def __init__(
        self,
        server: LlmServer,
        adapters: RemoteAdapters,
        *,
        model: str,
        tokenizer: str,
        trainer: Callable[[], Trainable],
        requests: int = 16,
        max_tokens: int = 256,
        observe: Observe | None = None,
    ) -> None:
        self._server = server
        self._adapters = adapters
        self._model = model
        self._tokenizer = tokenizer
        self._make_trainer = trainer
        self._trainer: Trainable | None = None
        self._requests = requests
        self._max_tokens = max_tokens
        self._observe = observe
        self._lock = threading.Lock()
        self._tokens: PreTrainedTokenizerBase | None = None
        self._base: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._counting = threading.Lock()  # for moments only, unlike the other one
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """See Engine. Those in flight count."""
        return self._waiting

    def answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        """See Engine."""
        if not texts:
            return
        left = len(texts)
        self._count(left)

        def counted(positions: Sequence[int], logits: Doubles) -> None:
            nonlocal left
            left -= len(positions)
            self._count(-len(positions))
            on_batch(positions, logits)

        try:
            self._answer(served, texts, counted)
        finally:
            self._count(-left)

    def train(self, run: "Callable[[Llm, Adapters], T]") -> T:
        """See Engine. Nothing that is to be read waits: the server reads it meanwhile."""
        with self._lock:
            if self._trainer is None:
                self._trainer = self._make_trainer()
            trainer = self._trainer
        return trainer.train(run)

    def _count(self, texts: int) -> None:
        with self._counting:
            self._waiting += texts

    def _answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        tokenizer, base = self._meet()
        with self._lock:  # a tokenizer keeps the settings of a call
            prompt = prompts.build(tokenizer, served.policy, served.labels)
            answers = tuple(str(tokenizer.decode([token])) for token in prompt.answers)
        with self._adapters.use(served, base) as name:
            for start in range(0, len(texts), _CHUNK):
                with self._lock:
                    ids = prompts.encode(tokenizer, texts[start : start + _CHUNK], self._max_tokens)
                question = _Question(served, name, prompt, answers)
                self._read(question, ids, start, on_batch)

    def close(self) -> None:
        """End the connections; what is in flight is answered first."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._server.close()

    def _read(
        self, question: "_Question", ids: Sequence[Sequence[int]], first: int, on_batch: OnBatch
    ) -> None:
        """Hand the pool no more of one caller than it takes at once: a bulk lets others by."""
        # similar lengths together, so that the texts of a request are done at about the same time
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        batches = iter([order[i : i + _TEXTS] for i in range(0, len(order), _TEXTS)])
        flying: dict[Future[Doubles], list[int]] = {}
        try:
            while True:
                for batch in batches:
                    job = self._workers.submit(self._ask, question, [ids[i] for i in batch])
                    flying[job] = batch
                    if len(flying) == self._requests:
                        break
                if not flying:
                    return
                for job in wait(flying, return_when=FIRST_COMPLETED).done:
                    on_batch([first + i for i in flying.pop(job)], job.result())
        finally:
            for job in flying:
                job.cancel()

    def _ask(self, question: "_Question", ids: Sequence[Sequence[int]]) -> Doubles:
        prompt = question.prompt
        rows = [[*prompt.prefix, *row, *prompt.suffix] for row in ids]
        began = time.monotonic()

        ask = partial(
            logprobs, self._server, question.name, rows, prompt.answers, question.answers
        )
        try:
            logits = ask()
        except UnknownModel:
            if question.served.adapter is None:
                raise
            self._adapters.load(question.name, question.served.adapter)  # a restart forgot it
            logits = ask()
        if self._observe is not None:
            self._observe(len(ids), sum(map(len, ids)), time.monotonic() - began)
        return logits

    @property
    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:  # not before gunicorn has forked
                self._pool = ThreadPoolExecutor(self._requests, thread_name_prefix="request")
            return self._pool

    def _meet(self) -> tuple[PreTrainedTokenizerBase, str]:
        """Return the tokenizer, and the base model's name on the server.

        Callers do not wait for each other here: each hears by its own deadline of a server that
        is away.
        """
        with self._lock:
            if self._tokens is None:
                self._tokens = self._load()
            tokenizer, name = self._tokens, self._base
        if name is None:
            name = self._name()
            with self._lock:
                tokens = plain(tokenizer, _PANGRAM)
            self._compare(tokens, name)
            self._base = name
        return tokenizer, name

    def _load(self) -> PreTrainedTokenizerBase:
        try:
            loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                self._tokenizer, trust_remote_code=False
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(
                f"The tokenizer of {self._model!r} cannot be loaded ({type(error).__name__}). "
                "Check CRUX_LLM and the network."
            ) from error
        return loaded

    def _name(self) -> str:
        reply = self._server.send("GET", "/v1/models")
        try:
            cards = reply.json()["data"]
            names = [str(card["id"]) for card in cards if not card.get("parent")]
        except (KeyError, TypeError, ValueError, AttributeError):
            names = []
        if self._model in names or len(names) == 1:
            return self._model if self._model in names else names[0]
        raise ModelError(
            f"The server at {self._server.shown} serves "
            f"{', '.join(names[:5]) or 'no model that it names'}, and not {self._model!r} "
            f"(/v1/models answered {reply.status_code}). Correct CRUX_LLM or CRUX_LLM_URL."
        )

    def _compare(self, tokens: Sequence[int], name: str) -> None:
        """Raise ModelError if to the server these ids of ours are another text."""
        body = {"model": name, "tokens": list(tokens)}
        reply = self._server.send("POST", "/detokenize", body, final=lambda reply: True)
        if reply.status_code == 200 and _PANGRAM not in reply.text:
            raise ModelError(
                f"The server at {self._server.shown} serves {name!r}, which has another "
                f"vocabulary than CRUX_LLM ({self._model!r}). Set CRUX_LLM to the model that it "
                "serves."
            )


@dataclass(frozen=True)
class _Question:
    """name: of the model on the server. answers: (k,) the answer tokens as text."""

    served: Served
    name: str
    prompt: Prompt
    answers: tuple[str, ...]


def make_remote(settings: BackendSettings, observe: Observe | None = None) -> Remote:
    """Return the engine of CRUX_LLM_URL; the server is asked at the first text.

    Raises SettingError for an address or key that cannot be used, ModelError if CRUX_LLM cannot
    be had: its tokenizer is needed here.
    """
    server = LlmServer(settings.llm_url, settings.llm_key, DEADLINE)
    return Remote(
        server,
        RemoteAdapters(server, settings.home / "projects", settings.llm_adapters),
        model=settings.llm,
        tokenizer=resolve(settings.llm, settings.home / "models"),
        trainer=partial(_load_here, settings),
        requests=settings.llm_requests,
        max_tokens=settings.max_tokens,
        observe=observe,
    )


def _load_here(settings: BackendSettings) -> Trainable:
    from backend.engine.local import make_local  # torch, which only a training needs

    return make_local(settings)
