import math
from pathlib import Path

import numpy as np
import pytest

from backend.engine.local import Local
from backend.engine.scorer import Scorer
from backend.engine.served import Served
from backend.train import Recipe, class_weights, prior_offsets, train
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


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_a_trained_adapter_answers_as_its_examples_do(model: str, tmp_path: Path) -> None:
    done: list[tuple[int, int, float]] = []
    trained = train(
        *(model, POLICY, LABELS, TEXTS, TARGETS, PRIOR, FAST, tmp_path),
        threads=1,
        progress=lambda *step: done.append(step),
    )
    assert trained.steps == 24
    assert [step for step, _, _ in done] == list(range(1, 25))
    assert trained.loss == pytest.approx(np.mean([loss for _, _, loss in done[-4:]]))
    assert trained.loss < 0.3 < done[0][2]
    served = Served("v", POLICY, LABELS, tmp_path)
    answers = Scorer(Local(model, threads=1)).score(served, TEXTS).argmax(axis=1)
    assert answers.tolist() == TARGETS.tolist()


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(
    model: str, tmp_path: Path
) -> None:
    written = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = folder(tmp_path, name)
        recipe = Recipe(epochs=1, seed=seed)
        train(model, POLICY, LABELS, TEXTS, TARGETS, PRIOR, recipe, out, threads=1)
        written.append({file.name: file.read_bytes() for file in out.iterdir()})
    assert set(written[0]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert written[0] == written[1]
    weights = "adapter_model.safetensors"
    assert written[0][weights] != written[2][weights]
    assert model.encode() not in written[0]["adapter_config.json"]


def test_training_leaves_the_global_generator_alone(model: str, tmp_path: Path) -> None:
    import torch

    before = torch.get_rng_state()
    recipe = Recipe(max_steps=1)
    train(model, POLICY, LABELS, TEXTS, TARGETS, PRIOR, recipe, tmp_path, threads=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_steps_are_bounded(model: str, tmp_path: Path) -> None:
    recipe = Recipe(epochs=50, batch_size=4, max_steps=5)
    out = train(model, POLICY, LABELS, TEXTS, TARGETS, PRIOR, recipe, tmp_path, threads=1)
    assert out.steps == 5


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
    model: str, tmp_path: Path, targets: list[int]
) -> None:
    texts = TEXTS[: len(targets)]
    with pytest.raises(ModelError, match="at least two labels.*of 'fine'"):
        train(model, POLICY, LABELS, texts, np.array(targets, int), PRIOR, FAST, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_says_what_to_change(model: str, tmp_path: Path) -> None:
    wild = Recipe(learning_rate=1e30, epochs=4, clip=1e30)
    with pytest.raises(ModelError, match=r"no longer a number.*learning rate below 1e\+30"):
        train(model, POLICY, LABELS, TEXTS, TARGETS, PRIOR, wild, tmp_path, threads=1)
    assert list(tmp_path.iterdir()) == []


def test_a_recipe_is_written_out_whole() -> None:
    assert (
        Recipe(rank=4, seed=7).as_json() | {"rank": 4, "seed": 7}
        == Recipe(rank=4, seed=7).as_json()
    )
    assert set(Recipe().as_json()) == set(Recipe.__dataclass_fields__)
