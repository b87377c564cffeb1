import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.config import BackendSettings
from backend.engine import reader
from backend.engine.adapters import Adapters
from backend.engine.llm import Llm
from backend.engine.local import Local
from backend.engine.scorer import Scorer, make_scorer
from backend.engine.served import Served
from backend.engine.stream.below import NOTHING_BELOW, Below
from backend.engine.stream.reader import StreamReader
from backend.recipe import Recipe
from backend.train import Trained, class_weights, prior_offsets, train
from selection.errors import ModelError
from tests.backend.engine.tiny_model import tiny_model

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

POLICY = "Is it mean?"
LABELS = ("harsh", "fine", "toxic")
BAD = [f"{a} {b}" for a in ("bad", "awful") for b in ("one", "kind", "of a letter", "text")]
GOOD = [f"{a} {b}" for a in ("good", "nice") for b in ("one", "kind", "of a letter", "text")]
TEXTS = BAD + GOOD
TARGETS = np.array([0] * len(BAD) + [1] * len(GOOD))
PRIOR = np.array([0.2, 0.7, 0.1])
FAST = Recipe(epochs=6, learning_rate=5e-3, batch_size=4, smoothing=0.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def engine(model: str) -> Local:
    return Local(model, threads=1, device="cpu")


def trained(engine: Local | Scorer, out: Path, recipe: Recipe = FAST) -> Trained:
    return train(engine, POLICY, LABELS, TEXTS, TARGETS, PRIOR, recipe, out)


def written(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.iterdir()}


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_a_trained_adapter_answers_as_its_examples_do(engine: Local, tmp_path: Path) -> None:
    steps: list[tuple[int, int, float]] = []
    found = train(
        *(engine, POLICY, LABELS, TEXTS, TARGETS, PRIOR, FAST, tmp_path),
        on_step=lambda *step: steps.append(step),
    )
    assert found.steps == 24
    assert [(done, total) for done, total, _ in steps] == [(n, 24) for n in range(1, 25)]
    assert found.loss == pytest.approx(np.mean([loss for _, _, loss in steps[-4:]]))
    assert found.loss < 0.3 < steps[0][2]
    served = Served("v", POLICY, LABELS, tmp_path)
    answers = Scorer(engine).score(served, TEXTS).argmax(axis=1)
    assert answers.tolist() == TARGETS.tolist()


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(
    model: str, tmp_path: Path
) -> None:
    bytes_of = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = folder(tmp_path, name)
        trained(Local(model, threads=1, device="cpu"), out, Recipe(epochs=1, seed=seed))
        bytes_of[name] = written(out)
    assert set(bytes_of["a"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert bytes_of["a"] == bytes_of["b"]
    weights = "adapter_model.safetensors"
    assert bytes_of["a"][weights] != bytes_of["c"][weights]
    assert model.encode() not in bytes_of["a"]["adapter_config.json"]


def test_what_an_engine_has_read_and_trained_before_changes_no_byte(
    model: str, engine: Local, tmp_path: Path
) -> None:
    first, second, again = (folder(tmp_path, name) for name in ("first", "second", "again"))
    fresh = Local(model, threads=1, device="cpu")
    trained(fresh, first)
    scorer = Scorer(engine, answers=0)
    scorer.score(Served("base", POLICY, LABELS, None), TEXTS)
    scorer.score(Served("first", POLICY, LABELS, first), TEXTS)
    trained(engine, second, Recipe(epochs=1, seed=3, rank=4))
    scorer.score(Served("second", POLICY, LABELS, second), TEXTS)
    trained(engine, again)
    assert written(again) == written(first)


def test_only_the_upper_layers_learn_and_those_below_read_a_text_once(
    engine: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    usual = StreamReader.below

    def below(reader: StreamReader, *args: Any) -> Below:
        passes.append(len(args[3]))
        return usual(reader, *args)

    monkeypatch.setattr(StreamReader, "below", below)
    kept, whole = folder(tmp_path, "kept"), folder(tmp_path, "whole")
    engine.train(lambda base, adapters: passes.clear())  # loading tries out a few texts
    trained(engine, kept)
    assert sum(passes) == len(TEXTS)  # of six epochs
    found = load_file(kept / "adapter_model.safetensors")
    assert {name.split(".layers.")[1][0] for name in found} == {"1", "2"}  # of three

    monkeypatch.setattr(StreamReader, "below", lambda *_: NOTHING_BELOW)
    trained(engine, whole)
    for name, weights in load_file(whole / "adapter_model.safetensors").items():
        torch.testing.assert_close(found[name], weights, rtol=1e-3, atol=1e-4)


def test_texts_beyond_the_room_for_kept_states_are_read_whole_each_time(
    engine: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, none = folder(tmp_path, "kept"), folder(tmp_path, "none")
    trained(engine, kept)
    monkeypatch.setattr(reader, "ROOM", 0)
    trained(engine, none)
    found = load_file(kept / "adapter_model.safetensors")
    for name, weights in load_file(none / "adapter_model.safetensors").items():
        torch.testing.assert_close(found[name], weights, rtol=1e-3, atol=1e-4)


class ShortOfMemory:
    """A device whose memory holds the gradients of so many texts."""

    def __init__(self, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passes: list[int] = []
        usual = reader.Reader.answer

        def answer(reads: reader.Reader, asked: Any, texts: list[Any], layers: int) -> torch.Tensor:
            self.passes.append(len(texts))
            if len(texts) > most:
                raise torch.OutOfMemoryError
            return usual(reads, asked, texts, layers)

        monkeypatch.setattr(reader.Reader, "answer", answer)


def test_a_training_goes_on_with_smaller_passes_where_memory_is_short(
    engine: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole, parts = folder(tmp_path, "whole"), folder(tmp_path, "parts")
    trained(engine, whole)
    short = ShortOfMemory(1, monkeypatch)
    trained(engine, parts)
    assert short.passes[:3] == [4, 2, 1] and set(short.passes[2:]) == {1}
    told = [record.getMessage() for record in caplog.records]
    assert [line for line in told if "passes" in line] == [
        "training goes on with passes of 64 tokens: memory is short",
        "training goes on with passes of 32 tokens: memory is short",
    ]
    found = load_file(parts / "adapter_model.safetensors")
    for name, weights in load_file(whole / "adapter_model.safetensors").items():
        torch.testing.assert_close(found[name], weights, rtol=1e-3, atol=1e-4)


def test_a_training_that_finds_no_memory_for_one_text_says_so(
    engine: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ShortOfMemory(0, monkeypatch)
    with pytest.raises(ModelError, match="The memory of cpu is too small to learn from a text of"):
        trained(engine, tmp_path)


def test_served_answers_are_the_same_before_and_after_a_training(
    engine: Local, tmp_path: Path
) -> None:
    one, two = folder(tmp_path, "one"), folder(tmp_path, "two")
    trained(engine, one)
    scorer = Scorer(engine, answers=0)
    versions = [Served("base", POLICY, LABELS, None), Served("one", POLICY, LABELS, one)]
    before = [scorer.score(version, TEXTS).tolist() for version in versions]
    trained(engine, two, Recipe(epochs=1, seed=3))
    assert [scorer.score(version, TEXTS).tolist() for version in versions] == before


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_training_computes_in_the_numbers_of_the_settings(
    model: str, tmp_path: Path, dtype: str
) -> None:
    scorer = make_scorer(BackendSettings(home=tmp_path, llm=model, threads=1, dtype=dtype))
    used: list[torch.dtype] = []

    def dtype_of(base: Llm, adapters: Adapters) -> None:
        used.append(base.causal.dtype)

    scorer.train(dtype_of)
    found = trained(scorer, folder(tmp_path, "out"))
    assert used == [getattr(torch, dtype)]
    assert found.loss < 0.3


def test_training_leaves_the_global_generator_alone(engine: Local, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    trained(engine, tmp_path, Recipe(max_steps=1, least_epochs=0))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_steps_are_bounded(engine: Local, tmp_path: Path) -> None:
    few = Recipe(epochs=50, batch_size=4, max_steps=5, least_epochs=1)
    assert trained(engine, tmp_path, few).steps == 5


def test_weights_are_inverse_to_frequency_and_bounded() -> None:
    counts = np.array([60, 30, 2, 0])
    assert class_weights(counts, 10.0).tolist() == [1.0, 2.0, 10.0, 10.0]
    assert class_weights(counts, 1.0).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_offsets_bring_the_balance_of_the_pool_back() -> None:
    # A model that answers with the balance it saw must answer with the pool's afterwards.
    seen, prior = np.array([40.0, 60.0]), np.array([0.13, 0.87])
    logits = np.log(seen / 100) + prior_offsets(prior, seen)
    assert np.exp(logits) / np.exp(logits).sum() == pytest.approx(prior)


def test_the_offset_of_a_label_without_examples_is_finite() -> None:
    offsets = prior_offsets(np.array([0.5, 0.5, 0.0]), np.array([10.0, 10.0, 0.0]))
    assert offsets[2] == 0.0
    assert all(math.isfinite(x) for x in prior_offsets(np.array([0.0, 1.0]), np.array([3.0, 1.0])))


@pytest.mark.parametrize("targets", [[], [1, 1, 1]])
def test_examples_of_fewer_than_two_labels_are_refused(
    engine: Local, tmp_path: Path, targets: list[int]
) -> None:
    texts = TEXTS[: len(targets)]
    with pytest.raises(ModelError, match="at least two labels.*of 'fine'"):
        train(engine, POLICY, LABELS, texts, np.array(targets, int), PRIOR, FAST, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_says_what_to_change_and_leaves_nothing(
    engine: Local, tmp_path: Path
) -> None:
    base = Served("base", POLICY, LABELS, None)
    before = Scorer(engine).score(base, TEXTS).tolist()
    wild = Recipe(learning_rate=1e30, epochs=4, clip=1e30)
    with pytest.raises(
        ModelError, match=r"no longer a number.*learning rate below 1e\+30.*CRUX_DTYPE=float32"
    ):
        trained(engine, tmp_path, wild)
    assert list(tmp_path.iterdir()) == []
    assert Scorer(engine).score(base, TEXTS).tolist() == before


def test_a_recipe_is_written_out_whole() -> None:
    assert (
        Recipe(rank=4, seed=7).as_json() | {"rank": 4, "seed": 7}
        == Recipe(rank=4, seed=7).as_json()
    )
    assert set(Recipe().as_json()) == set(Recipe.__dataclass_fields__)


@pytest.mark.parametrize(
    ("examples", "steps"), [(7, 6), (64, 48), (152, 114), (192, 115), (230, 116), (395, 200)]
)
def test_few_examples_are_read_six_times_and_many_at_least_four(examples: int, steps: int) -> None:
    assert Recipe().steps(examples) == steps
