import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from benchmarks.choice.learner import learn, starting_beliefs
from benchmarks.choice.naive import naive_pairs
from benchmarks.choice.ours import crux
from benchmarks.choice.race import Course, make_course, run
from benchmarks.choice.state import State, Strategy
from benchmarks.choice.strategies import (
    WRITTEN_HERE,
    margin,
    margin_spread,
    margins,
    random,
    threshold,
    uncertainty_herding,
)
from selection.types import Ints


class World:
    """Texts of k kinds around k places, the first kind much more common than the others."""

    def __init__(self, n: int = 600, k: int = 2, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.places = np.linalg.qr(rng.normal(size=(12, 12)))[0][:k]
        self.labels = (rng.random(n) < 0.15).astype(np.int64) * rng.integers(1, k, size=n)
        vectors = 0.6 * self.places[self.labels] + 0.3 * rng.normal(size=(n, 12))
        self.vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype("float32")
        self.described = self.places.astype(np.float32)

    def course(self, seed: int = 0, beliefs: str = "similarity") -> Course:
        return make_course(self.vectors, self.labels, self.described, seed=seed, beliefs=beliefs)


def state(k: int = 2, n: int = 300, bought: int = 40, seed: int = 0) -> State:
    world = World(n, k, seed)
    rows = np.random.default_rng(seed).permutation(n)[:bought].astype(np.int64)
    answers = world.labels[rows]
    beliefs = learn(world.vectors[rows], answers, world.vectors, k)
    return State(world.vectors, beliefs, rows, answers, 1, seed, np.random.default_rng(seed))


@pytest.mark.parametrize("name", WRITTEN_HERE)
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("bought", [40, 270])
def test_every_strategy_buys_as_many_new_rows_as_asked(name: str, k: int, bought: int) -> None:
    before = state(k, bought=bought)
    rows = WRITTEN_HERE[name](before, 30)
    assert len(set(rows.tolist())) == 30
    assert not set(rows.tolist()) & set(before.rows.tolist())
    again = WRITTEN_HERE[name](state(k, bought=bought), 30)
    assert again.tolist() == rows.tolist()


def test_margin_takes_the_rows_with_the_smallest_lead() -> None:
    before = state()
    top = np.sort(before.probability, axis=1)
    lead = (top[:, -1] - top[:, -2])[before.open]
    assert sorted(margins(before)[margin(before, 25)]) == sorted(lead)[:25]


def test_margin_spread_starts_with_the_row_farthest_from_the_bought_ones() -> None:
    before = state(bought=60)
    rows = margin(before, 100)
    nearest = (before.vectors[rows] @ before.vectors[before.rows].T).max(axis=1)
    assert margin_spread(before, 10)[0] == rows[nearest.argmin()]


def test_herding_takes_the_row_that_covers_most_of_what_the_learner_is_unsure_of() -> None:
    before = state()
    free = np.flatnonzero(before.open)
    unsure = 1 - margins(before)[free]
    vectors = before.vectors.astype(np.float64)
    kernel = np.exp((vectors @ vectors.T - 1) / 0.2)[free]
    taken = before.rows.tolist()
    for row in uncertainty_herding(before, 10).tolist():
        covered = kernel[:, taken].max(axis=1, keepdims=True)
        gain = unsure @ np.maximum(kernel[:, free] - covered, 0)
        assert gain[free == row][0] == pytest.approx(gain.max(), rel=1e-5)
        taken.append(row)


def test_naive_pairs_are_each_others_nearest_of_another_label() -> None:
    before = state(n=500)
    chosen = naive_pairs(before, 10)
    predicted = before.probability.argmax(axis=1)
    rows = np.flatnonzero(before.open)
    cosine = before.vectors @ before.vectors.T
    for left, right in chosen.reshape(-1, 2).tolist():
        for one, other in ((left, right), (right, left)):
            others = rows[predicted[rows] != predicted[one]]
            assert cosine[one, other] == pytest.approx(cosine[one, others].max(), abs=1e-6)


def test_the_threshold_rule_labels_around_the_cut_with_the_fewest_errors() -> None:
    belief = np.linspace(0, 1, 201)
    beliefs = np.stack([1 - belief, belief], axis=1)
    rows = np.arange(0, 201, 4)
    answers = (belief[rows] > 0.3).astype(np.int64)  # not at 0.5, where the learner has it
    vectors = np.ones((201, 2), dtype=np.float32)
    before = State(vectors, beliefs, rows, answers, 1, 0, np.random.default_rng(0))
    assert np.abs(belief[threshold(before, 8)] - 0.3).max() < 0.06


def test_starting_beliefs_predict_each_label_for_its_expected_share_of_texts() -> None:
    world = World(2_000, 4)
    share = [0.8, 0.1, 0.06, 0.04]
    predicted = starting_beliefs(world.vectors, world.described, share).argmax(axis=1)
    assert np.bincount(predicted, minlength=4) / 2_000 == pytest.approx(share, abs=0.01)


def test_with_two_labels_the_start_is_a_threshold_on_two_similarities() -> None:
    world = World(1_000)
    similarity = world.vectors @ world.described.T
    lead = similarity[:, 1] - similarity[:, 0]
    predicted = starting_beliefs(world.vectors, world.described, [0.9, 0.1]).argmax(axis=1)
    assert set(np.argsort(-lead)[:99]) <= set(np.flatnonzero(predicted == 1))


def test_the_learner_is_plain_logistic_regression() -> None:
    world = World()
    peer = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
    peer.fit(world.vectors[:200], world.labels[:200])
    beliefs = learn(world.vectors[:200], world.labels[:200], world.vectors, 2)
    assert beliefs == pytest.approx(peer.predict_proba(world.vectors))


def test_a_learner_that_saw_one_label_predicts_that_label() -> None:
    world = World(k=3)
    beliefs = learn(world.vectors[:9], np.full(9, 2), world.vectors, 3)
    assert beliefs.tolist() == [[0.0, 0.0, 1.0]] * 600


def test_nobody_can_buy_a_test_text() -> None:
    course = World().course()
    assert not set(course.pool) & set(course.test)
    assert sorted([*course.pool, *course.test]) == list(range(600))
    assert len(course.test) == 200


def test_another_seed_gives_another_course_and_the_same_seed_the_same_one() -> None:
    world = World()
    assert world.course(0).test.tolist() == world.course(0).test.tolist()
    assert world.course(0).test.tolist() != world.course(1).test.tolist()


def test_starting_beliefs_can_be_useless_or_inverted() -> None:
    world = World(3_000)
    kappa = {}
    for beliefs in ("similarity", "useless", "inverted"):
        course = world.course(0, beliefs)
        truth = world.labels[course.pool]
        kappa[beliefs] = float(cohen_kappa_score(truth, course.beliefs.argmax(axis=1)))
    assert kappa["similarity"] > 0.5
    assert kappa["useless"] == pytest.approx(0, abs=0.08)
    assert kappa["inverted"] < -0.1


def test_kappa_is_that_of_a_learner_trained_on_all_bought_texts() -> None:
    world = World(k=3)
    course = world.course()
    bought: list[int] = []

    def watched(before: State, count: int) -> Ints:
        rows = random(before, count)
        bought.extend(rows.tolist())
        return rows

    one = run(course, watched, rounds=3, per_round=20, cold=True)
    rows = course.pool[bought]
    learner = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300)
    learner.fit(world.vectors[rows], world.labels[rows])
    predicted = learner.predict(world.vectors[course.test])
    assert one.kappa[-1] == pytest.approx(
        cohen_kappa_score(world.labels[course.test], predicted)
    )
    rare = world.labels[course.pool] != 0
    assert one.positives == pytest.approx(rare[bought].mean())
    assert one.found == pytest.approx(rare[bought].sum() / rare.sum())


def test_wrong_answers_are_as_many_as_asked_and_the_same_for_all_strategies() -> None:
    world = World(3_000)
    course = world.course()
    seen: list[dict[int, int]] = []

    def watched(strategy: Strategy) -> Strategy:
        def watching(before: State, count: int) -> Ints:
            seen.append(dict(zip(before.rows.tolist(), before.answers.tolist(), strict=True)))
            return strategy(before, count)

        return watching

    for strategy in (random, crux):
        run(course, watched(strategy), rounds=6, per_round=150, cold=True, noise=0.2)
    truth = world.labels[course.pool]
    wrong = [truth[row] != answer for row, answer in seen[5].items()]
    assert np.mean(wrong) == pytest.approx(0.2, abs=0.05)
    both = seen[5].keys() & seen[11].keys()
    assert len(both) > 50
    assert all(seen[5][row] == seen[11][row] for row in both)


def test_a_strategy_that_buys_a_text_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="bought a text twice"):
        run(World().course(), lambda s, n: np.zeros(n, dtype=np.int64), rounds=1, per_round=5,
            cold=True)  # fmt: skip
