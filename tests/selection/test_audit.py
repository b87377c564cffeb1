import numpy as np
import pytest

from selection.audit import audit, permanent
from selection.types import Audit

SEEDS = 2_000
RESERVE = 0.25
IDS = np.array([f"row {i:03d}" for i in range(120)], dtype=object)
ROUND_0 = np.array([0] * 90 + [1] * 27 + [2] * 3)  # label 2 has fewer rows than 1 / RESERVE
ROUND_1 = np.array([0] * 70 + [1] * 40 + [2] * 10)
NEVER = np.full(120, np.nan)


def after(sample: Audit) -> np.ndarray:
    """The chances as the next round will find them in the project."""
    inclusion = np.full(120, np.nan)
    inclusion[sample.row] = sample.inclusion
    return inclusion


def draw(seed: int, predicted: np.ndarray, before: np.ndarray = NEVER, size: int = 12) -> Audit:
    return audit(predicted, permanent(IDS, seed), before, k=3, size=size, reserve=RESERVE)


@pytest.fixture(scope="module")
def first() -> list[Audit]:
    return [draw(seed, ROUND_0) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def second(first: list[Audit]) -> list[Audit]:
    """The sample after a round in which 30 rows changed their label, some to a lower rate."""
    return [draw(seed, ROUND_1, after(one), 14) for seed, one in enumerate(first)]


def stated(samples: list[Audit]) -> np.ndarray:
    """(n,) the chance that the samples state for a row, which must not depend on the seed."""
    chance = np.full(120, np.nan)
    for sample in samples:
        known = ~np.isnan(chance[sample.row])
        assert chance[sample.row[known]] == pytest.approx(sample.inclusion[known])
        chance[sample.row] = sample.inclusion
    return chance


def often(samples: list[Audit]) -> np.ndarray:
    """(n,) how often a row came into the sample."""
    return np.bincount(np.concatenate([s.row for s in samples]), minlength=120) / len(samples)


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_row_is_drawn_as_often_as_its_chance_says(
    name: str, request: pytest.FixtureRequest
) -> None:
    samples: list[Audit] = request.getfixturevalue(name)
    chance = stated(samples)
    assert not np.isnan(chance).any()  # every row of the pool can be drawn
    error = np.sqrt(chance * (1 - chance) / SEEDS)
    assert (np.abs(often(samples) - chance) < 4 * error).all()


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_mean_weighted_by_the_chances_is_that_of_the_pool(
    name: str, request: pytest.FixtureRequest
) -> None:
    """Hájek's estimate, of a value that the labels of both rounds know something of."""
    value = 3.0 * (ROUND_0 == 1) + 10.0 * (ROUND_0 == 2) + (ROUND_1 == 1) + np.arange(120) % 4
    samples: list[Audit] = request.getfixturevalue(name)
    total = np.array([(value[s.row] / s.inclusion).sum() for s in samples])
    size = np.array([(1 / s.inclusion).sum() for s in samples])
    # Horvitz and Thompson's total is unbiased without any approximation
    assert abs(total.mean() - value.sum()) < 4 * total.std() / np.sqrt(SEEDS)
    # Hájek's ratio has a bias of the order of its variance
    hajek = total / size
    assert abs(hajek.mean() - value.mean()) < 4 * hajek.std() / np.sqrt(SEEDS) + hajek.var() / 4


def test_each_label_has_the_same_expected_share_as_far_as_the_reserve_goes(
    first: list[Audit],
) -> None:
    chance = stated(first)
    expected = [chance[name == ROUND_0].sum() for name in range(3)]
    assert expected == pytest.approx([5.625, 5.625, 0.75])  # 12 in all; a quarter of 3 rows
    assert np.mean([len(s.row) for s in first]) == pytest.approx(12, abs=0.4)


def test_what_was_audited_stays_and_its_chance_never_falls(
    first: list[Audit], second: list[Audit]
) -> None:
    for one, two in zip(first[:300], second[:300], strict=True):
        later = dict(zip(two.row.tolist(), two.inclusion.tolist(), strict=True))
        for row, chance in zip(one.row.tolist(), one.inclusion.tolist(), strict=True):
            assert later[row] >= chance


def test_a_round_that_asks_for_no_more_draws_no_more() -> None:
    one = draw(5, ROUND_0)
    again = draw(5, ROUND_0, after(one))
    assert again.row.tolist() == one.row.tolist()
    assert again.inclusion.tolist() == one.inclusion.tolist()


def test_no_chance_exceeds_the_reserve_however_much_is_asked_for() -> None:
    everything = draw(6, ROUND_0, size=10_000)
    assert set(everything.inclusion.tolist()) == {RESERVE}
    assert everything.row.tolist() == np.flatnonzero(permanent(IDS, 6) < RESERVE).tolist()


def test_nothing_asked_for_is_nothing_drawn() -> None:
    assert draw(8, ROUND_0, size=0).row.tolist() == []


def test_fewer_than_there_are_labels_still_leaves_no_row_without_a_chance() -> None:
    samples = [draw(seed, ROUND_0, size=2) for seed in range(SEEDS)]
    assert not np.isnan(stated(samples)).any()


def test_renaming_the_labels_changes_nothing() -> None:
    rename = np.array([2, 0, 1])
    one, two = draw(9, ROUND_0), draw(9, rename[ROUND_0])
    assert one.row.tolist() == two.row.tolist()
    assert one.inclusion == pytest.approx(two.inclusion)


def test_permanent_numbers_are_uniform_and_belong_to_the_id() -> None:
    ids = np.array([f"id {i}" for i in range(20_000)], dtype=object)
    numbers = permanent(ids, 0)
    counts = np.histogram(numbers, bins=10, range=(0, 1))[0]
    # 99.9 % point of chi-square with 9 degrees of freedom
    assert ((counts - 2_000) ** 2 / 2_000).sum() < 27.88
    assert permanent(ids[[7, 3]], 0).tolist() == numbers[[7, 3]].tolist()
    assert abs(np.corrcoef(numbers, permanent(ids, 1))[0, 1]) < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("reserve", [0.0, 1.0, -0.5])
def test_a_reserve_of_all_or_nothing_is_refused(reserve: float) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 1, not {reserve}"):
        audit(ROUND_0, permanent(IDS, 0), NEVER, k=3, size=12, reserve=reserve)
