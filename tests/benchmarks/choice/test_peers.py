import sys

import numpy as np
import pytest

MISSING = "the peers' libraries are not installed: pip install 'label-studio-crux[benchmarks]'"
for library in ("hnswlib", "modAL", "skactiveml", "small_text"):
    pytest.importorskip(library, reason=MISSING)

from benchmarks.choice.learner import learn  # noqa: E402
from benchmarks.choice.peers import NOTES, peers  # noqa: E402
from benchmarks.choice.state import State  # noqa: E402
from selection.errors import SettingError  # noqa: E402
from selection.types import Bools, Doubles, Ints  # noqa: E402

PEERS = peers()
COUNT = 8


def a_state(
    *,
    n: int = 700,
    distinct: int = 700,
    bought: int = 24,
    k: int = 2,
    answered: tuple[int, ...] = (0, 1),
    seed: int = 5,
) -> State:
    """Unit vectors around ten directions; the answers depend on the direction."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(10, 12))
    member = rng.integers(10, size=n)
    vectors = (directions[member] + 0.6 * rng.normal(size=(n, 12))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors, member = vectors[np.arange(n) % distinct], member[np.arange(n) % distinct]
    rows = rng.permutation(n)[:bought].astype(np.int64)
    answers = np.asarray(answered, dtype=np.int64)[member[rows] % len(answered)]
    beliefs = learn(vectors[rows], answers, vectors, k)
    return State(vectors, beliefs, rows, answers, 3, seed, np.random.default_rng(seed))


def _assert_buys(state: State, chosen: Ints, count: int) -> None:
    assert chosen.dtype == np.int64
    assert len(set(chosen.tolist())) == count == len(chosen)
    assert state.open[chosen].all()


def _distances(state: State, to: Ints) -> Doubles:
    """Return (n, len(to)) Euclidean distances by definition, in double precision."""
    vectors = state.vectors.astype(np.float64)
    distances: Doubles = np.sqrt(((vectors[:, None] - vectors[None, to]) ** 2).sum(axis=2))
    return distances


# --- every peer, in every situation of the benchmark ---

SITUATIONS = {
    "two labels": {},
    "five labels": {"k": 5, "answered": (0, 1, 2, 3, 4)},
    "a label that nobody answered": {"k": 3, "answered": (0, 2)},
    "only one of two labels answered": {"answered": (1,)},
    "only one of four labels answered": {"k": 4, "answered": (2,)},
    "texts that are in the pool many times": {"distinct": 60},
    "hardly anything bought": {"bought": 2},
    "just as many rows as wanted": {"n": 24 + COUNT},
    "one row more than wanted": {"n": 25 + COUNT},
}


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_buys_as_many_different_new_rows_as_asked(name: str, situation: str) -> None:
    state = a_state(**SITUATIONS[situation])  # type: ignore[arg-type]
    _assert_buys(state, PEERS[name](state, COUNT), COUNT)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_can_buy_a_single_row(name: str) -> None:
    state = a_state(n=80)
    _assert_buys(state, PEERS[name](state, 1), 1)


@pytest.mark.parametrize("name", PEERS)
def test_the_same_state_gives_the_same_rows_and_leaves_numpys_global_state(name: str) -> None:
    np.random.seed(1)
    first = PEERS[name](a_state(k=3, answered=(0, 1, 2)), COUNT)
    after_one = np.random.random()
    np.random.seed(1)
    assert np.random.random() == after_one  # as if the peer had drawn nothing
    np.random.seed(2)
    np.testing.assert_array_equal(PEERS[name](a_state(k=3, answered=(0, 1, 2)), COUNT), first)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_changes_nothing_in_the_state(name: str) -> None:
    state, twin = a_state(), a_state()
    PEERS[name](state, COUNT)
    for field in ("vectors", "probability", "rows", "answers"):
        np.testing.assert_array_equal(getattr(state, field), getattr(twin, field))


def test_notes_name_peers_only() -> None:
    assert set(NOTES) <= set(PEERS)


def test_a_library_that_is_not_installed_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "modAL.batch", None)
    monkeypatch.delitem(sys.modules, "benchmarks.choice.peers_modal")
    monkeypatch.delattr("benchmarks.choice.peers_modal")
    with pytest.raises(SettingError, match=r"'modAL.batch', .* pip install .*\[benchmarks\]"):
        peers()


# --- what single peers buy, against an independent oracle ---


def _smallest(scores: Doubles, open_: Bools, count: int) -> set[int]:
    scores = np.where(open_, scores, np.inf)
    return set(np.argsort(scores, kind="stable")[:count].tolist())


@pytest.mark.parametrize("k", [2, 5])
def test_breaking_ties_buys_the_smallest_gaps_between_the_two_best_labels(k: int) -> None:
    state = a_state(k=k, answered=tuple(range(k)))
    best = np.sort(state.probability, axis=1)
    wanted = _smallest(best[:, -1] - best[:, -2], state.open, COUNT)
    assert set(PEERS["small-text breaking ties"](state, COUNT).tolist()) == wanted


def test_least_confidence_buys_the_smallest_best_beliefs() -> None:
    state = a_state(k=5, answered=(0, 1, 2, 3, 4))
    wanted = _smallest(state.probability.max(axis=1), state.open, COUNT)
    assert set(PEERS["small-text least confidence"](state, COUNT).tolist()) == wanted


def test_with_two_labels_breaking_ties_and_least_confidence_are_the_same() -> None:
    a = PEERS["small-text breaking ties"](a_state(), COUNT)
    b = PEERS["small-text least confidence"](a_state(), COUNT)
    assert set(a.tolist()) == set(b.tolist())


@pytest.mark.parametrize("name", ["small-text greedy core-set", "scikit-activeml core-set"])
def test_core_set_takes_the_farthest_row_again_and_again(name: str) -> None:
    state = a_state()
    taken = list(state.rows)
    for row in PEERS[name](state, COUNT):
        nearest = _distances(state, np.asarray(taken)).min(axis=1)
        assert row == nearest.argmax()
        taken.append(row)


def test_max_herding_takes_what_adds_most_to_the_coverage_of_unbought_rows() -> None:
    state = a_state()
    free = np.flatnonzero(state.open)
    taken = list(state.rows)
    for row in PEERS["scikit-activeml MaxHerding"](state, COUNT):
        covered = np.exp(-(_distances(state, np.asarray(taken))[free] ** 2)).max(axis=1)
        kernel = np.exp(-(_distances(state, free)[free] ** 2))
        gain = np.maximum(kernel - covered[:, None], 0).mean(axis=0)
        assert gain[free == row][0] == pytest.approx(gain.max(), abs=1e-6)
        taken.append(row)


def test_ranked_batch_weighs_distance_against_uncertainty() -> None:
    """The score of Cardoso et al.: a (1 - similarity) + (1 - a) uncertainty, a = share unbought."""
    state = a_state()
    uncertain = 1 - state.probability.max(axis=1)
    taken = list(state.rows)
    for row in PEERS["modAL ranked batch"](state, COUNT):
        near = 1 / (1 + _distances(state, np.asarray(taken)).min(axis=1))
        share = 1 - len(taken) / len(state.vectors)
        score = share * (1 - near) + (1 - share) * uncertain
        score[taken] = -np.inf
        assert score[row] == pytest.approx(score.max(), abs=1e-5)
        taken.append(row)


def test_contrastive_of_scikit_activeml_buys_the_most_divergent_from_bought_neighbours() -> None:
    state = a_state()
    near = np.argsort(_distances(state, state.rows), axis=1)[:, :5]
    theirs = state.probability[state.rows][near]
    own = state.probability[:, None]
    divergence = (theirs * np.log(theirs / own)).sum(axis=2).mean(axis=1)
    wanted = _smallest(-divergence, state.open, COUNT)
    assert set(PEERS["scikit-activeml contrastive"](state, COUNT).tolist()) == wanted


def test_contrastive_of_small_text_buys_the_most_divergent_from_any_neighbours() -> None:
    state = a_state()
    near = np.argsort(_distances(state, np.arange(len(state.vectors))), axis=1)[:, :10]
    theirs = state.probability[near]
    own = state.probability[:, None]
    divergence = (theirs * np.log(theirs / own)).mean(axis=(1, 2))
    wanted = _smallest(-divergence, state.open, COUNT)
    assert set(PEERS["small-text contrastive"](state, COUNT).tolist()) == wanted


def test_seals_breaks_ties_among_the_neighbours_of_what_is_bought() -> None:
    state = a_state(bought=3)
    nearest = np.argsort(np.where(state.open[:, None], _distances(state, state.rows), 9), axis=0)
    candidates = np.zeros(len(state.vectors), dtype=np.bool_)
    candidates[nearest[:100]] = True
    best = np.sort(state.probability, axis=1)
    wanted = _smallest(best[:, -1] - best[:, -2], candidates, COUNT)
    chosen = PEERS["small-text SEALS"](state, COUNT)
    assert len(wanted & set(chosen.tolist())) >= COUNT - 1  # its index is approximate


def test_anchor_subsampling_buys_among_the_neighbours_of_anchors() -> None:
    state = a_state(n=3000, bought=3)  # so few bought rows that each is an anchor
    nearest = np.argsort(np.where(state.open[:, None], _distances(state, state.rows), 9), axis=0)
    assert set(PEERS["small-text anchor subsampling"](state, COUNT).tolist()) <= set(
        nearest[:60].ravel().tolist()
    )


def test_typiclust_leaves_out_groups_of_which_something_is_bought() -> None:
    """Ten distant groups, one row bought in each of seven: the other three groups are left."""
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(10), 30)
    vectors = (np.eye(10)[member] + 0.02 * rng.normal(size=(300, 10))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.arange(7, dtype=np.int64) * 30
    answers = np.arange(7, dtype=np.int64) % 2
    state = State(vectors, np.full((300, 2), 0.5), rows, answers, 1, 0, rng)
    chosen = PEERS["scikit-activeml TypiClust"](state, 3)
    assert sorted(member[chosen].tolist()) == [7, 8, 9]


@pytest.mark.parametrize(
    "name",
    ["small-text embedding k-means", "scikit-activeml ProbCover", "scikit-activeml MaxHerding"],
)
def test_a_first_batch_covers_every_far_off_group(name: str) -> None:
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(6), 40)
    vectors = (np.eye(6)[member] + 0.02 * rng.normal(size=(240, 6))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    none = np.empty(0, dtype=np.int64)
    state = State(vectors, np.full((240, 2), 0.5), none, none, 0, 0, rng)
    assert sorted(member[PEERS[name](state, 6)].tolist()) == [0, 1, 2, 3, 4, 5]
