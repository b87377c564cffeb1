import numpy as np
import pytest

from benchmarks.choice.regions.strategy import ByRegions
from benchmarks.choice.state import State
from benchmarks.choice.strategies import REGIONS


def state(seed: int, k: int, bought: int = 64, n: int = 2_000) -> State:
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(12, 24))
    vectors = middle[rng.integers(12, size=n)] + rng.normal(size=(n, 24))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    logits = vectors @ rng.normal(size=(24, k))
    beliefs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = rng.permutation(n)[:bought]
    return State(vectors, beliefs, rows, rng.integers(k, size=bought), 1, seed, rng)


@pytest.mark.parametrize("name", REGIONS)
@pytest.mark.parametrize("k", [2, 4])
def test_a_choice_by_regions_buys_as_many_new_rows_as_asked(name: str, k: int) -> None:
    now = state(1, k)
    bought = REGIONS[name](now, 32)
    assert len(set(bought.tolist())) == 32
    assert now.open[bought].all()


def test_the_choice_is_the_same_every_time() -> None:
    one, two = (ByRegions()(state(2, 2), 32) for _ in range(2))
    assert one.tolist() == two.tolist()


def test_a_model_with_one_label_only_buys_its_least_sure_rows() -> None:
    now = state(3, 2)
    sure = np.stack([np.linspace(0.6, 0.9, 2_000), np.linspace(0.4, 0.1, 2_000)], axis=1)
    alone = State(now.vectors, sure, now.rows, now.answers, 1, 3, now.rng)
    bought = ByRegions()(alone, 32)
    assert len(set(bought.tolist())) == 32
    assert bought.max() < 1_100  # of the thousand least sure that are not bought yet
