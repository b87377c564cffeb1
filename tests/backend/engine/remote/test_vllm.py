"""Against a real vLLM on the CPU: prompted and trained versions, and what it refuses.

One server for all, with the offline model in float32. An adapter there changes how the whole prompt
is read, so the oracle is peft on the whole prompt, without a cache.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import httpx
import numpy as np
import pytest
import torch

from backend.engine import llm, prompt
from backend.engine.adapters import Adapters
from backend.engine.llm import Asked, Llm
from backend.engine.local import Local
from backend.engine.remote.adapters import KEPT
from backend.engine.served import Served
from backend.recipe import Recipe
from backend.train import train
from benchmarks.serving.vllm_server import VllmServer
from demo.question import LABELS, policy
from demo.ratings import load
from selection.errors import ModelError, VersionError
from selection.types import Doubles
from tests.backend.engine.ask import KEY, SERVED, logits, remote

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

ALIKE = 1e-3  # of log-odds that are around 1; 2e-5 was measured
TEXTS = [rated.text for rated in load("products")[:12]]


@dataclass(frozen=True)
class Trained:
    """home: holds the folders of versions. versions: names."""

    home: Path
    versions: tuple[str, ...]

    def served(self, version: str) -> Served:
        return Served(f"7/{version}", policy("products"), LABELS, self.home / version)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, model: str) -> Trained:
    """Two versions of eight labels each, the second one's the other way round."""
    home = tmp_path_factory.mktemp("home")
    texts = [rated.text for rated in load("products")[100:108]]
    engine = Local(model, device="cpu")
    for version, first in (("round0-a", 0), ("round1-b", 1)):
        (home / version).mkdir()
        targets = (np.arange(len(texts)) + first) % 2
        recipe = Recipe(epochs=6, batch_size=4)
        prior = np.array([0.5, 0.5])
        train(engine, policy("products"), LABELS, texts, targets, prior, recipe, home / version)
    return Trained(home, ("round0-a", "round1-b"))


@dataclass(frozen=True)
class Peft:
    """The same model here."""

    base: Llm
    adapters: Adapters

    def logits(self, served: Served, texts: Sequence[str]) -> Doubles:
        """(n, k) after the whole prompts, each row less its mean."""
        asked = Asked(prompt.build(self.base.tokenizer, served.policy, served.labels), None)
        ids = prompt.encode(self.base.tokenizer, texts, 256)
        with torch.inference_mode(), self.adapters.use(served.adapter):
            found = self.base.answer(asked, ids).numpy().astype(np.float64)
        return np.asarray(found - found.mean(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def peft(model: str) -> Peft:
    base = llm.load(model, device="cpu")
    return Peft(base, Adapters(base.causal))


def loaded(vllm: VllmServer) -> dict[str, str]:
    """Name -> folder of the adapters that the server has, by its own account."""
    headers = {"Authorization": f"Bearer {KEY}"}
    cards = httpx.get(f"{vllm.url}/v1/models", headers=headers).json()["data"]
    return {card["id"]: card["root"] for card in cards if card["parent"]}


# what it says is what the model says


def test_on_product_reviews_vllm_gives_the_prompted_models_answers(
    vllm: VllmServer, model: str, peft: Peft
) -> None:
    here = peft.logits(SERVED, TEXTS)
    there = logits(remote(vllm.url, model), SERVED, TEXTS)
    assert there == pytest.approx(here, abs=ALIKE)
    assert float(np.ptp(here[:, 0])) > 0.1  # the texts are not all alike to it


def test_as_many_labels_as_letters_are_answered(vllm: VllmServer, model: str, peft: Peft) -> None:
    served = Served("many", "What is it?", tuple(f"kind {i}" for i in range(26)), None)
    there = logits(remote(vllm.url, model), served, TEXTS[:3])
    assert there == pytest.approx(peft.logits(served, TEXTS[:3]), abs=ALIKE)


def test_trained_versions_are_loaded_by_its_api_and_read_as_peft_reads_them(
    vllm: VllmServer, model: str, peft: Peft, trained: Trained
) -> None:
    engine = remote(vllm.url, model)
    for version in trained.versions:
        served = trained.served(version)
        here = peft.logits(served, TEXTS)
        assert logits(engine, served, TEXTS) == pytest.approx(here, abs=ALIKE)
        assert float(np.abs(here - peft.logits(SERVED, TEXTS)).mean()) > 0.1
        assert loaded(vllm)[f"7-{version}"] == str(trained.home / version)


def test_versions_asked_at_once_do_not_mix(
    vllm: VllmServer, model: str, peft: Peft, trained: Trained
) -> None:
    engine = remote(vllm.url, model)
    asked = [SERVED, *(trained.served(version) for version in trained.versions)]
    right = [peft.logits(served, TEXTS[:4]) for served in asked]
    got: dict[int, Doubles] = {}

    def ask(caller: int) -> None:
        got[caller] = logits(engine, asked[caller % 3], TEXTS[:4])

    callers = [threading.Thread(target=ask, args=(caller,)) for caller in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for number, found in got.items():
        assert found == pytest.approx(right[number % 3], abs=ALIKE)
    assert len(got) == 6


# who loads, and who forgets


def test_an_adapter_that_another_process_has_loaded_is_used(
    vllm: VllmServer, model: str, trained: Trained
) -> None:
    served = trained.served("round0-a")
    first, second = (logits(remote(vllm.url, model), served, TEXTS[:1]) for _ in range(2))
    assert first == pytest.approx(second, abs=ALIKE)


def test_some_adapters_stay_and_the_longest_unused_goes(
    vllm: VllmServer, model: str, trained: Trained
) -> None:
    engine = remote(vllm.url, model)
    others = [f"other-{i}" for i in range(KEPT)]
    for name in others:
        copytree(trained.home / "round0-a", trained.home / name)
    for name in ["round0-a", *others[:-1], "round0-a", others[-1]]:
        logits(engine, trained.served(name), TEXTS[:1])
    there = loaded(vllm)
    assert {f"7-{name}" for name in ("round0-a", *others[1:])} <= there.keys()
    assert f"7-{others[0]}" not in there


def test_the_folder_is_named_as_the_server_sees_it(
    vllm: VllmServer, model: str, trained: Trained, tmp_path: Path
) -> None:
    seen = tmp_path / "as-the-server-sees-it"
    seen.symlink_to(trained.home)
    copytree(trained.home / "round1-b", trained.home / "round2-seen")
    engine = remote(vllm.url, model, home=trained.home, seen_as=str(seen))
    logits(engine, trained.served("round2-seen"), TEXTS[:1])
    assert loaded(vllm)["7-round2-seen"] == f"{seen}/round2-seen"


# what it refuses


def test_a_folder_that_the_server_does_not_see_is_named(
    vllm: VllmServer, model: str, trained: Trained
) -> None:
    engine = remote(vllm.url, model, home=trained.home, seen_as="/of-another-machine")
    copytree(trained.home / "round1-b", trained.home / "unseen")
    with pytest.raises(
        ModelError, match="no adapter at /of-another-machine/unseen.*CRUX_LLM_ADAPTERS"
    ):
        logits(engine, trained.served("unseen"), TEXTS[:1])


@pytest.mark.parametrize("damage", ["cut off", "of a higher rank"])
def test_an_adapter_that_it_cannot_use_is_a_version_to_replace(
    vllm: VllmServer, model: str, trained: Trained, damage: str
) -> None:
    name = damage.replace(" ", "-")
    folder = trained.home / name
    copytree(trained.home / "round0-a", folder)
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:10_000])
    else:
        config.write_text(json.dumps(json.loads(config.read_text()) | {"r": 64}))
    with pytest.raises(VersionError, match=f"does not load the adapter of version 7-{name}"):
        logits(remote(vllm.url, model), trained.served(name), TEXTS[:1])
    right = logits(remote(vllm.url, model), SERVED, TEXTS[:1])
    assert np.isfinite(right).all()  # it serves on


def test_a_wrong_key_is_one_sentence_without_it(vllm: VllmServer, model: str) -> None:
    with pytest.raises(ModelError, match=r"refuses the key \(401\)") as caught:
        logits(remote(vllm.url, model, key="another-key"), SERVED, TEXTS[:1])
    assert "another-key" not in str(caught.value)


def test_a_policy_longer_than_it_reads_is_refused(vllm: VllmServer, model: str) -> None:
    long = Served("long", "word " * 600, LABELS, None)
    with pytest.raises(ModelError, match="longer than the server at .* reads") as caught:
        logits(remote(vllm.url, model), long, ["secret text"])
    assert "secret text" not in str(caught.value)


# its own end


def test_a_server_that_was_killed_is_given_its_adapter_again(
    vllm: VllmServer, model: str, trained: Trained
) -> None:
    engine, served = remote(vllm.url, model), trained.served("round1-b")
    before = logits(engine, served, TEXTS[:2])
    vllm.kill()
    vllm.start()
    assert loaded(vllm) == {}
    assert logits(engine, served, TEXTS[:2]) == pytest.approx(before, abs=ALIKE)
    assert list(loaded(vllm)) == ["7-round1-b"]
