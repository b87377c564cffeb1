from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from selection import label as module
from selection.backend_client import Scores
from selection.errors import BackendError
from selection.label import BATCH, balance
from selection.permanent import permanent
from selection.types import Beliefs, Pool
from tests.fakes import FakeBackend

N = 400


def world(n: int = N) -> tuple[Pool, np.ndarray]:
    """Texts that are numbers, whose vectors stand on a half circle in their order."""
    ids = np.array([f"id {i:04d}" for i in range(n)], dtype=object)
    angle = np.linspace(0, np.pi, n)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    return Pool(ids, np.array([str(i) for i in range(n)], dtype=object)), vectors


def rising(text: str) -> tuple[float, float]:
    """The larger the number, the likelier 'yes'; undecided at 100."""
    yes = 1 / (1 + np.exp(-(int(text) - 100) / 20))
    return yes, 1 - yes


def label(
    pool: Pool, vectors: np.ndarray, backend: FakeBackend, project: int, seed: int = 3,
    **settings: Any,
) -> Beliefs:  # fmt: skip
    number = permanent(pool.ids, seed)
    return module.label(pool, vectors, cast(Any, backend), project, number=number, **settings)


def asked(backend: FakeBackend) -> set[str]:
    return {text for texts in backend.asked for text in texts}


def test_a_limit_of_the_whole_pool_reads_everything(tmp_path: Path) -> None:
    pool, vectors = world()
    backend = FakeBackend(rising)
    beliefs = label(pool, vectors, backend, 7, limit=N, home=tmp_path)
    assert beliefs.read.all()
    assert (beliefs.version, beliefs.labels) == ("v1", ("yes", "no"))
    wanted = np.array([rising(text) for text in pool.texts], dtype=np.float32)
    assert beliefs.probability.tolist() == wanted.astype(np.float64).tolist()
    assert asked(backend) == set(pool.texts)


def test_what_was_read_carries_the_models_own_answer_and_a_surrogate_fills_the_rest(
    tmp_path: Path,
) -> None:
    pool, vectors = world()
    backend = FakeBackend(rising)
    beliefs = label(pool, vectors, backend, 7, limit=100, home=tmp_path)
    assert int(beliefs.read.sum()) == 100
    assert {pool.texts[0]} | set(pool.texts[beliefs.read]) == asked(backend)
    truth = np.array([rising(text) for text in pool.texts])
    assert (
        beliefs.probability[beliefs.read].tolist()
        == truth[beliefs.read].astype(np.float32).astype(np.float64).tolist()
    )
    guessed = ~beliefs.read
    assert (beliefs.predicted == truth.argmax(axis=1))[guessed].mean() > 0.97
    assert np.abs(beliefs.probability - truth)[guessed].mean() < 0.1


def test_half_of_the_reading_goes_where_the_surrogate_is_least_sure(tmp_path: Path) -> None:
    pool, vectors = world()
    beliefs = label(pool, vectors, FakeBackend(rising), 7, limit=100, home=tmp_path)
    around = np.abs(np.arange(N) - 100) <= 30
    assert beliefs.read[around].mean() > 0.8  # 61 texts around the boundary
    assert 0.05 < beliefs.read[~around].mean() < 0.25  # the fixed sample: 50 of 400


def test_what_this_version_has_read_is_not_asked_for_again(tmp_path: Path) -> None:
    pool, vectors = world()
    first = FakeBackend(rising)
    before = label(pool, vectors, first, 7, limit=100, home=tmp_path)
    second = FakeBackend(rising)
    after = label(pool, vectors, second, 7, limit=100, home=tmp_path)
    assert second.asked == [["0"]]  # which version answers now
    assert after.probability.tolist() == before.probability.tolist()
    assert after.read.tolist() == before.read.tolist()


def test_another_version_and_another_project_are_asked_anew(tmp_path: Path) -> None:
    pool, vectors = world()
    label(pool, vectors, FakeBackend(rising), 7, limit=100, home=tmp_path)
    flat = FakeBackend(lambda text: (0.3, 0.7), versions=("v2",))
    beliefs = label(pool, vectors, flat, 7, limit=100, home=tmp_path)
    assert flat.read >= 100
    assert beliefs.version == "v2"
    assert beliefs.probability == pytest.approx(np.tile([0.3, 0.7], (N, 1)), abs=1e-3)
    other = FakeBackend(rising)
    label(pool, vectors, other, 8, limit=100, home=tmp_path)
    assert other.read >= 100


def test_the_fixed_sample_is_the_same_for_every_version_and_has_the_smallest_numbers(
    tmp_path: Path,
) -> None:
    pool, vectors = world()
    smallest = pool.texts[np.argsort(permanent(pool.ids, 3))[:10]]
    samples = []
    for version in ("v1", "v2"):
        backend = FakeBackend(rising, versions=(version,))
        label(pool, vectors, backend, 7, limit=20, home=tmp_path)
        samples.append(backend.asked[1])
    assert samples[0] == samples[1] == smallest.tolist()


def test_work_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pool, vectors = world()
    first = FakeBackend(rising)

    class Killed(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 2 * BATCH:
            raise Killed

    with pytest.raises(Killed):
        label(pool, vectors, first, 7, limit=N, home=tmp_path, on_progress=stop)
    second = FakeBackend(rising)
    seen: list[tuple[int, int]] = []
    label(pool, vectors, second, 7, limit=N, home=tmp_path, on_progress=lambda *n: seen.append(n))
    assert second.read == 1 + N - 2 * BATCH
    assert seen[-1] == (N, N)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


class Moving(FakeBackend):
    """v1 says yes to everything, v2 no."""

    SAYS = {"v1": (0.9, 0.1), "v2": (0.2, 0.8)}

    def score(self, project: int, texts: Sequence[str]) -> Scores:
        scores = super().score(project, texts)
        return replace(scores, probability=np.tile(self.SAYS[scores.version], (len(texts), 1)))


@pytest.mark.parametrize(
    ("moves", "limit", "version"),
    [(1, 150, "v2"), (50, 150, "v2"), (90, N, "v2"), (300, N, "v2"), (300, 150, "v1")],
)
def test_a_version_that_moves_meanwhile_starts_again_and_never_mixes(
    tmp_path: Path, moves: int, limit: int, version: str
) -> None:
    pool, vectors = world()
    backend = Moving(rising, versions=("v1", "v2"), moves=moves)
    beliefs = label(pool, vectors, backend, 7, limit=limit, home=tmp_path)
    assert beliefs.version == version
    wanted = np.tile(Moving.SAYS[version], (N, 1))
    assert beliefs.probability[beliefs.read] == pytest.approx(wanted[beliefs.read], abs=1e-6)
    assert beliefs.probability == pytest.approx(wanted, abs=1e-2)


def test_versions_that_never_stand_still_are_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    pool, vectors = world()
    many = FakeBackend(rising, versions=[f"v{i}" for i in range(10_000)], moves=1)
    with pytest.raises(BackendError, match="version changed"):
        label(pool, vectors, many, 7, limit=N, home=tmp_path)


def test_what_experts_said_tells_what_a_model_that_learned_it_says_of_texts_it_did_not_read(
    tmp_path: Path,
) -> None:
    """Twenty readings cannot tell which of 40 directions matters, 200 verdicts can."""
    pool, _ = world()
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(N, 40))
    says_yes = vectors[:, 0] > 0
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    backend = FakeBackend(lambda text: (0.9, 0.1) if says_yes[int(text)] else (0.1, 0.9))
    rows = np.arange(0, N, 2)
    taught = (rows, np.where(says_yes[rows], 0, 1))
    right: dict[bool, list[float]] = {True: [], False: []}
    for seed, given in product(range(6), (taught, None)):
        beliefs = label(pool, vectors, backend, 7, seed, limit=20, home=tmp_path, taught=given)
        rest = ~beliefs.read
        rest[rows] = False
        right[given is not None].append(((beliefs.predicted == 0) == says_yes)[rest].mean())
    assert np.mean(right[True]) > 0.8
    assert np.mean(right[False]) < 0.65


def test_what_experts_said_does_not_move_a_model_that_says_otherwise(tmp_path: Path) -> None:
    pool, vectors = world()
    rows = np.arange(0, N, 10)
    taught = (rows, (rows >= 200).astype(np.int64))
    flat = FakeBackend(lambda text: (0.5, 0.5))
    beliefs = label(pool, vectors, flat, 7, limit=20, home=tmp_path, taught=taught)
    assert beliefs.probability == pytest.approx(np.full((N, 2), 0.5), abs=1e-6)


def test_nothing_taught_is_the_same_as_no_teaching(tmp_path: Path) -> None:
    pool, vectors = world()
    nothing = np.zeros(0, dtype=np.int64)
    one = label(pool, vectors, FakeBackend(rising), 7, limit=50, home=tmp_path)
    two = label(
        pool, vectors, FakeBackend(rising), 7, limit=50, home=tmp_path, taught=(nothing, nothing)
    )
    assert one.probability.tolist() == two.probability.tolist()


@pytest.mark.parametrize("limit", [2, 3, 64])
def test_a_model_that_never_says_one_of_five_labels_still_has_beliefs_of_all(
    tmp_path: Path, limit: int
) -> None:
    pool, vectors = world()
    names = ("a", "b", "c", "d", "e")
    backend = FakeBackend(lambda text: (0.0, 0.25, 0.25, 0.5, 0.0), labels=names)
    beliefs = label(pool, vectors, backend, 7, limit=limit, home=tmp_path)
    assert beliefs.probability == pytest.approx(
        np.tile([0.0, 0.25, 0.25, 0.5, 0.0], (N, 1)), abs=0.05
    )


def test_a_pool_of_one_text_is_read(tmp_path: Path) -> None:
    pool, vectors = world(1)
    beliefs = label(pool, vectors, FakeBackend(rising), 7, limit=2, home=tmp_path)
    assert (len(beliefs.probability), beliefs.read.tolist()) == (1, [True])


def believe(matrix: np.ndarray) -> Beliefs:
    names = tuple("abcde"[: matrix.shape[1]])
    return Beliefs(matrix, names, "v1", np.ones(len(matrix), dtype=np.bool_))


def test_balance_finds_both_labels_though_all_beliefs_are_on_one_side() -> None:
    yes = np.linspace(0.90, 0.99, 50)
    one_sided = believe(np.stack([yes, 1 - yes], axis=1))
    assert set(one_sided.predicted.tolist()) == {0}
    balanced = balance(one_sided)
    # a text is 'no' where it speaks for it more than the average text does
    assert balanced.predicted.tolist() == (yes < yes.mean()).astype(int).tolist()
    assert balanced.read is one_sided.read


def test_balance_divides_by_the_mean_belief() -> None:
    balanced = balance(believe(np.array([[0.8, 0.2], [0.6, 0.4]])))
    # 0.8 / 0.7 against 0.2 / 0.3, and 0.6 / 0.7 against 0.4 / 0.3
    assert balanced.probability == pytest.approx(
        np.array([[12 / 19, 7 / 19], [9 / 23, 14 / 23]])
    )


@pytest.mark.parametrize("row", [[0.5, 0.5], [1.0, 0.0], [0.0, 0.3, 0.7]])
def test_balance_of_the_same_belief_everywhere_is_no_error(row: list[float]) -> None:
    balanced = balance(believe(np.tile(row, (20, 1))))
    assert balanced.probability.sum(axis=1) == pytest.approx(np.ones(20))
