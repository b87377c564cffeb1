"""Offsets that make a model's answers fit the pool's balance of labels."""

import numpy as np
import pytest

from backend.threshold import OWN, expected, match, wanted_counts


def predicted_shares(log_p: np.ndarray, offsets: tuple[float, ...]) -> list[float]:
    k = log_p.shape[1]
    best = (log_p + np.array(offsets)).argmax(axis=1)
    return (np.bincount(best, minlength=k) / len(log_p)).tolist()


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


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


def test_counts_are_whole_and_complete() -> None:
    assert wanted_counts(10, np.array([0.25, 0.25, 0.5])).tolist() in ([3, 2, 5], [2, 3, 5])
    assert wanted_counts(7, np.array([0.01, 0.99])).tolist() == [0, 7]


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
