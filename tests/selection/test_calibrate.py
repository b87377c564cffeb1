"""The calibration against a plain posterior that scipy climbs, and against a pool that is known."""

from math import exp, log, tanh

import numpy as np
import pytest
from scipy.optimize import minimize

from selection.align import difference, gap, model_alignment
from selection.audit import audit
from selection.calibrate import (
    AT_THRESHOLD,
    CONSTANT,
    SIDE,
    SLOPE,
    STEP,
    Calibration,
    Unjudged,
    terms_of,
)
from selection.kappa import kappas
from selection.types import Doubles, Ints, Sample, Verdicts


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def beliefs(rng: np.random.Generator, n: int, k: int) -> Doubles:
    powers = np.exp(rng.normal(scale=2.0, size=(n, k)))
    found: Doubles = powers / powers.sum(axis=1, keepdims=True)
    return found


def case(seed: int, n: int, k: int) -> Calibration:
    """Verdicts that follow the beliefs, of one expert or of two who may differ."""
    rng = fresh(seed)
    belief = beliefs(rng, n, k)
    first, second = (np.array([rng.choice(k, p=row) for row in belief]) for _ in range(2))
    said = (np.eye(k)[first] + np.eye(k)[np.where(rng.random(n) < 0.5, first, second)]) / 2
    return Calibration(belief, said, rng.uniform(1, 9, n))


def one_audit(
    predicted: Doubles, truth: Ints | Doubles, weight: Doubles
) -> tuple[Doubles, Verdicts, Sample]:
    k = predicted.shape[1]
    verdicts = Verdicts(truth[:, None].astype(np.int64), ("ann",), k)
    return predicted, verdicts, Sample(weight, np.arange(len(truth)))


# What the terms weigh


@pytest.mark.parametrize(("k", "seed"), [(2, 0), (2, 1), (3, 2), (5, 3)])
def test_it_is_the_mode_of_a_posterior_that_plain_loops_write_down(k: int, seed: int) -> None:
    made = case(seed, 40, k)
    often, centre = fresh(9).gamma(0.9, size=40), fresh(8).normal(size=terms_of(k))
    odds = np.log(made.belief)
    lead = np.array([[row[c] - max(np.delete(row, c)) for c in range(k)] for row in odds])
    spread = np.sqrt(np.mean([
        np.average((column - np.average(column, weights=made.weight)) ** 2, weights=made.weight)
        for column in lead.T
    ]))  # fmt: skip
    precision = [CONSTANT[1]] * k + [SLOPE[1]] + [SIDE[1]] * k + [AT_THRESHOLD[1]]

    def lacking(terms: Doubles) -> float:
        value = 0.5 * float(np.array(precision) @ (terms - centre) ** 2)
        for row, said, times in zip(lead / spread, made.said, often, strict=True):
            logits = [
                terms[c] + terms[k] * row[c] + terms[k + 1 + c] * max(row[c], 0.0)
                + terms[-1] * tanh(STEP * row[c])
                for c in range(k)
            ]  # fmt: skip
            total = log(sum(exp(logit) for logit in logits))
            value -= times * sum(s * (o - total) for s, o in zip(said, logits, strict=True))
        return float(value)

    climbed = minimize(lacking, centre, method="BFGS", options={"gtol": 1e-6})
    found = made.fitted(often[None], centre[None])[0]
    assert found == pytest.approx(climbed.x, abs=1e-3)
    assert lacking(found) <= lacking(climbed.x) + 1e-6


def test_draws_are_fitted_each_by_itself() -> None:
    made = case(4, 60, 3)
    often, centres = fresh(1).gamma(0.9, size=(7, 60)), fresh(2).normal(size=(7, terms_of(3)))
    together = made.fitted(often, centres, centres[0])
    for alone, times, centre in zip(together, often, centres, strict=True):
        assert made.fitted(times[None], centre[None])[0] == pytest.approx(alone, abs=1e-3)


def test_texts_that_beliefs_tell_apart_wholly_are_no_certainty() -> None:
    """Logistic regression without a prior would make the slope endless."""
    belief = np.tile([[0.99, 0.01], [0.02, 0.98]], (15, 1))
    made = Calibration(belief, np.tile(np.eye(2), (15, 1)), np.ones(30))
    chance = made.probability(made.fitted(np.ones((1, 30)), made.prior[0][None]))
    assert np.isfinite(chance).all()
    assert 0.9 < chance[0, 0, 0] < 0.999


# The table


def test_the_table_has_the_weight_of_each_predicted_label_in_its_row() -> None:
    made = case(5, 80, 4)
    table = made.once().reshape(4, 4)
    predicted = made.belief.argmax(axis=1)
    assert table.sum(axis=1) == pytest.approx(np.bincount(predicted, made.weight, minlength=4))


def test_draws_in_which_nothing_is_random_are_the_value() -> None:
    made = case(6, 50, 2)
    once = np.concatenate([np.ones((3, 50)), np.zeros((3, 2))], axis=1)
    still = made.drawn(once, np.zeros((3, terms_of(2))))
    assert still == pytest.approx(np.tile(made.once(), (3, 1)), abs=1e-4)


def test_it_does_not_matter_how_draws_are_cut_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    made, rng = case(6, 50, 2), fresh(3)
    often, noise = rng.gamma(0.9, size=(9, 52)), rng.normal(size=(9, terms_of(2)))
    whole = made.drawn(often, noise)
    monkeypatch.setattr("selection.calibrate.CHUNK", 2 * 52 * terms_of(2))
    assert made.drawn(often, noise) == pytest.approx(whole, abs=1e-3)


def test_the_names_of_labels_do_not_matter() -> None:
    made, other = case(7, 60, 4), [2, 0, 3, 1]
    renamed = Calibration(made.belief[:, other], made.said[:, other], made.weight)
    table = made.once().reshape(4, 4)
    assert renamed.once().reshape(4, 4) == pytest.approx(table[np.ix_(other, other)], abs=1e-6)


def test_texts_without_a_verdict_say_how_common_beliefs_are() -> None:
    made = case(8, 60, 2)
    same = Calibration(made.belief, made.said, made.weight, Unjudged(made.belief, 3 * made.weight))
    twice = kappas(same.once(), 2)
    assert twice == pytest.approx(kappas(made.once(), 2))
    # where the others are all believed to have the first label, it becomes common
    sure = Unjudged(np.tile([[0.999, 0.001]], (600, 1)), np.ones(600))
    table = Calibration(made.belief, made.said, made.weight, sure).once().reshape(2, 2)
    assert table[0].sum() / table.sum() > 0.9


def test_a_label_that_no_audited_text_is_predicted_to_have_may_be_predicted_in_the_pool() -> None:
    belief = np.tile([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], (10, 1))
    truth = (np.arange(30) % 10 == 0).astype(np.int64)
    found = model_alignment(*one_audit(belief, truth, np.ones(30)), rng=fresh())
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert found.high is not None and found.high > 0.1


def test_what_is_imagined_is_predicted_to_have_each_label_the_rarest_first() -> None:
    belief = np.array([[0.1, 0.7, 0.2]] * 3 + [[0.8, 0.1, 0.1]] * 2)
    made = Calibration(belief, np.eye(3)[[0, 1, 2, 0, 0]], np.full(5, 4.0))
    alone = np.zeros((3, 8))
    alone[[0, 1, 2], [5, 6, 7]] = 1.0
    tables = made.drawn(alone, np.zeros((3, terms_of(3)))).reshape(3, 3, 3)
    assert tables.sum(axis=2) == pytest.approx(4.0 * np.eye(3)[[2, 0, 1]])


def test_weights_for_another_number_of_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 weights for 3 texts"):
        Unjudged(np.full((3, 2), 0.5), np.ones(2))


def test_where_experts_gave_one_label_only_their_verdicts_count_as_they_are() -> None:
    belief = np.array([[0.9, 0.1]] * 10 + [[0.2, 0.8]] * 5)
    found = model_alignment(*one_audit(belief, np.zeros(15), np.ones(15)), rng=fresh())
    assert found.value == pytest.approx(0.0, abs=1e-9)
    assert found.high is not None and found.high > 0.1
    alike = model_alignment(*one_audit(belief[:10], np.zeros(10), np.ones(10)), rng=fresh())
    assert alike.value is None


def test_a_model_that_believes_the_same_of_every_text_has_kappa_zero() -> None:
    truth = np.repeat([0, 1], [30, 10])
    told = one_audit(np.tile([[0.7, 0.3]], (40, 1)), truth, np.ones(40))
    assert model_alignment(*told, rng=fresh()).value == pytest.approx(0.0)


def test_where_two_labels_are_equally_likely_neither_leads() -> None:
    made = Calibration(np.array([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]]), np.eye(3)[:2], np.ones(2))
    assert made.terms[:2, 0, 3].tolist() == [0.0, 0.0]
    assert made.terms[2, 1, 3] > 0 > made.terms[0, 1, 3]


# Against a pool whose every verdict is known


def pool(seed: int, n: int = 6_000) -> tuple[Doubles, Doubles, Ints]:
    """Beliefs of a version and of an older one, and the truth: 3 % positive, and some of it where
    no version expects it."""
    rng = fresh(seed)
    truth = (rng.random(n) < 0.03).astype(np.int64)
    lost = rng.random(n) < 0.15
    odds = np.where((truth == 1) & ~lost, 3.0, 0.0) + rng.normal(scale=1.2, size=n) - 2.2
    older = 0.7 * odds + rng.normal(scale=0.8, size=n)
    return two(odds), two(older), truth


def two(odds: Doubles) -> Doubles:
    belief = 1 / (1 + np.exp(-odds))
    return np.stack([1 - belief, belief], axis=1)


def true_kappa(belief: Doubles, truth: Ints) -> float:
    table = np.bincount(2 * belief.argmax(axis=1) + truth, minlength=4)
    return float(kappas(table[None].astype(np.float64), 2)[0])


def test_it_errs_much_less_than_the_verdicts_themselves_and_its_interval_holds_the_truth() -> None:
    errors: list[tuple[float, float]] = []
    inside = 0
    for draw in range(60):
        now, older, truth = pool(draw)
        true, rng = true_kappa(now, truth), fresh(1_000 + draw)
        nobody = np.full(len(truth), np.nan)
        taken = audit(older, rng.random(len(truth)), nobody, size=80, reserve=0.999)
        more = audit(older, rng.random(len(truth)), nobody, size=300, reserve=0.999)
        others = Unjudged(now[more.row], 1 / more.inclusion)
        told = one_audit(now[taken.row], truth[taken.row], 1 / taken.inclusion)
        calibrated = model_alignment(*told, rng=rng, resamples=200, others=others)
        plain = model_alignment(now[taken.row].argmax(axis=1), *told[1:], rng=rng, resamples=2)
        assert calibrated.value is not None and plain.value is not None
        assert calibrated.low is not None and calibrated.high is not None
        errors.append((calibrated.value - true, plain.value - true))
        inside += calibrated.low <= true <= calibrated.high
    off, plainly_off = np.sqrt(np.mean(np.square(errors), axis=0))
    assert off < 0.75 * plainly_off
    assert abs(np.mean(errors, axis=0)[0]) < 0.04
    assert inside >= 53  # of 60: 95 % promised, and 4 below would be chance


def test_a_gain_is_that_of_two_calibrated_versions_and_twins_have_none() -> None:
    now, older, truth = pool(1)
    rows = audit(older, fresh().random(len(truth)), np.full(len(truth), np.nan), size=120,
                 reserve=0.9)  # fmt: skip
    told = one_audit(now[rows.row], truth[rows.row], 1 / rows.inclusion)
    before = one_audit(older[rows.row], truth[rows.row], 1 / rows.inclusion)
    found = difference(before[0], *told, rng=fresh(), resamples=300)
    each = [model_alignment(*one, rng=fresh(), resamples=2).value for one in (before, told)]
    assert each[0] is not None and each[1] is not None
    assert found.value == pytest.approx(each[1] - each[0])
    twins = difference(told[0], *told, rng=fresh(), resamples=300)
    assert twins.value == 0.0
    assert twins.low is not None and twins.high is not None
    assert twins.low < 0 < twins.high


def test_the_gap_is_the_calibrated_model_less_the_experts() -> None:
    now, _, truth = pool(2, 400)
    other = np.where(fresh().random(400) < 0.02, 1 - truth, truth)
    verdicts = Verdicts(np.stack([truth, other], axis=1), ("ann", "bob"), 2)
    sample = Sample(np.ones(400), np.arange(400))
    model = model_alignment(now, verdicts, sample, rng=fresh(), resamples=2).value
    found = gap(now, verdicts, sample, rng=fresh(), resamples=2)
    experts = true_kappa(np.eye(2)[verdicts.table[:, 1]], truth)
    assert model is not None
    assert found.value == pytest.approx(model - experts)


def test_beliefs_in_other_labels_are_refused() -> None:
    told = one_audit(np.full((3, 2), 0.5), np.array([0, 1, 1]), np.ones(3))
    with pytest.raises(ValueError, match="beliefs in 3 labels, where there are 2"):
        model_alignment(np.full((3, 3), 1 / 3), *told[1:], rng=fresh())
