"""Kappa against published tables, scikit-learn, scipy and plain loops; then its intervals
against a known truth."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import bootstrap, gamma
from sklearn.metrics import accuracy_score, cohen_kappa_score

from selection.align import (
    PARITY_CONFIDENCE,
    difference,
    expert_alignment,
    gap,
    items_needed,
    model_alignment,
    weakest_expert,
)
from selection.interval import ALONE, LABEL, SHAPE, TOGETHER, TOGETHER_IN_GAP
from selection.kappa import agreement, kappas
from selection.stop import decide
from selection.types import NO_VERDICT, Bools, Doubles, Estimate, Ints, Sample, Verdicts
from tests.records import record

NO = NO_VERDICT


def fresh(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def judged(*columns: list[int] | Ints, k: int = 2) -> Verdicts:
    return Verdicts(np.stack([np.asarray(c) for c in columns], axis=1), names(len(columns)), k)


def names(e: int) -> tuple[str, ...]:
    return ("ann", "bob", "cem", "dua", "eva")[:e]


def plain(n: int) -> Sample:
    return Sample(np.ones(n), np.arange(n))


def answers(rng: np.random.Generator, truth: Ints, right: float, k: int) -> Ints:
    return np.where(rng.random(len(truth)) < right, truth, rng.integers(0, k, len(truth)))


def random_case(seed: int, n: int = 90, e: int = 3, k: int = 5) -> tuple[Ints, Verdicts, Sample]:
    """A model, experts with gaps, weights, and groups of two."""
    rng = fresh(seed)
    truth = rng.integers(0, k, n)
    table = np.stack([answers(rng, truth, 0.7, k) for _ in range(e)], axis=1)
    table[rng.random((n, e)) < 0.2] = NO
    group = np.arange(n) // 2
    sample = Sample(rng.uniform(1, 9, n), group)
    return answers(rng, truth, 0.6, k), Verdicts(table, names(e), k), sample


def seldom(sample: Sample, seed: int = 0) -> Sample:
    """The same, of which a second verdict was asked for with a chance of each item's own."""
    return Sample(sample.weight, sample.group, fresh(seed).uniform(0.2, 1, len(sample.weight)))


# A pair of raters -> (left label, right label, weight) of the items that both judged.
Judgements = Callable[[int, int], list[tuple[int, int, float]]]


def conger(pairs: list[tuple[int, int]], k: int, judgements: Judgements) -> float:
    """Observed over expected disagreement, both summed over pairs, in plain loops."""
    said: dict[int, list[float]] = {rater: [0.0] * k for pair in pairs for rater in pair}
    for i, j in pairs:
        for left, right, weight in judgements(i, j):
            said[i][left] += weight
            said[j][right] += weight
    observed = expected = 0.0
    for i, j in pairs:
        found = judgements(i, j)
        same = sum(said[i][c] * said[j][c] for c in range(k)) / (sum(said[i]) * sum(said[j]))
        observed += sum(weight for left, right, weight in found if left != right)
        expected += sum(weight for _, _, weight in found) * (1 - same)
    return 1 - observed / expected


def by_loops(kind: str, judgements: Judgements, e: int, k: int) -> float:
    """Kappa of the experts (0 to e - 1), of the model (e) with them, or the gap."""
    among, with_model = list(combinations(range(e), 2)), [(e, i) for i in range(e)]
    experts = conger(among, k, judgements) if kind != "model" else 0.0
    return experts if kind == "expert" else conger(with_model, k, judgements) - experts


def plainly(
    model: Ints, verdicts: Verdicts, weight: Doubles, apart: Doubles | None = None
) -> Judgements:
    """apart: weights of what two experts say of the same item, if they are others.

    With a model an item counts once, in equal parts for the experts who judged it.
    """
    e = len(verdicts.experts)
    once = weight / np.maximum((verdicts.table != NO).sum(axis=1), 1)
    among = weight if apart is None else apart
    answers = [*verdicts.table.T.tolist(), model.tolist()]

    def judgements(i: int, j: int) -> list[tuple[int, int, float]]:
        counted = once if max(i, j) == e else among
        rows = zip(answers[i], answers[j], counted.tolist(), strict=True)
        return [row for row in rows if NO not in row[:2] and row[2] > 0]

    return judgements


# The value


def test_table_1_of_artstein_and_poesio() -> None:
    first = [0] * 40 + [1] * 60
    second = [0] * 20 + [1] * 20 + [0] * 10 + [1] * 50
    found = expert_alignment(judged(first, second), plain(100), rng=fresh())
    assert found.kappa.value == pytest.approx(0.348, abs=5e-4)
    assert found.agreement == pytest.approx(0.7)
    assert found.prevalence == pytest.approx((0.35, 0.65))
    assert found.kappa.items == 100


def test_table_4_of_artstein_and_poesio() -> None:
    first = [0] * 46 + [1] * 44 + [2] * 10
    second = [0] * 52 + [1] * 32 + [2] * 16
    found = expert_alignment(judged(first, second, k=3), plain(100), rng=fresh())
    assert found.kappa.value == pytest.approx(0.8013, abs=5e-5)


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_kappa_of_two_raters_equals_scikit_learn_with_weights(k: int, seed: int) -> None:
    model, verdicts, sample = random_case(seed, n=400, e=2, k=k)
    one, two = verdicts.table.T
    both = (one != NO) & (two != NO)
    experts = expert_alignment(verdicts, sample, rng=fresh(), resamples=50).kappa
    assert experts.items == both.sum()
    assert experts.value == pytest.approx(
        cohen_kappa_score(one[both], two[both], sample_weight=sample.weight[both])
    )
    alone = Verdicts(one[:, None], names(1), k)
    found = model_alignment(model, alone, sample, rng=fresh(), resamples=50)
    assert found.items == (one != NO).sum()
    assert found.value == pytest.approx(
        cohen_kappa_score(model[one != NO], one[one != NO], sample_weight=sample.weight[one != NO])
    )


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_kappa_of_several_is_disagreement_over_that_by_chance(k: int, seed: int) -> None:
    model, verdicts, sample = random_case(seed, n=400, k=k)
    two = (verdicts.table != NO).sum(axis=1) >= 2
    seen = {
        "expert": expert_alignment(verdicts, sample, rng=fresh(), resamples=50).kappa,
        "model": model_alignment(model, verdicts, sample, rng=fresh(), resamples=50),
        "gap": gap(model, verdicts, sample, rng=fresh(), resamples=50),
    }
    for kind, estimate in seen.items():
        expected = by_loops(kind, plainly(model, verdicts, sample.weight), 3, k)
        assert estimate.value == pytest.approx(expected)
    assert seen["expert"].items == seen["gap"].items == two.sum()
    once = (verdicts.table != NO).any(axis=1).sum()
    assert seen["model"].items == once > two.sum()


def test_where_chances_are_alike_it_is_the_mean_kappa_of_the_pairs() -> None:
    columns = [[0] * 20 + [1] * 20, [1] * 2 + [0] * 20 + [1] * 18, [0] * 15 + [1, 0] * 5 + [1] * 15]
    found = expert_alignment(judged(*columns), plain(40), rng=fresh(), resamples=50).kappa
    pairs = [cohen_kappa_score(a, b) for a, b in combinations(columns, 2)]
    assert len({round(kappa, 6) for kappa in pairs}) == 3
    assert found.value == pytest.approx(np.mean(pairs))


def test_experts_who_share_few_items_have_the_kappa_of_those_who_share_all() -> None:
    """Two of five judge each of 60 items, so that two of them share 6: over many samples the mean
    is the true .8; the mean of pairwise kappas is .70 at a tenth positive."""
    rng, found = fresh(21), []
    for _ in range(900):
        truth = (rng.random(60) < 0.1).astype(np.int64)
        table = np.stack(
            [np.where(rng.random(60) < 0.8**0.5, truth, rng.random(60) < 0.1) for _ in range(5)], 1
        )
        table[rng.random((60, 5)).argsort(axis=1).argsort(axis=1) >= 2] = NO
        verdicts = Verdicts(table.astype(np.int64), names(5), 2)
        found.append(expert_alignment(verdicts, plain(60), rng=rng, resamples=2).kappa.value)
    values = [value for value in found if value is not None]
    assert len(values) > 870
    assert np.mean(values) == pytest.approx(0.8, abs=0.03)


def test_a_difference_is_the_second_less_the_first() -> None:
    model, verdicts, sample = random_case(3)
    worse = answers(fresh(9), model, 0.3, 5)
    found = difference(worse, model, verdicts, sample, rng=fresh())
    one, two = (
        model_alignment(p, verdicts, sample, rng=fresh(), resamples=50).value
        for p in (worse, model)
    )
    assert one is not None and two is not None
    assert found.value == pytest.approx(two - one)
    assert found.low is not None and found.low > 0


def test_a_difference_of_agreement_is_that_of_the_accuracies_of_scikit_learn() -> None:
    rng = fresh(3)
    expert, one, two = (rng.integers(0, 3, 80) for _ in range(3))
    sample = Sample(rng.uniform(1, 9, 80), np.arange(80))
    found = difference(one, two, judged(expert, k=3), sample, rng=fresh(), of=agreement)
    before, after = (accuracy_score(expert, m, sample_weight=sample.weight) for m in (one, two))
    assert found.value == pytest.approx(after - before)
    assert found.low is not None and found.high is not None
    assert found.low < after - before < found.high
    assert found.items == 80


def test_where_all_say_one_label_agreement_tells_two_models_apart() -> None:
    all_no = judged([1] * 40)
    right, wrong = np.ones(40, np.int64), np.repeat([0, 1], [10, 30])
    assert difference(wrong, right, all_no, plain(40), rng=fresh()).value is None
    found = difference(wrong, right, all_no, plain(40), rng=fresh(), of=agreement)
    assert found.value == pytest.approx(0.25)
    assert found.low is not None and found.low > 0


def test_the_lowest_pair_is_named_with_its_kappa_and_items() -> None:
    _, verdicts, sample = random_case(4)
    table = verdicts.table.copy()
    table[:, 2] = np.where(table[:, 2] == NO, NO, fresh(5).integers(0, 5, len(table)))
    verdicts = Verdicts(table, verdicts.experts, 5)
    lowest = expert_alignment(verdicts, sample, rng=fresh(), resamples=50).lowest
    expected = {}
    for i, j in combinations(range(3), 2):
        both = (table[:, [i, j]] != NO).all(axis=1)
        kappa = cohen_kappa_score(table[both, i], table[both, j], sample_weight=sample.weight[both])
        expected[names(3)[i], names(3)[j]] = (kappa, both.sum())
    assert lowest is not None
    assert (lowest.first, lowest.second) == min(expected, key=lambda pair: expected[pair][0])
    assert lowest.kappa == pytest.approx(expected[lowest.first, lowest.second][0])
    assert lowest.items == expected[lowest.first, lowest.second][1]


def test_prevalence_and_agreement_count_weights() -> None:
    verdicts = judged([0, 0, 1, NO], [0, 1, 1, NO], [NO, NO, NO, 1])
    sample = Sample(np.array([1.0, 2.0, 4.0, 8.0]), np.arange(4))
    found = expert_alignment(verdicts, sample, rng=fresh(), resamples=50)
    assert found.agreement == pytest.approx(5 / 7)
    assert found.prevalence == pytest.approx((2 / 15, 13 / 15))  # an item counts once


# A second verdict on a part of the items


def asked_twice(
    rng: np.random.Generator, rare: Ints, chance: Doubles, right: float = 0.85
) -> tuple[Verdicts, Sample]:
    """Two experts, of whom only one judges an item, unless a draw says both. rare: true labels."""
    table = np.stack([answers(rng, rare, right, 2) for _ in range(2)], axis=1)
    left_out = rng.integers(0, 2, len(rare))
    alone = rng.random(len(rare)) >= chance
    table[alone, left_out[alone]] = NO
    sample = Sample(rng.uniform(1, 9, len(rare)), np.arange(len(rare)), chance)
    return Verdicts(table, names(2), 2), sample


def test_the_experts_kappa_weighs_each_item_by_its_chance_and_that_of_a_second_verdict() -> None:
    rng = fresh(23)
    truth = (rng.random(500) < 0.3).astype(np.int64)
    verdicts, sample = asked_twice(rng, truth, np.where(truth == 1, 0.8, 0.25))
    one, two = verdicts.table.T
    both = (one != NO) & (two != NO)
    assert sample.second is not None
    weight = (sample.weight / sample.second)[both]
    found = expert_alignment(verdicts, sample, rng=fresh(), resamples=50)
    experts = cohen_kappa_score(one[both], two[both], sample_weight=weight)
    assert found.kappa.value == pytest.approx(experts)
    assert found.kappa.value != pytest.approx(
        cohen_kappa_score(one[both], two[both], sample_weight=sample.weight[both]), abs=0.005
    )
    assert found.kappa.items == both.sum()
    assert found.agreement == pytest.approx(np.average(one[both] == two[both], weights=weight))
    assert found.lowest is not None
    assert found.lowest.kappa == pytest.approx(experts)


def test_the_models_kappa_knows_nothing_of_the_chance_of_a_second_verdict() -> None:
    rng = fresh(24)
    truth = (rng.random(300) < 0.3).astype(np.int64)
    verdicts, sample = asked_twice(rng, truth, np.full(300, 0.3))
    model = answers(rng, truth, 0.7, 2)
    always = Sample(sample.weight, sample.group)
    found = model_alignment(model, verdicts, sample, rng=fresh(), resamples=50)
    assert found.value == model_alignment(model, verdicts, always, rng=fresh(), resamples=50).value
    assert found.items == 300


def test_the_gap_is_the_model_on_all_items_less_the_experts_on_those_judged_twice() -> None:
    rng = fresh(25)
    truth = (rng.random(400) < 0.4).astype(np.int64)
    verdicts, sample = asked_twice(rng, truth, np.where(truth == 1, 0.7, 0.3))
    model = answers(rng, truth, 0.7, 2)
    both = (verdicts.table != NO).all(axis=1)
    found = gap(model, verdicts, sample, rng=fresh(), resamples=300)
    with_model = model_alignment(model, verdicts, sample, rng=fresh(), resamples=300)
    experts = expert_alignment(verdicts, sample, rng=fresh(), resamples=300).kappa
    assert with_model.value is not None and experts.value is not None
    assert found.value == pytest.approx(with_model.value - experts.value)
    assert (found.items, experts.items, with_model.items) == (both.sum(), both.sum(), 400)
    assert 0 < both.sum() < 400
    assert found.low is not None and found.high is not None
    assert found.low < found.value < found.high


def test_a_chance_of_one_is_two_experts_always() -> None:
    model, verdicts, sample = random_case(26)
    certain = Sample(sample.weight, sample.group, np.ones(90))
    for kind in (model_alignment, gap):
        assert kind(model, verdicts, certain, rng=fresh()) == kind(
            model, verdicts, sample, rng=fresh()
        )
    assert expert_alignment(verdicts, certain, rng=fresh()) == expert_alignment(
        verdicts, sample, rng=fresh()
    )


def test_where_nobody_was_asked_twice_the_gap_says_so_and_the_model_is_measured() -> None:
    model = np.array([0, 1, 1, 0, 1])
    apart = judged([0, 1, NO, NO, 1], [NO, NO, 1, 1, NO])
    sample = Sample(np.ones(5), np.arange(5), np.full(5, 0.25))
    nobody = Estimate.undefined(0, "no item was judged by two experts")
    assert gap(model, apart, sample, rng=fresh()) == nobody
    assert expert_alignment(apart, sample, rng=fresh()).kappa == nobody
    assert model_alignment(model, apart, sample, rng=fresh()).items == 5


def test_known_chances_of_a_second_verdict_make_the_experts_kappa_unbiased() -> None:
    """Asked again mostly about what is positive: the plain kappa is off, the weighted is not."""
    rng = fresh(27)
    truth = (rng.random(3_000) < 0.2).astype(np.int64)
    table = np.stack([answers(rng, truth, 0.85, 2) for _ in range(2)], axis=1)
    population = float(cohen_kappa_score(*table.T))
    chance = np.where(truth == 1, 0.9, 0.1)
    weighted: list[float] = []
    plainly_counted: list[float] = []
    for _ in range(200):
        once = rng.random(3_000) >= chance
        some = table.copy()
        some[once, 1] = NO
        verdicts = Verdicts(some, names(2), 2)
        for second, found in ((chance, weighted), (None, plainly_counted)):
            sample = Sample(np.ones(3_000), np.arange(3_000), second)
            value = expert_alignment(verdicts, sample, rng=rng, resamples=2).kappa.value
            assert value is not None
            found.append(value)
    error = np.std(weighted) / np.sqrt(len(weighted))
    assert abs(np.mean(weighted) - population) < 4 * error + 0.005
    assert abs(np.mean(plainly_counted) - population) > 0.04


def test_the_interval_of_the_gap_covers_the_truth_with_a_third_of_second_verdicts() -> None:
    expert, model = (0.1, 0.03), (0.25, 0.05)
    truth = true_kappa(0.3, model, expert) - true_kappa(0.3, expert, expert)
    rng, hits = fresh(28), 0
    for _ in range(150):
        predicted, *columns = draw(rng, 150, 0.3, [model, expert, expert])
        table = np.stack(columns, axis=1)
        table[rng.random(150) >= 1 / 3, 1] = NO
        sample = Sample(np.ones(150), np.arange(150), np.full(150, 1 / 3))
        found = gap(predicted, Verdicts(table, names(2), 2), sample, rng=rng, resamples=400)
        assert found.low is not None and found.high is not None
        hits += found.low <= truth <= found.high
    assert hits >= 143  # of a 98 % interval, 95 % of 150 or more


# What must not matter


def test_the_names_of_labels_do_not_matter() -> None:
    model, verdicts, sample = random_case(6)
    other = np.array([3, 0, 4, 1, 2])
    renamed = Verdicts(np.where(verdicts.table == NO, NO, other[verdicts.table]), names(3), 5)
    for kind, of in ((model_alignment, sample), (gap, sample), (gap, seldom(sample))):
        before = kind(model, verdicts, of, rng=fresh())
        after = kind(other[model], renamed, of, rng=fresh())
        assert [after.value, after.low, after.high] == pytest.approx(
            [before.value, before.low, before.high]
        )


def test_the_order_of_items_and_the_scale_of_weights_do_not_matter() -> None:
    model, verdicts, sample = random_case(7)
    sample = seldom(sample)
    assert sample.second is not None
    order = fresh(8).permutation(len(model))
    mixed = Verdicts(verdicts.table[order], names(3), 5)
    scaled = Sample(sample.weight[order] * 7, sample.group[order], sample.second[order])
    before = gap(model, verdicts, sample, rng=fresh())
    after = gap(model[order], mixed, scaled, rng=fresh())
    assert [after.value, after.low, after.high] == pytest.approx(
        [before.value, before.low, before.high]
    )


def test_items_without_verdicts_do_not_matter() -> None:
    model, verdicts, sample = random_case(10)
    table = np.vstack([verdicts.table, np.full((6, 3), NO)])
    more = Sample(
        np.append(sample.weight, np.ones(6)),
        np.append(sample.group, np.arange(900, 906)),
    )
    longer = np.append(model, np.zeros(6, dtype=np.int64))
    assert gap(longer, Verdicts(table, names(3), 5), more, rng=fresh()) == gap(
        model, verdicts, sample, rng=fresh()
    )


# Draws


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize("kind", ["expert", "model", "gap"])
def test_the_interval_equals_draws_in_plain_loops(kind: str, always: bool) -> None:
    """always: whether two experts were always asked, or with a chance of each item's own."""
    e, k, draws = 3, 3, 120
    model, verdicts, sample = random_case(11, n=60, k=k)
    sample = sample if always else seldom(sample)
    apart_weight = sample.weight if sample.second is None else sample.weight / sample.second
    times_judged = (verdicts.table != NO).sum(axis=1)
    twice = times_judged >= 2
    kept = twice if kind == "expert" else times_judged >= 1
    assert 0 < twice.sum() < len(kept)
    groups = sorted(set(sample.group[kept].tolist()))

    # an imagined group weighs as much as the mean one that these raters judged
    share = 1 / len(groups)
    share_apart = 1 / len(set(sample.group[twice].tolist()))
    columns = verdicts.table[kept].T.tolist()
    heard = [*columns, *([model[kept].tolist()] if kind != "expert" else [])]
    rarest = sorted(range(k), key=lambda label: sum(column.count(label) for column in heard))
    together = TOGETHER_IN_GAP if kind == "gap" else TOGETHER
    rng = fresh(1)
    seen = rng.standard_gamma(SHAPE, (draws, len(groups))) / SHAPE
    often = [ALONE] * e + ([0.0] if kind != "expert" else []) + [together] + [LABEL] * k
    unseen = rng.standard_gamma(np.array(often), (draws, len(often)))

    def value(times: Doubles, more: Doubles) -> float:
        often = np.zeros(len(model))
        for g, t in zip(groups, times, strict=True):
            often[sample.group == g] = t
        counted = plainly(model, verdicts, sample.weight * often, apart_weight * often)
        once = plainly(model, verdicts, sample.weight, apart_weight)
        name = sample.group + 1.0
        numbered = plainly(model, verdicts, name * np.maximum(times_judged, 1), name)

        def judgements(i: int, j: int) -> list[tuple[int, int, float]]:
            found = counted(i, j)
            for left, right, w in once(i, j):
                w = w * (share if i == e else share_apart) / (k - 1)
                others = [(c, [c != left, c != right]) for c in range(k)]
                found += [(c, right, w * more[i]) for c, (new, _) in others if new]
                found += [(left, c, w * more[j]) for c, (_, new) in others if new]
                all_at_once = more[-k - 1] * w
                if i == e:
                    found += [(left, c, all_at_once) for c, (_, new) in others if new]
                else:
                    found += [(c, c, all_at_once * sum(new) / 2) for c, new in others]
            for place, label in enumerate(rarest):
                gave = [w for left, right, w in once(i, j) if label in (left, right)]
                of = {g for left, right, g in numbered(i, j) if label in (left, right)}
                shared = len(once(i, j)) / kept.sum()
                found.append(
                    (label, label, more[len(more) - k + place] * sum(gave) / len(of) * shared)
                )
            return found

        return by_loops(kind, judgements, e, k)

    point = by_loops(kind, plainly(model, verdicts, sample.weight, apart_weight), e, k)
    drawn = [value(times, more) for times, more in zip(seen, unseen, strict=True)]
    if kind == "expert":
        found = expert_alignment(verdicts, sample, rng=fresh(1), resamples=draws).kappa
    else:
        measure = {"model": model_alignment, "gap": gap}[kind]
        found = measure(model, verdicts, sample, rng=fresh(1), resamples=draws)
    tail = (1 - (PARITY_CONFIDENCE if kind == "gap" else 0.95)) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    assert [found.value, found.low, found.high] == pytest.approx([point, low, high], abs=1e-9)
    assert found.items == (kept.sum() if kind == "model" else twice.sum())


def test_on_many_items_the_interval_is_the_bootstrap_of_scipy_widened_by_the_shape() -> None:
    rng = fresh(2)
    truth = (rng.random(2000) < 0.3).astype(np.int64)
    a, b = answers(rng, truth, 0.8, 2), answers(rng, truth, 0.7, 2)

    def kappa(a: Ints, b: Ints, axis: int = -1) -> Doubles:
        p, q, both = a.mean(axis=axis), b.mean(axis=axis), (a * b).mean(axis=axis)
        out: Doubles = 2 * (both - p * q) / (p + q - 2 * p * q)
        return out

    drawn = bootstrap((a, b), kappa, paired=True, n_resamples=5000, rng=fresh(3), batch=500)
    low, high = drawn.confidence_interval
    found = model_alignment(a, judged(b), plain(2000), rng=fresh(4), resamples=20_000)
    assert found.low is not None and found.high is not None
    assert (found.low + found.high) / 2 == pytest.approx((low + high) / 2, abs=0.004)
    assert width(found) == pytest.approx((high - low) / SHAPE**0.5, rel=0.04)


def test_items_drawn_together_are_resampled_together() -> None:
    """Doubling every item inside its group adds nothing; as items of their own it would."""
    rng = fresh(12)
    truth = rng.integers(0, 2, 80)
    model, expert = answers(rng, truth, 0.7, 2), answers(rng, truth, 0.7, 2)
    once = model_alignment(model, judged(expert), plain(80), rng=fresh())
    twice = judged(np.repeat(expert, 2))
    group = np.repeat(np.arange(80), 2)
    whole = Sample(np.ones(160), group)
    found = model_alignment(np.repeat(model, 2), twice, whole, rng=fresh())
    apart = model_alignment(np.repeat(model, 2), twice, plain(160), rng=fresh())
    assert [found.value, found.low, found.high] == pytest.approx([once.value, once.low, once.high])
    assert width(apart) == pytest.approx(width(once) / np.sqrt(2), rel=0.1)


def width(estimate: Estimate) -> float:
    assert estimate.low is not None and estimate.high is not None
    return estimate.high - estimate.low


def test_the_same_seed_gives_the_same_interval() -> None:
    model, verdicts, sample = random_case(13)
    first, again = (gap(model, verdicts, sample, rng=fresh(5)) for _ in range(2))
    assert first == again


# What cannot be said


def test_one_label_only_has_no_kappa() -> None:
    same = judged([1] * 30, [1] * 30)
    found = expert_alignment(same, plain(30), rng=fresh())
    assert (found.kappa.value, found.kappa.low, found.kappa.high) == (None, None, None)
    assert found.kappa.items == 30
    assert "are the same label" in found.kappa.reason
    assert found.lowest is None
    assert found.agreement == 1.0
    assert found.prevalence == (0.0, 1.0)
    ones = np.ones(30, dtype=np.int64)
    assert model_alignment(ones, same, plain(30), rng=fresh()) == found.kappa
    assert gap(ones, same, plain(30), rng=fresh()) == found.kappa
    assert difference(ones, ones, same, plain(30), rng=fresh()) == found.kappa


def test_a_model_that_answers_always_the_same_has_kappa_zero() -> None:
    verdicts = judged([0, 1] * 20)
    found = model_alignment(np.zeros(40, dtype=np.int64), verdicts, plain(40), rng=fresh())
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high is not None and 0.02 < found.high < 0.2  # it may answer otherwise yet


def test_one_expert_has_no_one_to_agree_with() -> None:
    alone = expert_alignment(judged([0, 1, 1]), plain(3), rng=fresh())
    assert alone.kappa == Estimate.undefined(
        0, "kappa between experts needs two of them, and there is 1"
    )
    nobody = Verdicts(np.empty((0, 0), dtype=np.int64), (), 2)
    none = expert_alignment(nobody, plain(0), rng=fresh())
    assert none.kappa.reason == "kappa between experts needs two of them, and there is 0"
    assert (none.agreement, none.lowest, none.prevalence) == (None, None, ())


def test_no_items_have_no_kappa() -> None:
    apart = judged([0, 1, NO, NO], [NO, NO, 1, 0])
    model = np.array([0, 1, 1, 1])
    expected = Estimate.undefined(0, "no item was judged by two experts")
    assert expert_alignment(apart, plain(4), rng=fresh()).kappa == expected
    assert gap(model, apart, plain(4), rng=fresh()) == expected
    silent = judged([NO] * 4)
    assert model_alignment(model, silent, plain(4), rng=fresh()) == Estimate.undefined(
        0, "no item was judged by an expert"
    )


def test_two_items_are_next_to_no_knowledge() -> None:
    found = model_alignment(np.array([0, 1]), judged([0, 1]), plain(2), rng=fresh())
    assert (found.value, found.high, found.items) == (1.0, 1.0, 2)
    assert found.low is not None and found.low < 0.2


def test_one_positive_item_is_next_to_no_knowledge() -> None:
    model = np.array([1] + [0] * 39)
    found = model_alignment(model, judged(model), plain(40), rng=fresh())
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low is not None and found.low < 0.4


def test_a_single_group_has_no_interval() -> None:
    model, verdicts, sample = random_case(14)
    together = Sample(sample.weight, np.zeros(90, dtype=np.int64))
    found = model_alignment(model, verdicts, together, rng=fresh())
    assert found.value == model_alignment(model, verdicts, sample, rng=fresh()).value
    assert (found.low, found.high) == (None, None)
    assert found.reason == "an interval needs at least two groups of items"


def test_perfect_agreement_is_not_certainty() -> None:
    """At 60 items without a disagreement there may be 2.5 of them, by Jeffreys' prior."""
    expert = np.array([1] * 12 + [0] * 48)
    found = model_alignment(expert, judged(expert), plain(60), rng=fresh())
    assert (found.value, found.high) == (1.0, 1.0)
    unseen = gamma.ppf(0.975, 0.5) / (60 + gamma.ppf(0.975, 0.5))
    shares = [0.8 * (1 - unseen), 0.2 * (1 - unseen), unseen / 2, unseen / 2]
    assert found.low == pytest.approx(
        cohen_kappa_score([0, 1, 0, 1], [0, 1, 1, 0], sample_weight=shares), abs=0.02
    )
    longer = np.tile(expert, 5)
    more = model_alignment(longer, judged(longer), plain(300), rng=fresh())
    assert more.low is not None and found.low is not None
    assert more.low > 0.95 > found.low


def test_misaligned_or_unknown_predictions_are_refused() -> None:
    verdicts = judged([0, 1, 1])
    with pytest.raises(ValueError, match="predicted has 2 entries for 3 items"):
        model_alignment(np.array([0, 1]), verdicts, plain(3), rng=fresh())
    with pytest.raises(ValueError, match="sample has 4 entries for 3 items"):
        expert_alignment(verdicts, plain(4), rng=fresh())
    with pytest.raises(ValueError, match="labels from 0 to 1"):
        model_alignment(np.array([0, 1, 2]), verdicts, plain(3), rng=fresh())


def test_an_empty_table_has_no_kappa() -> None:
    assert np.isnan(kappas(np.zeros((2, 9)), 3)).tolist() == [True, True]


# Who is off, and how many more


def test_the_expert_who_is_off_is_named() -> None:
    rng = fresh(15)
    truth = rng.integers(0, 2, 150)
    table = np.stack([answers(rng, truth, right, 2) for right in (0.9, 0.9, 0.5, 0.9)], axis=1)
    verdicts = Verdicts(table, names(4), 2)
    found = weakest_expert(verdicts, plain(150), rng=fresh())
    assert found is not None
    assert found.expert == "cem"
    judgements = plainly(truth, verdicts, np.ones(150))
    own = conger([(0, 2), (1, 2), (2, 3)], 2, judgements)
    others = conger([(0, 1), (0, 3), (1, 3)], 2, judgements)
    assert [found.kappa, found.others, found.difference.value] == pytest.approx(
        [own, others, own - others]
    )
    assert found.difference.high is not None and found.difference.high < 0
    assert found.difference.confidence == pytest.approx(1 - 0.05 / 4)


def test_nobody_is_named_where_experts_are_alike_or_only_two() -> None:
    rng = fresh(16)
    truth = rng.integers(0, 2, 150)
    alike = Verdicts(np.stack([answers(rng, truth, 0.8, 2) for _ in range(3)], axis=1), names(3), 2)
    assert weakest_expert(alike, plain(150), rng=fresh()) is None
    two = judged(truth, answers(rng, truth, 0.1, 2))
    assert weakest_expert(two, plain(150), rng=fresh()) is None
    silent = Verdicts(np.full((5, 3), NO), names(3), 2)
    assert weakest_expert(silent, plain(5), rng=fresh()) is None


def test_half_the_width_takes_four_times_the_items() -> None:
    estimate = Estimate(0.5, 0.4, 0.6, 150)
    assert items_needed(estimate, 0.05) == 450
    assert items_needed(estimate, 0.1) == 0
    assert items_needed(estimate, 0.2) == 0
    assert items_needed(Estimate.undefined(0, "no items"), 0.1) is None
    assert items_needed(Estimate(1.0, 1.0, 1.0, 9), 0.1) is None
    with pytest.raises(ValueError, match="half_width must be above 0, not 0"):
        items_needed(estimate, 0)


# Against a known truth


def chances(truth: Bools, miss: float, invent: float) -> Doubles:
    """Probability of a positive answer by someone who misses and invents that often."""
    return np.where(truth, 1 - miss, invent)


def true_kappa(prevalence: float, one: tuple[float, float], two: tuple[float, float]) -> float:
    table = np.zeros((2, 2))
    for truth, share in ((True, prevalence), (False, 1 - prevalence)):
        p, q = (float(chances(np.array([truth]), *rater)[0]) for rater in (one, two))
        table += share * np.outer([1 - p, p], [1 - q, q])
    return float(kappas(table.reshape(1, 4), 2)[0])


def draw(
    rng: np.random.Generator, n: int, prevalence: float, raters: list[tuple[float, float]]
) -> list[Ints]:
    truth = rng.random(n) < prevalence
    return [(rng.random(n) < chances(truth, *rater)).astype(np.int64) for rater in raters]


@pytest.mark.parametrize(("n", "prevalence"), [(150, 0.3), (60, 0.1)])
def test_the_interval_of_model_kappa_covers_the_truth(n: int, prevalence: float) -> None:
    expert, model = (0.15, 0.02), (0.3, 0.04)
    truth = true_kappa(prevalence, model, expert)
    rng, hits = fresh(17), 0
    for _ in range(200):
        predicted, *columns = draw(rng, n, prevalence, [model, expert, expert])
        found = model_alignment(predicted, judged(*columns), plain(n), rng=rng, resamples=400)
        assert found.low is not None and found.high is not None
        hits += found.low <= truth <= found.high
    assert 180 <= hits <= 198


def test_the_interval_of_good_experts_covers_the_truth_though_samples_are_perfect() -> None:
    expert = (0.04, 0.005)
    truth = true_kappa(0.1, expert, expert)
    rng, hits = fresh(18), 0
    for _ in range(200):
        verdicts = judged(*draw(rng, 60, 0.1, [expert] * 3))
        found = expert_alignment(verdicts, plain(60), rng=rng, resamples=400).kappa
        hits += found.low is None or found.high is None or found.low <= truth <= found.high
    assert hits >= 180  # plain percentiles cover 61 %


def test_weights_make_production_kappa_unbiased() -> None:
    rng = fresh(19)
    model, expert = draw(rng, 20_000, 0.04, [(0.5, 0.005), (0.1, 0.005)])
    population = cohen_kappa_score(model, expert)
    members = [np.flatnonzero(model == label) for label in (0, 1)]
    weighted: list[float] = []
    unweighted: list[float] = []
    for _ in range(300):
        rows = np.concatenate([rng.choice(m, 200, replace=False) for m in members])
        inclusion = np.array([200 / len(members[label]) for label in model[rows]])
        verdicts = judged(expert[rows])
        for weight, found in ((1 / inclusion, weighted), (np.ones(400), unweighted)):
            sample = Sample(weight, np.arange(400))
            value = model_alignment(model[rows], verdicts, sample, rng=rng, resamples=2).value
            assert value is not None
            found.append(value)
    assert np.mean(weighted) == pytest.approx(population, abs=0.02)
    assert abs(np.mean(unweighted) - population) > 0.1


def test_parity_is_seldom_claimed_for_a_model_that_is_a_tenth_below() -> None:
    expert, model = (0.1, 0.03), (0.18, 0.065)
    behind = true_kappa(0.4, model, expert) - true_kappa(0.4, expert, expert)
    assert behind == pytest.approx(-0.1, abs=0.005)
    rng, stops = fresh(20), 0
    for _ in range(200):
        predicted, *columns = draw(rng, 150, 0.4, [model, expert, expert])
        found = gap(predicted, judged(*columns), plain(150), rng=rng, resamples=300)
        result = record(1, gap=found)
        rule = decide([result], labels_bought=0, budget=400, max_rounds=6).rule
        stops += rule == "parity"
    assert stops <= 10
