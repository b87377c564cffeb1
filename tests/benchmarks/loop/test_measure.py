from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from benchmarks.loop.ground import APART, OTHERS, POSITIVES, Labelled, split
from benchmarks.loop.measure import best_kappa, measure, weighted_kappa
from selection.errors import PoolError
from selection.types import NO_VERDICT
from tests.benchmarks.loop.stage import ground, small


@pytest.mark.parametrize("k", [2, 5])
def test_the_true_kappa_is_that_of_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(k)
    truth = rng.integers(0, k, 400)
    said = np.where(rng.random(400) < 0.6, truth, rng.integers(0, k, 400))
    weight = rng.uniform(0.1, 20.0, 400)

    ours = weighted_kappa(said, truth, weight, k)

    assert ours.value == pytest.approx(cohen_kappa_score(truth, said, sample_weight=weight))
    assert ours.low is not None and ours.high is not None
    assert ours.low < ours.value < ours.high


def test_the_best_threshold_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(200) < 0.3
    score = np.round(rng.normal(size=200) + positive, 1)  # with ties
    weight = np.where(positive, 0.2, 3.0)

    tried = [
        cohen_kappa_score(positive, score >= at, sample_weight=weight) for at in np.unique(score)
    ]

    assert best_kappa(score, positive, weight) == pytest.approx(max(tried))


def test_a_version_that_always_says_the_rule_has_kappa_0() -> None:
    here = ground()
    probability = np.zeros((len(here.test), 2))
    probability[:, here.commonest] = 1.0

    found = measure(probability, here)

    assert found.kappa.value == pytest.approx(0.0)
    assert found.best == 0.0


def test_scores_that_differ_have_another_digest() -> None:
    here = ground()
    probability = np.full((len(here.test), 2), 0.5)

    assert measure(probability, here).digest == measure(probability.copy(), here).digest
    assert measure(probability, here).digest != measure(probability * [0.9, 1.1], here).digest


def test_the_weights_of_the_test_set_give_the_shares_of_the_data() -> None:
    here = ground(600)

    shares = np.bincount(here.truth, weights=here.weight) / here.weight.sum()

    assert shares == pytest.approx(here.shares)
    assert here.positive == pytest.approx(0.2)
    assert here.weight.mean() == pytest.approx(1.0)


def test_pool_and_test_set_share_no_text_and_the_pool_has_two_thirds() -> None:
    here = ground(3_000)

    assert not set(here.texts) & set(here.test)
    assert len(here.texts) / 3_000 == pytest.approx(1 - 1 / APART, abs=0.03)
    assert all(a < b for a, b in pairwise(here.ids))


def test_the_test_set_holds_all_positives_up_to_a_number() -> None:
    here = ground(12_000)

    assert np.bincount(here.truth).tolist() == [POSITIVES, OTHERS]
    rare = ground(1_500)  # about 100 positives in the third that is kept apart
    data = small(1_500)
    apart = set(data.texts) - set(rare.texts)
    angry = {text for text, label in zip(data.texts, data.truth, strict=True) if label == 0}
    assert angry & apart == {
        text for text, label in zip(rare.test, rare.truth, strict=True) if label == 0
    }


def test_of_many_labels_each_rarer_one_has_its_part() -> None:
    truth = np.repeat([0, 1, 2, 3, 4], [4_000, 900, 900, 900, 900])
    texts = tuple(f"text {i}" for i in range(len(truth)))
    data = Labelled("five", texts, truth[:, None], truth, tuple("abcde"), "Which?")

    assert np.bincount(split(data).truth).tolist() == [700, 75, 75, 75, 75]


def test_a_set_with_one_label_on_a_side_is_refused() -> None:
    truth = np.zeros(50, dtype=np.int64)
    texts = tuple(f"text {i}" for i in range(50))

    with pytest.raises(PoolError, match="one label only"):
        split(Labelled("one", texts, truth[:, None], truth, ("a", "b"), "Which?"))
    assert NO_VERDICT not in truth


def test_the_digest_of_a_ground_changes_with_its_policy() -> None:
    data = small()
    other = Labelled("small", data.texts, data.experts, data.truth, data.names, "Is it calm?")

    assert split(data).digest == ground().digest
    assert split(other).digest != ground().digest
