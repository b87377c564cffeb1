"""What peers buy and pay for; SetFit itself is asked only where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.loop import peers
from benchmarks.loop.peers import SetFit
from selection.errors import SettingError
from selection.types import Doubles, Ints
from tests.benchmarks.loop.stage import Stage, ground


class Words:
    """A SetFit that learns words, and is unsure of a text by its number."""

    taught: list[list[str]] = []

    def __init__(self, folder: Path, k: int) -> None:
        self.k = k

    def train(self, texts: list[str], labels: Ints, seed: int) -> None:
        Words.taught.append(texts)

    def read(self, texts: list[str]) -> Doubles:
        angry = np.array([0.99 if "red" in text else 0.01 for text in texts])
        unsure = np.array([text.split()[1].endswith("7") for text in texts])
        first = np.where(unsure, 0.5, angry)
        return np.stack([first, 1 - first], axis=1)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> type[Words]:
    monkeypatch.setattr(peers, "SetFit", Words)
    Words.taught = []
    return Words


def test_setfit_learns_from_four_of_five_random_texts(stage: Stage, words: type[Words]) -> None:
    result = stage.run("setfit")["systems"]["setfit"]

    assert [len(texts) for texts in words.taught] == [16, 32, 48]
    assert set(words.taught[0]) < set(words.taught[1]) < set(ground().texts)
    assert result["taught"] == 0.8
    assert result["intervals"] == 3


def test_small_text_buys_what_the_model_doubts(stage: Stage, words: type[Words]) -> None:
    stage.run("small-text", axis=(50, 60))

    first, second = words.taught
    bought = [text for text in second if text not in first]
    assert (len(first), len(bought)) == (40, 8)
    assert all(text.split()[1].endswith("7") for text in bought)


def test_before_two_labels_are_known_a_peer_answers_the_rule(
    stage: Stage, words: type[Words], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*given: Any) -> Any:
        raise AssertionError("it is not trained on one label")

    monkeypatch.setattr(Words, "train", nobody)
    stage.run("setfit", axis=(2,))

    assert [line.kappa for line in stage.lines("setfit", budget=2)] == [0.0, 0.0]


def test_a_peer_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(peers, "import_module", missing)
    with pytest.raises(SettingError, match="setfit"):
        SetFit(tmp_path / "one", 2).train(["a", "b"], np.array([0, 1]), 0)


@pytest.mark.filterwarnings("ignore")  # those of setfit and datasets are not ours
def test_setfit_trains_keeps_and_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("setfit", reason="setfit is not installed")
    monkeypatch.setattr(peers, "PAIRS", 1)
    texts = [f"{'a furious, red hot' if i % 2 else 'a calm and cool'} text {i}" for i in range(16)]
    made = SetFit(tmp_path / "setfit-16", 3)

    made.train(texts, np.arange(16) % 2 + 1, seed=0)
    again = SetFit(tmp_path / "setfit-16", 3)
    again.train(["never"], np.array([0]), seed=0)

    found = again.read(["red hot", "calm"])
    assert found == pytest.approx(made.read(["red hot", "calm"]), abs=1e-5)
    assert found.argmax(axis=1).tolist() == [2, 1]
    assert found[:, 0].tolist() == [0.0, 0.0], "a label without examples has no belief"
