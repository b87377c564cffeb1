"""Offsets that make a model's answers fit the pool's balance of labels."""

import numpy as np
import pytest

from backend.threshold import OWN, expected, match
from selection.audit import audit, informative
from selection.kappa import kappas
from selection.types import Doubles, Ints


def predictions(log_p: Doubles, offsets: tuple[float, ...]) -> Ints:
    found: Ints = (log_p + np.array(offsets)).argmax(axis=1)
    return found


def predicted_shares(
    log_p: Doubles, offsets: tuple[float, ...], weight: Ints | None = None
) -> list[float]:
    count = np.bincount(predictions(log_p, offsets), weight, minlength=log_p.shape[1])
    return [float(share) for share in count / count.sum()]


def log_softmax(logits: Doubles) -> Doubles:
    found: Doubles = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return found


@pytest.mark.parametrize("bias", [-20.0, -2.0, 0.0, 5.0])
def test_two_labels_are_predicted_exactly_as_often_as_they_should(bias: float) -> None:
    logits = np.random.default_rng(0).normal(size=(300, 2)) * 3
    logits[:, 0] += bias
    log_p = log_softmax(logits)
    assert predicted_shares(log_p, match(log_p, np.array([0.13, 0.87]))) == [0.13, 0.87]


def test_the_texts_that_get_the_rare_label_are_those_that_speak_most_for_it() -> None:
    logits = np.random.default_rng(1).normal(size=(100, 2))
    log_p = log_softmax(logits)
    best = (log_p + np.array(match(log_p, np.array([0.2, 0.8])))).argmax(axis=1)
    ranked = np.argsort(logits[:, 1] - logits[:, 0])
    assert set(np.flatnonzero(best == 0)) == set(ranked[:20])


def test_five_labels_come_close_to_their_shares_whatever_the_models_bias() -> None:
    rng = np.random.default_rng(2)
    log_p = log_softmax(rng.normal(size=(1000, 5)) * 2 + np.array([9.0, 0.0, -4.0, 2.0, 0.0]))
    share = np.array([0.5, 0.25, 0.15, 0.07, 0.03])
    assert predicted_shares(log_p, match(log_p, share)) == pytest.approx(share.tolist(), abs=0.02)


def weighted(k: int, seed: int, n: int = 200) -> tuple[Doubles, Ints, Doubles]:
    """Answers of a model that prefers its first label, whole weights, and the pool's shares."""
    rng = np.random.default_rng(seed)
    log_p = log_softmax(rng.normal(size=(n, k)) * 2 + np.eye(k)[0] * 4)
    share = rng.dirichlet(np.full(k, 2.0))
    return log_p, rng.integers(1, 9, n), share


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_a_text_of_weight_w_is_as_good_as_w_texts(k: int, seed: int) -> None:
    """Repeating each text as often as its weight says, and matching without weights."""
    log_p, weight, share = weighted(k, seed)
    offsets = match(log_p, share, weight=weight.astype(np.float64))
    by_hand = match(np.repeat(log_p, weight, axis=0), share)
    if k == 2:
        # equal texts win together: the repeated ones may take one text more or less
        differ = predictions(log_p, offsets) != predictions(log_p, by_hand)
        assert weight[differ].sum() <= weight.max()
    ours, theirs = (predicted_shares(log_p, one, weight) for one in (offsets, by_hand))
    assert ours == pytest.approx(theirs, abs=0.03)
    assert ours == pytest.approx(share.tolist(), abs=0.03)


def test_two_labels_win_their_share_of_the_weight_as_nearly_as_whole_texts_can() -> None:
    log_p, weight, _ = weighted(2, 7)
    for share in (0.01, 0.1, 0.37, 0.9):
        offsets = match(log_p, np.array([share, 1 - share]), weight=weight.astype(np.float64))
        found = predicted_shares(log_p, offsets, weight)[0]
        assert abs(found - share) <= weight.max() / weight.sum() / 2 + 1e-9


@pytest.mark.parametrize("k", [2, 4])
def test_equal_weights_are_no_weights(k: int) -> None:
    log_p, _, share = weighted(k, 5)
    alike = np.full(200, 3.5)
    assert match(log_p, share, weight=alike) == pytest.approx(match(log_p, share))
    assert expected(log_p, share, 9.0, weight=alike) == pytest.approx(expected(log_p, share, 9.0))


def test_the_expected_share_counts_each_answer_by_its_weight() -> None:
    log_p, weight, prior = weighted(3, 6)
    by_hand = np.bincount(np.repeat(log_p.argmax(axis=1), weight), minlength=3).astype(np.float64)
    by_hand += weight.mean() / 3  # one text of the mean weight is spread over all labels
    own = by_hand / by_hand.sum()
    found = expected(log_p, prior, 20.0, weight=weight.astype(np.float64))
    assert found == pytest.approx((20.0 * prior + OWN * own) / (20.0 + OWN))
    assert found.sum() == pytest.approx(1.0)


def test_a_sample_drawn_where_the_threshold_lies_finds_the_threshold_of_the_pool() -> None:
    """Of 20,000 texts 2 % are positive; 300 drawn by their doubt, over many draws."""
    rng = np.random.default_rng(8)
    positive = rng.random(20_000) < 0.02
    logit = np.where(positive, rng.normal(0.5, 2, 20_000), rng.normal(-5, 2, 20_000))
    log_p = log_softmax(np.stack([logit, np.zeros(20_000)], axis=1))
    share = np.array([0.02, 0.98])
    doubt = 0.2 / 20_000 + 0.8 * (root := np.exp(-np.abs(logit) / 2)) / root.sum()
    chance = np.minimum(300 * doubt, 1.0)

    def spread(chance: Doubles) -> tuple[float, float]:
        """Mean and deviation of the share of the pool that is called positive."""
        found = []
        for _ in range(60):
            drawn = rng.random(20_000) < chance
            offsets = match(log_p[drawn], share, weight=1 / chance[drawn])
            found.append(predicted_shares(log_p, offsets)[0])
        return float(np.mean(found)), float(np.std(found))

    mean, by_doubt = spread(chance)
    assert mean == pytest.approx(0.02, abs=0.003)
    assert by_doubt < 0.7 * spread(np.full(20_000, 300 / 20_000))[1]


def test_shares_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 shares that sum to 1 for 2 labels"):
        match(np.zeros((4, 2)), np.array([0.2, 0.3, 0.5]))


def test_the_models_own_answer_counts_for_as_many_texts_as_it_says() -> None:
    log_p = np.log(np.array([[0.9, 0.1]] * 30 + [[0.2, 0.8]] * 69))
    own = 30.5 / 100  # one text is spread over both labels
    prior = np.array([0.1, 0.9])
    assert expected(log_p, prior, 0.0)[0] == pytest.approx(own)
    assert expected(log_p, prior, OWN)[0] == pytest.approx((own + 0.1) / 2)
    assert expected(log_p, prior, 3 * OWN)[0] == pytest.approx((own + 3 * 0.1) / 4)
    assert expected(log_p, prior, 1e9)[0] == pytest.approx(0.1)


def test_a_label_that_the_model_never_gives_is_still_expected() -> None:
    log_p = np.log(np.array([[0.4, 0.6]] * 50))
    alone = expected(log_p, np.array([0.0, 1.0]), 5.0)
    assert alone[0] > 0
    assert alone.sum() == pytest.approx(1.0)
    assert expected(log_p, np.array([0.3, 0.7]), OWN)[0] > 0.15


def test_texts_with_the_same_answer_are_won_together_or_not_at_all() -> None:
    log_p = log_softmax(np.array([[2.0, 0.0]] * 25 + [[-2.0, 0.0]] * 75))
    for share, wins in ((0.22, 0.25), (0.14, 0.25), (0.11, 0.0), (0.6, 0.25), (0.7, 1.0)):
        offsets = match(log_p, np.array([share, 1 - share]))
        assert predicted_shares(log_p, offsets)[0] == wins


def _kappa(truth: Ints, answers: Ints, weight: Doubles) -> float:
    table = np.bincount(truth * 2 + answers, weight, minlength=4)
    return float(kappas(table[None], 2)[0])


def _version(rng: np.random.Generator, truth: Ints, topic: Doubles) -> Doubles:
    """(n, 2) answers of a version that knows the truth through some fog."""
    odds = 4.5 * truth + 0.7 * topic + 0.7 * rng.normal(size=len(truth)) - 2.5
    return log_softmax(np.stack([np.zeros(len(truth)), odds], axis=1))


def test_a_threshold_fitted_to_audited_texts_does_not_flatter_the_audit() -> None:
    """What the audit tells less what is true, of 400 versions: fitted to the audit's reserve, to
    all other texts, and, as a control, to the verdicts of the audit themselves."""
    n, reserve, share = 6_000, 0.25, np.array([0.97, 0.03])
    flattery: list[list[float]] = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        truth = (rng.random(n) < share[1]).astype(np.int64)
        topic, number = rng.normal(size=n), rng.random(n)
        before, new = _version(rng, truth, topic), _version(rng, truth, topic)
        beliefs = np.exp(log_softmax(before + np.array(match(before, share))))
        sample = audit(beliefs, number, np.full(n, np.nan), size=100, reserve=reserve)
        weight = 1 / sample.inclusion
        judged = np.bincount(truth[sample.row], weight, minlength=2) + weight.mean() / 2
        doubt = informative(beliefs)
        fitted = []
        for rows in (np.flatnonzero(number < reserve), np.flatnonzero(number >= reserve)):
            chance = np.minimum(300 * doubt[rows] / doubt[rows].sum(), 1.0)
            drawn = rng.random(len(rows)) < chance
            logits, stands_for = new[rows[drawn]], 1 / chance[drawn]
            guess = expected(logits, judged / judged.sum(), 100.0, weight=stands_for)
            fitted.append(predictions(new, match(logits, guess, weight=stands_for)))
        told = {
            by: _kappa(truth[sample.row], predictions(new, (0.0, by))[sample.row], weight)
            for by in np.linspace(-3, 3, 25).tolist()
        }
        fitted.append(predictions(new, (0.0, max(told, key=lambda by: told[by]))))
        flattery.append(
            [
                _kappa(truth[sample.row], answers[sample.row], weight)
                - _kappa(truth, answers, np.ones(n))
                for answers in fitted
            ]
        )
    in_reserve, elsewhere, control = np.array(flattery).T
    more = in_reserve - elsewhere
    error = more.std() / np.sqrt(len(more))
    assert abs(more.mean()) < 4 * error
    assert 4 * error < 0.02  # so that as little as 0.02 would be seen
    assert (control - elsewhere).mean() > 0.02
