"""One model for many threads, and for trainings. It is real, of random weights."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backend.engine import local
from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.served import Served
from backend.recipe import Recipe
from backend.train import train
from backend.versions.manifest import ADAPTER
from selection.errors import ModelError, VersionError
from selection.types import Doubles
from tests.backend.engine.tiny_model import tiny_model
from tests.backend.eventually import until

# of transformers, by what peft asks for
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

SERVED = Served("base", "Is it mean?", ("harsh", "fine"), None)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


def ask(engine: Local, texts: Sequence[str], served: Served = SERVED) -> Doubles:
    found = np.full((len(texts), len(served.labels)), np.nan)

    def on_batch(positions: Sequence[int], logits: Doubles) -> None:
        found[list(positions)] = logits

    engine.answer(served, texts, on_batch)
    return found


class Held:
    """An engine whose first batch waits until it is let go, while others queue up behind it."""

    def __init__(self, model: str, monkeypatch: pytest.MonkeyPatch, **more: int) -> None:
        self.batches: list[tuple[int, int]] = []
        self.engine = Local(model, threads=1, device="cpu", observe=self._seen, **more)
        ask(self.engine, ["the policy is read"])
        self.batches.clear()
        self.reading, self.go = threading.Event(), threading.Event()
        answer = Llm.answer

        def slow(base: Llm, *asked: object) -> object:
            self.reading.set()
            assert self.go.wait(120)
            return answer(base, *asked)  # type: ignore[arg-type]

        monkeypatch.setattr(Llm, "answer", slow)

    def _seen(self, texts: int, tokens: int, seconds: float) -> None:
        self.batches.append((texts, tokens))


def in_threads(*works: object) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    return threads


def until_waiting(engine: Local, texts: int) -> None:
    for _ in range(1000):
        if engine.waiting >= texts:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{engine.waiting} texts wait, not {texts}")


def test_what_many_ask_while_the_model_is_busy_is_read_in_one_batch(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(model, monkeypatch)
    first = in_threads(lambda: ask(held.engine, ["first"]))
    assert held.reading.wait(120)
    others = in_threads(*(lambda n=n: ask(held.engine, [f"text {n}"]) for n in range(8)))
    until_waiting(held.engine, 8)
    held.go.set()
    for thread in [*first, *others]:
        thread.join(120)
    assert [texts for texts, _ in held.batches] == [1, 8]


def test_no_batch_holds_texts_of_two_versions(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(model, monkeypatch)
    other = Served("other", "Is it kind?", ("harsh", "fine"), None)
    first = in_threads(lambda: ask(held.engine, ["first"]))
    assert held.reading.wait(120)
    got: dict[int, Doubles] = {}

    def work(n: int) -> None:
        got[n] = ask(held.engine, ["a good one", f"text {n}"], (SERVED, other)[n % 2])

    others = in_threads(*(lambda n=n: work(n) for n in range(6)))
    until_waiting(held.engine, 12)
    held.go.set()
    for thread in [*first, *others]:
        thread.join(120)
    assert sorted(texts for texts, _ in held.batches) == [1, 6, 6]
    apart = [ask(Local(model, threads=1, device="cpu"), ["a good one"], s) for s in (SERVED, other)]
    for n, rows in got.items():
        assert rows[0] == pytest.approx(apart[n % 2][0], abs=1e-5)


def test_who_asks_for_little_is_served_before_the_rest_of_a_bulk(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(model, monkeypatch, batch_tokens=64)
    order: list[str] = []

    def work(name: str, texts: list[str]) -> None:
        ask(held.engine, texts)
        order.append(name)

    bulk = in_threads(lambda: work("bulk", [f"a longer text, number {n}" for n in range(200)]))
    assert held.reading.wait(120)
    small = in_threads(lambda: work("small", ["small"]))
    until_waiting(held.engine, 180)
    held.go.set()
    for thread in [*bulk, *small]:
        thread.join(120)
    assert order == ["small", "bulk"]


def test_an_unexpected_error_is_told_to_who_asked_and_the_next_question_is_answered(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Local(model, threads=1, device="cpu")
    right = ask(engine, ["good"])
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: died.append(args.exc_type))
    with monkeypatch.context() as broken:
        broken.setattr(Llm, "answer", lambda *_: 1 / 0)
        with pytest.raises(ModelError, match="failed on these texts"):
            ask(engine, ["good"])
    assert ask(engine, ["good"]) == pytest.approx(right, abs=1e-6)
    assert died == [ZeroDivisionError]


def test_a_version_without_its_files_fails_alone(model: str, tmp_path: Path) -> None:
    engine = Local(model, threads=1, device="cpu")
    gone = Served("gone", SERVED.policy, SERVED.labels, tmp_path / "gone")
    with pytest.raises(VersionError, match=r"no adapter_config\.json"):
        ask(engine, ["good"], gone)
    assert np.isfinite(ask(engine, ["good"])).all()


def test_those_who_ask_one_text_after_another_stay_one_batch(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "GATHER", 3.0)
    held = Held(model, monkeypatch)

    def annotator(name: str) -> None:
        for number in range(3):
            ask(held.engine, [f"{name} {number}"])

    first = in_threads(partial(annotator, "a"))
    assert held.reading.wait(120)
    others = in_threads(*(partial(annotator, name) for name in "bcde"))
    until_waiting(held.engine, 4)
    held.go.set()
    for thread in [*first, *others]:
        thread.join(120)
    # the first is read alone, then waited for, and is one text before the others at the end
    assert [texts for texts, _ in held.batches] == [1, 5, 5, 4]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one priority")
def test_the_model_reads_at_the_same_priority_however_often_its_thread_has_died(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(model, monkeypatch)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    priorities: list[int] = []

    def fail(*asked: object) -> object:
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        held.reading.set()
        assert held.go.wait(120)
        return 1 / 0

    def question(version: str) -> None:
        with pytest.raises(ModelError, match="failed on these texts"):
            ask(held.engine, ["good"], replace(SERVED, version=version))

    monkeypatch.setattr(Llm, "answer", fail)
    first = in_threads(partial(question, "first"))
    assert held.reading.wait(120)
    others = in_threads(partial(question, "second"), partial(question, "third"))
    until_waiting(held.engine, 2)
    held.go.set()  # each thread that dies starts the next one, which inherits its priority
    for thread in [*first, *others]:
        thread.join(120)
    own = os.getpriority(os.PRIO_PROCESS, os.getpid())
    assert priorities == [min(19, own + local.NICE)] * 3


# trainings


def test_what_is_asked_during_a_training_waits_and_is_answered_afterwards(model: str) -> None:
    engine = Local(model, threads=1, device="cpu")
    right = ask(engine, ["good", "bad"])
    trains, go, order = threading.Event(), threading.Event(), []

    def run(base: Llm, adapters: Adapters) -> str:
        trains.set()
        assert go.wait(120)
        order.append("trained")
        return "what it returns"

    def question() -> None:
        order.append(ask(engine, ["good", "bad"]).tolist())

    returned: list[str] = []
    training = in_threads(lambda: returned.append(engine.train(run)))
    assert trains.wait(120)
    asking = in_threads(question)
    until_waiting(engine, 2)
    asking[0].join(0.2)
    assert asking[0].is_alive()
    go.set()
    for thread in (*training, *asking):
        thread.join(120)
    assert order == ["trained", right.tolist()]
    assert returned == ["what it returns"]


LESSON = (["a good one", "nice", "an awful one", "toxic"], np.array([1, 1, 0, 0]))
RECIPE = Recipe(epochs=4, batch_size=2, learning_rate=5e-3)


def taught(engine: Local, out: Path, on_step: Callable[[int, int, float], None]) -> bytes:
    """Train a lesson; return the bytes of what was learned."""
    out.mkdir()
    train(
        engine, SERVED.policy, SERVED.labels, *LESSON, np.array([0.5, 0.5]), RECIPE, out,
        on_step=on_step,
    )  # fmt: skip
    return (out / ADAPTER).read_bytes()


def test_between_two_steps_of_a_training_a_batch_is_read_and_the_lesson_is_the_same(
    model: str, tmp_path: Path
) -> None:
    alone = taught(Local(model, threads=1, device="cpu"), tmp_path / "alone", lambda *_: None)
    engine = Local(model, threads=1, device="cpu")
    before = Served("before", SERVED.policy, SERVED.labels, tmp_path / "alone")
    versions = [SERVED, before]
    right = [ask(engine, ["good"], version).tolist() for version in versions]
    order: list[str] = []
    answers: list[object] = []

    def question(version: Served) -> None:
        answers.append(ask(engine, ["good"], version).tolist())
        order.append("answer")

    def on_step(done: int, total: int, loss: float) -> None:
        if done in (3, 5):
            until(lambda: len(answers) == done // 2)
        order.append(f"step {done}")
        if done in (2, 4):  # a question to the base model, and one to another adapter
            in_threads(partial(question, versions[done // 2 - 1]))
            until_waiting(engine, 1)

    assert taught(engine, tmp_path / "between", on_step) == alone
    assert answers == right
    assert order == [
        "step 1", "step 2", "answer", "step 3", "step 4", "answer",
        "step 5", "step 6", "step 7", "step 8",
    ]  # fmt: skip


def test_a_training_that_fails_gives_the_model_back(model: str) -> None:
    engine = Local(model, threads=1, device="cpu")

    def fail(base: Llm, adapters: Adapters) -> None:
        raise ModelError("no longer a number")

    with pytest.raises(ModelError, match="no longer a number"):
        engine.train(fail)
    assert np.isfinite(ask(engine, ["good"])).all()
