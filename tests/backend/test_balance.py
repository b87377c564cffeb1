"""The pool's shares of the labels, from verdicts on texts that were drawn with known chances."""

from collections.abc import Sequence

import numpy as np
import pytest

from backend.balance import MOST, pool_balance
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.types import Doubles

LABELS = ("yes", "no")


def item(
    i: int, role: str, chance: float | None, *labels: int, k: int = 2, round: int = 0
) -> Item:
    """labels: of each expert."""
    belief = {name: 1 / k for name in names(k)}
    card = Card(f"i{i}", round, i, role, f"i{i}", chance, 1, "v", belief, "", 0, 0.25)
    return Item.judged(i, f"text {i}", card, {f"e{n}": label for n, label in enumerate(labels)})


def names(k: int) -> tuple[str, ...]:
    return tuple(f"label {n}" for n in range(k))


def balance(items: Sequence[Item], k: int = 2) -> tuple[Doubles, float]:
    return pool_balance(Collected(tuple(items), names(k), ()))


def audit(
    chances: Sequence[float], labels: Sequence[int], start: int = 0, k: int = 2
) -> list[Item]:
    both = zip(chances, labels, strict=True)
    return [item(start + i, "audit", chance, label, k=k) for i, (chance, label) in enumerate(both)]


# shares


def test_each_text_counts_as_often_as_its_chance_says() -> None:
    share, _ = balance(audit([0.5, 0.5, 0.1, 0.05], [0, 1, 0, 1]))
    assert share == pytest.approx(np.array([2 + 10, 2 + 20]) / 34)


def test_over_many_draws_the_share_of_a_rare_label_is_that_of_the_pool() -> None:
    """The chances follow a belief that is right about most texts and wrong about some."""
    rng = np.random.default_rng(0)
    rare = rng.random(5_000) < 0.06
    doubt = np.where(rare, rng.uniform(0.2, 1, 5_000), rng.uniform(0.02, 0.3, 5_000))
    chance = np.minimum(200 * (0.8 * doubt / doubt.sum() + 0.2 / 5_000), 0.25)
    found, worth = [], []
    for _ in range(400):
        drawn = np.flatnonzero(rng.random(5_000) < chance)
        share, equal = balance(audit(chance[drawn].tolist(), (1 - rare[drawn]).tolist()))
        assert share.sum() == pytest.approx(1.0)
        found.append(share[0])
        worth.append(equal)
    error = np.std(found) / np.sqrt(len(found))
    # a ratio of two estimates has a bias of the order of its variance
    assert abs(np.mean(found) - rare.mean()) < 4 * error + np.var(found)
    # and the draws that it says to be worth are those that would be as exact
    equal = rare.mean() * (1 - rare.mean()) / np.var(found)
    assert np.median(worth) == pytest.approx(equal, rel=0.25)
    assert equal > 200  # a draw by doubt is worth more than as many by chance


def test_a_label_that_nobody_gave_is_rare_and_not_impossible() -> None:
    share, _ = balance(audit([0.1] * 30 + [0.2] * 20, [1] * 50))
    # one text of the mean weight, 8, is spread over both labels
    assert share == pytest.approx(np.array([4, 400 + 4]) / 408)
    three, _ = balance(audit([0.1] * 10, [0, 1] * 5, k=3), k=3)
    assert three == pytest.approx(np.array([50 + 10 / 3, 50 + 10 / 3, 10 / 3]) / 110)


def test_several_verdicts_on_a_text_are_one_text() -> None:
    agreed = [item(0, "audit", 0.1, 0, 0), item(1, "audit", 0.1, 1)]
    assert balance(agreed)[0] == pytest.approx([0.5, 0.5])
    differ = [item(0, "audit", 0.1, 0, 1), item(1, "audit", 0.1, 1)]
    assert balance(differ)[0] == pytest.approx([0.25, 0.75])


def test_renaming_the_labels_renames_the_shares() -> None:
    rng = np.random.default_rng(1)
    chances, labels = rng.uniform(0.02, 0.25, 60).tolist(), rng.integers(0, 3, 60)
    other = np.array([2, 0, 1])
    share, worth = balance(audit(chances, labels.tolist(), k=3), k=3)
    renamed, again = balance(audit(chances, other[labels].tolist(), k=3), k=3)
    assert renamed[other] == pytest.approx(share)
    assert again == pytest.approx(worth)


# what they are worth


@pytest.mark.parametrize("labels", [[0, 1] * 20, [0] * 3 + [1] * 37, [0] * 40])
def test_equally_likely_draws_are_worth_their_number(labels: list[int]) -> None:
    assert balance(audit([0.1] * 40, labels))[1] == pytest.approx(40)


def test_the_worth_follows_the_variance_of_the_ratio() -> None:
    chances, labels = [0.5, 0.5, 0.25, 0.1, 0.05, 0.05], [0, 0, 0, 1, 1, 1]
    share, worth = balance(audit(chances, labels))
    weight = 1 / np.array(chances)
    yes = np.array(labels) == 0
    p = float(np.average(yes, weights=weight))
    assert share[0] == pytest.approx(p)
    # as textbooks have it for one label: sum of (w (y - p)) ** 2 over the square of all weights
    variance = float(((weight * (yes - p)) ** 2).sum() / weight.sum() ** 2)
    assert worth == pytest.approx(p * (1 - p) / variance)


def test_where_all_verdicts_are_the_same_the_worth_goes_by_the_weights_alone() -> None:
    chances = [0.5] * 5 + [0.05] * 5
    weight = 1 / np.array(chances)
    assert balance(audit(chances, [1] * 10))[1] == pytest.approx(
        weight.sum() ** 2 / (weight**2).sum()
    )


def test_a_text_is_worth_a_few_draws_at_most() -> None:
    # each positive text has next to no weight, and there is one heavy negative text
    share, worth = balance(audit([0.25] * 3 + [0.0005], [0, 0, 0, 1]))
    assert worth == MOST * 4


# which texts


def test_a_random_draw_of_the_first_round_and_the_audit_are_averaged_by_their_worth() -> None:
    old = [item(i, "train", chance, label) for i, (chance, label) in enumerate(
        [(0.5, 0), (0.5, 0), (0.05, 1), (0.05, 1), (0.05, 0)]
    )]  # fmt: skip
    new = audit([0.2, 0.1, 0.1, 0.1, 0.05, 0.02], [0, 1, 1, 0, 1, 1], start=100)
    (one, first), (two, second) = balance(old), balance(new)
    assert 0 < first != second > 0
    share, worth = balance([*old, *new])
    assert worth == pytest.approx(first + second)
    assert share == pytest.approx((first * one + second * two) / (first + second))


def test_chosen_texts_say_nothing_of_the_pool_where_something_was_drawn() -> None:
    drawn = audit([0.1, 0.1, 0.2], [0, 1, 1])
    chosen = [item(i, "train", None, 0) for i in range(50, 90)]
    share, worth = balance(drawn)
    more, as_much = balance([*drawn, *chosen])
    assert (more.tolist(), as_much) == (share.tolist(), worth)


def test_texts_that_nobody_judged_say_nothing() -> None:
    drawn = audit([0.1, 0.1, 0.2], [0, 1, 1])
    share, worth = balance(drawn)
    more, as_much = balance([*drawn, item(9, "audit", 0.01), item(10, "train", 0.5)])
    assert (more.tolist(), as_much) == (share.tolist(), worth)


def test_where_nothing_was_drawn_the_chosen_texts_own_shares_are_worth_nothing() -> None:
    chosen = [item(i, "train", None, label) for i, label in enumerate([0, 0, 1])]
    share, worth = balance(chosen)
    assert (share.tolist(), worth) == (pytest.approx([3 / 5, 2 / 5]), 0.0)


def test_before_any_verdict_all_labels_are_alike() -> None:
    for items in ([], [item(0, "audit", 0.1), item(1, "train", None)]):
        share, worth = balance(items, k=4)
        assert (share.tolist(), worth) == (pytest.approx([0.25] * 4), 0.0)
