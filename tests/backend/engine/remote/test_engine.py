"""Against llama.cpp's real server; the calls that only vLLM has are in test_adapters.py."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest

from backend.engine import llm
from backend.engine.local import Local
from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.recipe import Recipe
from backend.train import train
from benchmarks.serving.llama_server import LlamaServer, write_float32
from demo.processes import free_port
from demo.question import LABELS
from demo.ratings import load
from selection.errors import ModelError
from selection.types import Doubles
from tests.backend.engine.ask import (
    KEY,
    SERVED,
    logits,
    remote,
    write_adapter,
    write_tiny_tokenizer,
)
from tests.backend.engine.remote.llama_counter import CUT_OFF, Proxy
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

ALIKE = 1e-4  # in probability; 4e-6 was measured
SHORT = [f"number {i} is {word}" for i, word in enumerate(["awful", "fine", "bad", "great"] * 6)]


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    folder = tmp_path_factory.mktemp("llama")
    server = LlamaServer(folder, write_float32(folder / "weights.gguf"), key=KEY)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def local(model: str) -> Local:
    return Local(model, threads=1, device="cpu")


@pytest.fixture
def proxy(llama: LlamaServer) -> Iterator[Proxy]:
    passing = Proxy(llama.url)
    yield passing
    passing.close()


# what the server says is what the model says


def test_on_200_product_reviews_the_server_gives_the_local_engines_probabilities(
    llama: LlamaServer, local: Local, model: str
) -> None:
    texts = [rated.text for rated in load("products")[:200]]
    here = Scorer(local).score(SERVED, texts)
    there = Scorer(remote(llama.url, model)).score(SERVED, texts)
    assert 10 < int((here[:, 0] > 0.5).sum()) < 190  # both labels are given
    assert float(np.abs(here - there).max()) < ALIKE
    assert np.array_equal(here.argmax(axis=1), there.argmax(axis=1))


@pytest.mark.parametrize(
    "labels",
    [("praise", "complaint", "question"), tuple(f"kind {i}" for i in range(30))],
    ids=["words", "letters"],
)
def test_any_number_of_labels_is_answered(
    llama: LlamaServer, local: Local, model: str, labels: tuple[str, ...]
) -> None:
    served = Served("many", "What is it?", labels, None)
    there = logits(remote(llama.url, model), served, SHORT[:6])
    assert there == pytest.approx(logits(local, served, SHORT[:6]), abs=1e-3)


def test_every_caller_gets_its_own_answers_in_order_and_few_are_in_flight(
    proxy: Proxy, local: Local, model: str
) -> None:
    right = logits(local, SERVED, SHORT)
    engine = remote(proxy.url, model, requests=3)
    got: dict[int, Doubles] = {}
    orders = [np.random.default_rng(seed).permutation(len(SHORT)) for seed in range(6)]

    def ask(caller: int) -> None:
        got[caller] = logits(engine, SERVED, [SHORT[i] for i in orders[caller]])

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for caller in range(6):
        assert got[caller] == pytest.approx(right[orders[caller]], abs=1e-3)
    assert proxy.most == 3


def test_a_small_request_does_not_wait_for_the_whole_of_a_bulk_one(
    llama: LlamaServer, model: str
) -> None:
    engine = remote(llama.url, model, requests=2)
    started, order = threading.Event(), []

    def bulk() -> None:
        texts = [f"{text}, {i}" for i in range(4) for text in SHORT]
        engine.answer(SERVED, texts, lambda positions, rows: started.set())
        order.append("bulk")

    thread = threading.Thread(target=bulk)
    thread.start()
    started.wait()
    logits(engine, SERVED, ["small"])
    order.append("small")
    thread.join()
    assert order == ["small", "bulk"]


def test_texts_wait_until_they_are_answered_or_given_up(proxy: Proxy, model: str) -> None:
    engine = remote(proxy.url, model, requests=1)
    waiting: list[int] = []
    engine.answer(SERVED, SHORT[:10], lambda positions, rows: waiting.append(engine.waiting))
    assert waiting == [6, 2, 0]
    proxy.spoil.append((429, {"Retry-After": "3600"}, b"{}"))
    with pytest.raises(ModelError):
        engine.answer(SERVED, SHORT[:10], lambda positions, rows: None)
    assert engine.waiting == 0


def test_no_texts_ask_nobody(model: str) -> None:
    assert logits(remote("http://127.0.0.1:1", model), SERVED, []).shape == (0, 2)


def test_a_training_happens_here_on_a_model_that_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = tiny_model(tmp_path / "model")
    loaded: list[str] = []
    load = llm.load
    monkeypatch.setattr(llm, "load", lambda *of: loaded.append(of[0]) or load(*of))
    engine = remote("http://127.0.0.1:1", tiny)  # where nobody answers
    assert loaded == []
    local = Local(tiny, threads=1, device="cpu")
    for name, by in (("here", local), ("remote", engine), ("again", engine)):
        (tmp_path / name).mkdir()
        train(
            Scorer(by), "Is it mean?", LABELS, ["bad", "good"], np.array([0, 1]),
            np.array([0.5, 0.5]), Recipe(epochs=1), tmp_path / name,
        )  # fmt: skip
    assert loaded == [tiny, tiny]
    weights = [
        (tmp_path / name / "adapter_model.safetensors").read_bytes()
        for name in ("here", "remote", "again")
    ]
    assert weights[0] == weights[1] == weights[2]


# what fails


def test_a_server_that_is_killed_and_started_again_costs_nothing_but_time(
    llama: LlamaServer, local: Local, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = remote(llama.url, model, requests=2)
    found = np.full((len(SHORT), 2), np.nan)
    starting: list[threading.Thread] = []

    def on_batch(positions: Sequence[int], rows: Doubles) -> None:
        found[list(positions)] = rows
        if not starting:
            llama.kill()
            starting.append(threading.Thread(target=llama.start))
            starting[0].start()

    with caplog.at_level(logging.WARNING, logger="backend.engine.remote.http"):
        engine.answer(SERVED, SHORT, on_batch)
    starting[0].join()
    right = logits(local, SERVED, SHORT)
    assert found - found.mean(axis=1, keepdims=True) == pytest.approx(right, abs=1e-3)
    failed, well = caplog.messages
    assert failed.startswith(f"the model server at {llama.url} fails (")
    assert well == f"the model server at {llama.url} answers again"


def test_what_may_pass_is_asked_again(proxy: Proxy, local: Local, model: str) -> None:
    proxy.spoil.extend(
        [
            (429, {"Retry-After": "1"}, b"{}"),
            (503, {}, b"loading"),
            (CUT_OFF, {}, b'{"choices": ['),
            (200, {}, b'{"choices": ['),
        ]
    )
    assert logits(remote(proxy.url, model), SERVED, SHORT[:2]) == pytest.approx(
        logits(local, SERVED, SHORT[:2]), abs=1e-3
    )
    assert proxy.asked == 5


@pytest.mark.parametrize("named", ["3600", formatdate(time.time() + 3600, usegmt=True)])
def test_nobody_comes_back_before_the_server_asked_them_to(
    proxy: Proxy, model: str, named: str
) -> None:
    proxy.spoil.append((429, {"Retry-After": named}, b"{}"))
    with pytest.raises(ModelError, match="it answers 429"):
        logits(remote(proxy.url, model), SERVED, ["secret text"])
    assert proxy.asked == 1


def test_a_server_that_is_away_is_one_sentence(model: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ModelError) as caught:
        logits(remote(url, model, deadline=1.0), SERVED, ["secret text"])
    message = str(caught.value)
    assert message.startswith(f"The model server at {url} did not answer for ")
    assert message.endswith("or unset CRUX_LLM_URL to run the model in the backend.")
    assert KEY not in message and "secret text" not in message


def test_a_wrong_key_is_one_sentence_without_it_and_is_not_tried_again(
    proxy: Proxy, model: str
) -> None:
    with pytest.raises(ModelError) as caught:
        logits(remote(proxy.url, model, key="another-key"), SERVED, ["secret text"])
    assert str(caught.value) == (
        f"The model server at {proxy.url} refuses the key (401). Set CRUX_LLM_KEY to the key that "
        "it was started with."
    )
    assert proxy.paths == ["/v1/models"]


def test_a_server_of_another_model_is_refused_before_it_reads_a_text(
    proxy: Proxy, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="another vocabulary than CRUX_LLM"):
        logits(
            remote(proxy.url, write_tiny_tokenizer(tmp_path), name="org/tiny"),
            SERVED,
            ["secret text"],
        )
    assert proxy.asked == 0


def test_a_policy_longer_than_the_server_reads_is_refused(llama: LlamaServer, model: str) -> None:
    long = Served("long", "word " * 600, LABELS, None)
    with pytest.raises(ModelError, match="longer than the server at .* reads") as caught:
        logits(remote(llama.url, model), long, ["secret text"])
    assert "secret text" not in str(caught.value)


def test_an_address_without_the_api_is_one_sentence(proxy: Proxy, model: str) -> None:
    with pytest.raises(ModelError, match=r"serves no model that it names.*Correct CRUX_LLM"):
        logits(remote(f"{proxy.url}/elsewhere", model), SERVED, ["a"])


def test_a_server_that_loads_no_adapters_is_refused_with_the_first_trained_version(
    llama: LlamaServer, model: str, tmp_path: Path
) -> None:
    tuned = Served("7/a", "Is it mean?", LABELS, write_adapter(tmp_path / "a"))
    with pytest.raises(ModelError, match="cannot load adapters, and version 7-a has one. Use vLLM"):
        logits(remote(llama.url, model), tuned, ["bad"])
