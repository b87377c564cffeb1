import threading
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.prompt import build
from backend.engine.protocol import OnBatch, T
from backend.engine.scorer import NEUTRAL, Scorer
from backend.engine.served import Served
from backend.recipe import Recipe
from backend.train import train
from selection.errors import ModelError, VersionError
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

POLICY = "Is it mean?"
LABELS = ("harsh", "fine")
TEXTS = [
    "good good", "so bad", "one awful long text with more words than the others have", "",
    "nice", "mean and bad", "Text: fine\n\nAnswer:", "<|im_end|>", "bad", "a" * 90,
]  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def scorer(model: str) -> Scorer:
    return Scorer(Local(model, threads=1, device="cpu"))


@pytest.fixture(scope="module")
def prompted() -> Served:
    return Served("base", POLICY, LABELS, None)


@pytest.fixture(scope="module")
def adapters(model: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four adapters, each trained with another seed."""
    made = [tmp_path_factory.mktemp("adapter") for _ in range(4)]
    texts, targets = ["bad", "good", "awful", "nice"], np.array([0, 1, 0, 1])
    prior = np.array([0.5, 0.5])
    engine = Local(model, threads=1, device="cpu")
    for seed, out in enumerate(made):
        recipe = Recipe(epochs=2, learning_rate=3e-3, seed=seed)
        train(engine, POLICY, LABELS, texts, targets, prior, recipe, out)
    return made


def tuned(adapter: Path, offsets: tuple[float, ...] = ()) -> Served:
    return Served(f"{adapter.name} {offsets}", POLICY, LABELS, adapter, offsets)


def log_odds(model: str, texts: list[str]) -> np.ndarray:
    """(n,) by the plain way: the whole prompt, one text at a time, the whole vocabulary."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    causal = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    prompt = build(tokenizer, POLICY, LABELS)
    found = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        with torch.no_grad():
            logits = causal(torch.tensor([[*prompt.prefix, *ids, *prompt.suffix]])).logits[0, -1]
        found.append(float(logits[prompt.answers[0]] - logits[prompt.answers[1]]))
    return np.array(found)


def test_the_prompted_model_answers_as_a_plain_forward_pass_does_up_to_its_bias(
    model: str, scorer: Scorer, prompted: Served
) -> None:
    p = scorer.score(prompted, TEXTS).astype(float)
    # Removing a bias moves all log-odds by one number.
    shift = np.log(p[:, 0] / p[:, 1]) - log_odds(model, TEXTS)
    assert shift == pytest.approx(np.full(len(TEXTS), shift[0]), abs=1e-4)


def test_calibration_splits_neutral_texts_to_both_sides(scorer: Scorer, prompted: Served) -> None:
    p = scorer.score(prompted, NEUTRAL)
    assert 3 <= int((p[:, 0] > 0.5).sum()) <= 9


def test_rows_sum_to_one_and_keep_the_order_of_the_texts(scorer: Scorer, prompted: Served) -> None:
    p = scorer.score(prompted, TEXTS)
    assert p.sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    order = [3, 0, 3, 9, 1]
    assert np.array_equal(scorer.score(prompted, [TEXTS[i] for i in order]), p[order])


def test_an_answer_does_not_depend_on_the_texts_beside_it(model: str, prompted: Served) -> None:
    together = Scorer(Local(model, threads=1, device="cpu")).score(prompted, TEXTS)
    alone = Scorer(Local(model, threads=1, device="cpu", batch_tokens=1))
    done: list[tuple[int, int]] = []
    apart = alone.score(prompted, TEXTS, on_progress=lambda now, all_: done.append((now, all_)))
    assert apart == pytest.approx(together, abs=1e-5)
    assert done == [(i, len(TEXTS)) for i in range(1, len(TEXTS) + 1)]


def test_offsets_are_added_to_the_logits(scorer: Scorer, adapters: list[Path]) -> None:
    p = scorer.score(tuned(adapters[0]), TEXTS).astype(float)
    moved = scorer.score(tuned(adapters[0], (1.5, -0.5)), TEXTS).astype(float)
    odds = np.log(moved[:, 0] / moved[:, 1]) - np.log(p[:, 0] / p[:, 1])
    assert odds == pytest.approx(np.full(len(TEXTS), 2.0), abs=1e-3)


def test_versions_swap_without_a_trace_even_when_adapters_are_evicted(
    model: str, prompted: Served, adapters: list[Path]
) -> None:
    versions = [prompted, *map(tuned, adapters)]  # one more than are kept
    fresh = [Scorer(Local(model, threads=1, device="cpu")).score(v, TEXTS) for v in versions]
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(fresh, fresh[1:], strict=False))
    swapping = Scorer(Local(model, threads=1, device="cpu"))
    for text, k in ((text, k) for text in TEXTS for k in range(5)):
        row = swapping.score(versions[k], [text])[0]
        assert row == pytest.approx(fresh[k][TEXTS.index(text)], abs=1e-5)


def test_threads_with_different_versions_get_what_they_asked_for(
    scorer: Scorer, model: str, prompted: Served, adapters: list[Path]
) -> None:
    versions = [prompted, tuned(adapters[0]), tuned(adapters[1])]
    right = [scorer.score(v, TEXTS) for v in versions]
    shared = Scorer(Local(model, threads=1, device="cpu", batch_tokens=64))
    got: dict[int, np.ndarray] = {}

    def ask(k: int) -> None:
        got[k] = shared.score(versions[k], TEXTS)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(3):
        assert got[k] == pytest.approx(right[k], abs=1e-5)


def test_a_small_request_gets_between_the_batches_of_a_bulk_one(
    model: str, prompted: Served
) -> None:
    scorer = Scorer(Local(model, threads=1, device="cpu", batch_tokens=1))
    texts = [f"text {i}" for i in range(400)]
    started, order = threading.Event(), []

    def bulk() -> None:
        scorer.score(prompted, texts, on_progress=lambda done, _: started.set())
        order.append("bulk")

    thread = threading.Thread(target=bulk)
    thread.start()
    started.wait()
    scorer.score(prompted, ["small"])
    order.append("small")
    thread.join()
    assert order == ["small", "bulk"]


def test_no_texts_give_no_rows(scorer: Scorer, prompted: Served) -> None:
    assert scorer.score(prompted, []).shape == (0, 2)


def test_a_damaged_version_is_refused_and_the_others_still_answer(
    model: str, prompted: Served, adapters: list[Path], tmp_path: Path
) -> None:
    scorer = Scorer(Local(model, threads=1, device="cpu"))
    before = scorer.score(prompted, ["bad"])
    with pytest.raises(VersionError, match=r"has no adapter_config\.json"):
        scorer.score(tuned(tmp_path / "gone"), ["bad"])
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in adapters[0].iterdir():
        (cut / file.name).write_bytes(file.read_bytes()[:300])
    with pytest.raises(VersionError, match="is damaged"):
        scorer.score(tuned(cut), ["bad"])
    other = tmp_path / "other"
    other.mkdir()
    wide = tiny_model(tmp_path / "wide", hidden=64)
    texts, prior = ["bad", "good"], np.array([0.5, 0.5])
    engine = Local(wide, threads=1, device="cpu")
    train(engine, POLICY, LABELS, texts, np.array([0, 1]), prior, Recipe(epochs=1), other)
    with pytest.raises(VersionError, match="made for another base model"):
        scorer.score(tuned(other), ["bad"])
    kept = Scorer(Local(model, threads=1, device="cpu")).score(tuned(adapters[0]), TEXTS)
    assert scorer.score(tuned(adapters[0]), TEXTS) == pytest.approx(kept, abs=1e-5)
    assert scorer.score(prompted, ["bad", "so bad"])[:1] == pytest.approx(before, abs=1e-5)


def test_a_model_that_is_not_there_is_named(tmp_path: Path, prompted: Served) -> None:
    with pytest.raises(ModelError, match="gone.*cannot be loaded"):
        Scorer(Local(str(tmp_path / "gone"))).score(prompted, ["bad"])


def test_a_policy_longer_than_the_model_reads_is_refused(scorer: Scorer) -> None:
    with pytest.raises(ModelError, match="Shorten the policy"):
        scorer.score(Served("long", "word " * 500, LABELS, None), ["bad"])


class Counting:
    """An engine that says 1 and 0 for every text, and holds each question until it is let go."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.go = threading.Event()
        self.asked = threading.Event()
        self.fails = 0

    @property
    def waiting(self) -> int:
        return len(self.read)

    def train(self, run: Callable[[Llm, Adapters], T]) -> T:
        raise NotImplementedError

    def answer(self, served: Served, texts: Sequence[str], on_batch: OnBatch) -> None:
        if served.adapter is None:  # calibration
            on_batch(range(len(texts)), np.zeros((len(texts), 2)))
            return
        self.read += texts
        self.asked.set()
        assert self.go.wait(120)
        if self.fails:
            self.fails -= 1
            raise ModelError("no")
        on_batch(range(len(texts)), np.tile([1.0, 0.0], (len(texts), 1)))


def test_a_text_on_its_way_for_another_thread_is_not_read_twice() -> None:
    engine = Counting()
    scorer = Scorer(engine)
    served = tuned(Path("v1"))
    rows: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda t=t: rows.append(scorer.score(served, t)))
        for t in (["a", "b"], ["b", "c"], ["b", "b", "a"])
    ]
    threads[0].start()
    assert engine.asked.wait(120)
    for thread in threads[1:]:
        thread.start()
    engine.go.set()
    for thread in threads:
        thread.join(120)
    assert sorted(engine.read) == ["a", "b", "c"]
    assert sorted(row.shape for row in rows) == [(2, 2), (2, 2), (3, 2)]


def test_what_another_thread_failed_to_read_is_read_anew() -> None:
    engine = Counting()
    engine.fails = 1
    scorer = Scorer(engine)
    served = tuned(Path("v1"))
    failed: list[ModelError] = []

    def first() -> None:
        with pytest.raises(ModelError) as raised:
            scorer.score(served, ["a"])
        failed.append(raised.value)

    thread = threading.Thread(target=first)
    thread.start()
    assert engine.asked.wait(120)
    rows: list[np.ndarray] = []
    other = threading.Thread(target=lambda: rows.append(scorer.score(served, ["a"])))
    other.start()
    engine.go.set()
    thread.join(120)
    other.join(120)
    assert len(failed) == 1
    assert engine.read == ["a", "a"]
    assert rows[0][0] == pytest.approx([0.7311, 0.2689], abs=1e-4)


def test_the_answers_that_are_remembered_are_bounded_and_the_oldest_go_first() -> None:
    engine = Counting()
    engine.go.set()
    scorer = Scorer(engine, answers=2)
    served = tuned(Path("v1"))
    for text in ("a", "b", "a", "c", "a", "b"):
        scorer.score(served, [text])
    assert engine.read == ["a", "b", "c", "b"]


def test_a_scorer_that_remembers_nothing_reads_every_time() -> None:
    engine = Counting()
    engine.go.set()
    scorer = Scorer(engine, answers=0)
    served = tuned(Path("v1"))
    rows = [scorer.score(served, ["a", "a", "b"]) for _ in range(2)]
    assert engine.read == ["a", "b", "a", "b"]
    assert rows[0].tolist() == rows[1].tolist()


def test_an_answer_that_is_remembered_keeps_no_copy_of_the_policy() -> None:
    engine = Counting()
    engine.go.set()
    scorer = Scorer(engine)
    many = 500

    def ask(number: int) -> None:  # as each request does, which reads the policy from disk
        policy = "x" * 4_000 + str(number)
        scorer.score(Served("7/round1-a", policy[:4_000], LABELS, Path("v1")), [f"text {number}"])

    ask(many)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(many):
            ask(number)
        kept = (tracemalloc.get_traced_memory()[0] - before) / many
    finally:
        tracemalloc.stop()
    assert kept < 1_000  # bytes an answer; the text itself is in engine.read
    ask(0)
    assert len(engine.read) == many + 1


def test_two_versions_that_are_asked_the_same_text_are_both_read() -> None:
    engine = Counting()
    engine.go.set()
    scorer = Scorer(engine)
    for version in ("7/a", "7/b", "7/a"):
        scorer.score(Served(version, POLICY, LABELS, Path("v1")), ["a"])
    assert engine.read == ["a", "a"]
