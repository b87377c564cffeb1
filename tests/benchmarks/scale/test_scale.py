"""The steps of a round on a small made pool, in this process and in one of its own."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.choice import datasets
from benchmarks.scale import made
from benchmarks.scale.steps import run
from selection.cache import Cache
from selection.embed import folder_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts = tuple(f"{'how to do' if i % 5 == 0 else 'the report on'} thing {i}" for i in range(90))
    some = datasets.Data("some", texts, np.zeros(90, dtype=np.int64), ("news",), ("news",), "")

    class Set:
        def load(self, folder: Path, limit: int | None) -> datasets.Data:
            return some

    vectors = np.random.default_rng(0).normal(size=(90, 384)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setitem(made.SETS, "clickbait", Set())  # type: ignore[arg-type]
    monkeypatch.setattr(made, "embed", lambda *_, **__: vectors)
    monkeypatch.setattr(made, "PART", 700)
    return tmp_path


def test_a_made_pool_has_the_rows_that_were_asked_for_and_a_vector_for_each(home: Path) -> None:
    file = made.make(3_000, home, Path())
    texts = pq.read_table(file).column("text").to_pylist()
    assert len(texts) == len(set(texts)) == 3_000
    vectors = Cache(home / "vectors" / folder_of("offline")).get(texts)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3_000), abs=1e-5)
    like = (vectors @ vectors[0]).round(1)
    assert (like[::90] > 0.9).all(), "they are made of the same text"
    assert np.median(like) < 0.2


def test_the_steps_choose_a_whole_round_and_tell_seconds_and_memory_of_each(home: Path) -> None:
    steps, bought = run(made.make(3_000, home, Path()), home)
    names = ["start", "pool", "vectors", "beliefs", "choice"]
    assert list(steps.seconds) == list(steps.mebibytes) == names
    assert 50 < steps.mebibytes["start"] <= steps.mebibytes["choice"]
    assert len(bought) == len(set(bought)) == 84
    assert json.loads(json.dumps(vars(steps))) == vars(steps)
    assert run(home / "pool-3000.parquet", home)[1] == bought
