"""Texts that are read again while the upper layers change. The model is real, of random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig

from backend.engine import llm, reader
from backend.engine.adapters import Adapters
from backend.engine.llm import Asked, Llm
from backend.engine.local import Local
from backend.engine.reader import Reader
from backend.engine.served import Served
from backend.engine.stream.below import Below
from backend.engine.stream.reader import StreamReader
from backend.recipe import Recipe
from backend.train import train
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TEXTS = [[7, 8, 9], [10], [11] * 20]
STATE = 4 * 32  # bytes of a token: float32, as wide as the model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def base(model: str) -> Llm:
    return llm.load(model, "cpu")


@pytest.fixture
def below(base: Llm, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Lengths of the texts of each pass through the lower layers alone, without the suffix."""
    return watched(monkeypatch, len(ask(base).prompt.suffix))


def watched(monkeypatch: pytest.MonkeyPatch, suffix: int) -> list[list[int]]:
    passes: list[list[int]] = []
    usual = StreamReader.below

    def below(stream: StreamReader, *args: object) -> Below:
        rows = args[3]
        assert isinstance(rows, list)
        passes.append([len(row) - suffix for row in rows])
        return usual(stream, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(StreamReader, "below", below)
    return passes


def ask(base: Llm, policy: str = "Is it mean?") -> Asked:
    return base.ask(policy, ("harsh", "fine"), 64)


def test_a_text_is_read_by_the_lower_layers_once_and_answered_by_the_upper_ones_as_they_are(
    base: Llm, below: list[list[int]]
) -> None:
    asked, reads = ask(base), Reader(base)
    for scale in (1.0, 3.0):
        base.causal.base_model.layers[2].mlp.up_proj.weight.mul_(scale)
        torch.testing.assert_close(reads.answer(asked, TEXTS, 2), base.answer(asked, TEXTS))
    assert below == [[3, 1, 20]]
    mixed = [TEXTS[2], [12, 13], TEXTS[0], [12, 13]]
    torch.testing.assert_close(reads.answer(asked, mixed, 2), base.answer(asked, mixed))
    assert below == [[3, 1, 20], [2]]


def test_another_policy_and_another_number_of_layers_are_other_states(
    base: Llm, below: list[list[int]]
) -> None:
    reads = Reader(base)
    for policy in ("Is it mean?", "Is it clickbait?", "Is it mean?"):
        for layers in (1, 2):
            asked = ask(base, policy)
            found = reads.answer(asked, TEXTS, layers)
            torch.testing.assert_close(found, base.answer(asked, TEXTS))
    assert below == [[3, 1, 20]] * 4


def test_what_was_asked_long_ago_gives_way_and_what_finds_no_room_is_read_each_time(
    base: Llm, below: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    mean, clickbait = ask(base), ask(base, "Is it clickbait?")
    suffix = len(mean.prompt.suffix)
    monkeypatch.setattr(reader, "ROOM", STATE * (3 + 1 + 20 + 3 * suffix))
    reads = Reader(base)
    reads.answer(mean, TEXTS, 2)
    reads.answer(mean, [[5, 5]], 2)  # no room is left beside what was read of this policy
    reads.answer(mean, [*TEXTS, [5, 5]], 2)
    assert below == [[3, 1, 20], [2], [2]]
    reads.answer(clickbait, TEXTS, 2)
    reads.answer(clickbait, TEXTS, 2)
    assert below[3:] == [[3, 1, 20]]
    reads.answer(mean, TEXTS[:1], 2)
    assert below[4:] == [[3]]


def test_versions_that_an_engine_serves_share_the_readings_of_the_layers_below(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Local(model, threads=1, device="cpu")
    texts = ["a bad one", "a good one"]
    versions = [Served("base", "Is it mean?", ("harsh", "fine"), None)]
    for seed in (1, 2):
        out = tmp_path / str(seed)
        out.mkdir()
        recipe = Recipe(epochs=2, learning_rate=5e-3, seed=seed)
        targets, prior = np.array([0, 1]), np.array([0.5, 0.5])
        train(engine, "Is it mean?", ("harsh", "fine"), texts, targets, prior, recipe, out)
        versions.append(Served(str(seed), "Is it mean?", ("harsh", "fine"), out))
    found = []
    passes = watched(monkeypatch, 0)
    for served in versions:
        engine.answer(served, texts, lambda _, logits: found.append(logits))
    assert [len(rows) for rows in passes] == [2]

    monkeypatch.setattr(reader, "ROOM", 0)
    alone = Local(model, threads=1, device="cpu")
    for served, kept in zip(versions, found, strict=True):
        whole: list[object] = []
        alone.answer(served, texts, lambda _, logits, all=whole: all.append(logits))
        np.testing.assert_allclose(kept, whole[0], atol=1e-5)
    assert not np.allclose(found[0], found[1]) and not np.allclose(found[1], found[2])


@pytest.mark.parametrize(
    "options, unchanged",
    [
        ({"layers_to_transform": [2]}, 2),
        ({"layers_to_transform": [1, 2]}, 1),
        ({"layers_to_transform": [1, 2], "modules_to_save": ["norm"]}, 0),
        ({}, 0),
    ],
)
def test_an_adapter_says_how_many_layers_it_leaves_unchanged(
    base: Llm, options: dict[str, object], unchanged: int
) -> None:
    adapters = Adapters(base.causal)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["up_proj"], **options)  # type: ignore[arg-type]
    with adapters.fresh(config, 0) as fresh:
        assert fresh.unchanged == unchanged
    with adapters.use(None) as below_new_ones:
        assert below_new_ones == 1  # of three
