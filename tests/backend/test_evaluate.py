from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from backend.evaluate import Promotion, boundary, compare, ground, measure, promotion
from selection.calibrate import Calibration, Unjudged
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.kappa import kappas
from selection.pool_sample import PoolSample
from selection.record import Measurement
from selection.types import Doubles, Estimate
from selection.verdict_table import verdicts_of, votes_of
from tests.selection.test_align import conger, plainly

LABELS = ("yes", "no")


def item(
    i: int,
    role: str,
    verdicts: dict[str, int],
    inclusion: float | None = None,
    *,
    yes: float = 0.5,
    **more: Any,
) -> Item:
    """yes: P(yes) on its card. more: other fields of the card."""
    card = Card(
        f"i{i:03d}", 0, i, role, f"p{i // 2}" if role == "train" else f"i{i:03d}", inclusion,
        2, "v", {"yes": yes, "no": 1 - yes}, "why", 0, 0.25, hidden=role == "train",
    )  # fmt: skip
    return Item.judged(i, f"text {i}", replace(card, **more), verdicts)


def estimate(value: float | None, low: float | None, high: float | None, items: int = 40) -> Any:
    if value is None:
        return Estimate.undefined(items, "nobody judged")
    return Estimate(value, low, high, items)


FEW = 29


@pytest.mark.parametrize(
    ("gain", "promoted", "says"),
    [
        (estimate(-0.2, -0.3, -0.1), False,
         "b is refused: it is worse than a by -0.20 [-0.30, -0.10] of kappa in production on 40 "
         "items."),
        (estimate(-0.1, -0.3, 0.0), True,
         "b is promoted: against a it has -0.10 [-0.30, +0.00] of kappa in production on 40 items, "
         "so it is not shown to be worse."),
        (estimate(0.1, -0.2, 0.4), True,
         "+0.10 [-0.20, +0.40] of kappa in production on 40 items, so it is not shown to be worse"),
        (estimate(-0.5, -0.6, -0.4, FEW), False, "in production on 29 items."),
        (estimate(-0.5, -0.6, -0.4, 1), False, "in production on 1 item."),
        (estimate(-0.1, -0.3, 0.1, 30), True, "in production on 30 items, so it is not shown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("replaceable", ["", "was never trained"])
def test_promoted_unless_significantly_worse(
    gain: Estimate, promoted: bool, says: str, replaceable: str
) -> None:
    decision = promotion("b", "a", gain, replaceable)
    assert isinstance(decision, Promotion)
    assert decision.promoted is promoted
    assert says in decision.reason


@pytest.mark.parametrize(
    ("gain", "known"),
    [
        (estimate(-0.1, -0.33, 0.26, 7), "-0.10 [-0.33, +0.26] of kappa in production on 7 items."),
        (estimate(0.2, 0.1, 0.3, FEW), "+0.20 [+0.10, +0.30] of kappa in production on 29 items."),
        (Estimate(0.5, None, None, 1, "one group"),
         "+0.50 of kappa in production on 1 item (one group)."),
        (Estimate(0.5, None, None, 40, "one group"),
         "+0.50 of kappa in production on 40 items (one group)."),
        (estimate(None, None, None, 40), "no kappa in production on 40 items (nobody judged)."),
        (estimate(None, None, None, 0), "no kappa in production on 0 items (nobody judged)."),
    ],
)  # fmt: skip
def test_on_too_few_items_the_version_in_force_stays_unless_it_may_be_replaced(
    gain: Estimate, known: str
) -> None:
    stays = promotion("b", "a", gain)
    assert stays == Promotion(
        False,
        f"a stays, since whether b is worse cannot be told: that takes 30 items, and there is "
        f"{known} crux models promote b puts it into force all the same.",
    )
    assert promotion("b", "a", gain, "was never trained") == Promotion(
        True,
        f"b is promoted in place of a, which was never trained; whether b is worse cannot be "
        f"told: that takes 30 items, and there is {known}",
    )


def test_two_versions_are_compared_on_the_audit_alone() -> None:
    items = people()
    right = [i.verdicts["ann"] for i in items]

    def compared(items: tuple[Item, ...], replaceable: str = "") -> Promotion:
        return compare(
            Collected(items, LABELS, ()), always(right), "good", "start", 0, 200,
            replaceable=replaceable,
        )  # fmt: skip

    assert "of kappa in production on 40 items, so it is not" in compared(items).reason
    assert compared(items[:7]).promoted is False
    assert compared(items[:7], "was never trained").promoted is True
    # a version may have learned from what was chosen, which judges none
    chosen = compared(people("train"))
    assert chosen.promoted is False
    assert "there is no kappa in production on 0 items" in chosen.reason
    nothing = Collected((), LABELS, ())
    same = compare(nothing, always(right), "good", "good", 0, 200, replaceable="")
    assert same == Promotion(True, "good stays: the same labels give the same version.")


def test_the_ground_is_what_at_least_one_expert_judged_of_the_audit() -> None:
    items = (
        item(0, "audit", {"ann": 0}, 0.5), item(1, "audit", {}, 0.5),
        item(2, "train", {"ann": 1}), item(3, "train", {"ann": 1}, hidden=False),
    )  # fmt: skip
    assert ground(Collected(items, LABELS, ()), 0, 100).texts == ["text 0"]


def people(role: str = "audit") -> tuple[Item, ...]:
    """40 items; bob differs from ann on every fifth. The chances differ by ann's label."""
    found = []
    for i in range(40):
        ann = int(i % 4 != 0)
        verdicts = {"ann": ann, "bob": ann if i % 5 else 1 - ann}
        found.append(item(i, role, verdicts, (0.1 if ann else 0.5) if role == "audit" else None))
    return tuple(found)


def always(right: Sequence[int]) -> Any:
    """read: version 'good' is as told, every other version says 'yes'."""

    def read(version: str, texts: Sequence[str]) -> Any:
        if version == "good":
            return believed([right[int(text.split()[1])] for text in texts])
        return believed([0] * len(texts))

    return read


def believed(labels: Sequence[int]) -> Doubles:
    """Return (n, 2) beliefs that are nearly sure of these labels."""
    return np.array([[0.9, 0.1], [0.1, 0.9]])[np.array(labels, dtype=np.int64)]


def calibrated(
    items: Sequence[Item], said: Sequence[int], others: Unjudged | None = None
) -> float:
    votes = votes_of(verdicts_of(items, 2)).astype(np.float64)
    weight = np.array([1 / (one.card.inclusion or 1) for one in items])
    made = Calibration(believed(said), votes / votes.sum(axis=1, keepdims=True), weight, others)
    return float(kappas(made.once(), 2)[0])


def against_both(
    model: Sequence[int], ann: Sequence[int], bob: Sequence[int], weight: Sequence[float]
) -> float:
    """Disagreement with both experts, over that by chance."""
    observed = expected = 0.0
    for expert in (ann, bob):
        table = confusion_matrix(model, expert, sample_weight=weight, normalize="all")
        observed += 1 - float(np.trace(table))
        expected += 1 - float(table.sum(axis=0) @ table.sum(axis=1))
    return 1 - observed / expected


def test_production_is_weighted_and_against_each_expert() -> None:
    items = people()
    ann = [i.verdicts["ann"] for i in items]
    bob = [i.verdicts["bob"] for i in items]
    said = [1 - a if n % 7 == 0 else a for n, a in enumerate(ann)]
    figures = measure(
        Collected(items, LABELS, ()), always(said), round=0, version="good", start="start",
        before="start", earlier={}, patience=2, seed=0, resamples=200, sample=PoolSample(),
    )  # fmt: skip
    weight = [1 / (i.card.inclusion or 1) for i in items]
    model = calibrated(items, said)
    assert figures.production_kappa.value == pytest.approx(model)
    experts = cohen_kappa_score(ann, bob, sample_weight=weight)
    assert figures.expert_kappa.value == pytest.approx(experts)
    # the rules that end a loop count verdicts as they are
    counted = against_both(said, ann, bob, weight)
    assert figures.gap.value == pytest.approx(counted - experts)
    assert figures.start_kappa.value == pytest.approx(0.0, abs=1e-9)
    assert figures.gain is not None
    assert figures.gain.value == pytest.approx(counted)
    assert figures.production_kappa.confidence == 0.95
    assert (figures.gap.confidence, figures.gain.confidence) == (0.98, 0.99)
    agreed = sum(w for w, a, b in zip(weight, ann, bob, strict=True) if a == b)
    assert figures.expert_agreement == pytest.approx(agreed / sum(weight))
    low, high = figures.production_kappa.low, figures.production_kappa.high
    assert low is not None and high is not None
    assert low < model < high


def test_versions_of_earlier_rounds_are_measured_again_on_all_texts_audited_by_now() -> None:
    items = people()
    said = [i.verdicts["ann"] for i in items]
    worse = [1 - a if n % 3 == 0 else a for n, a in enumerate(said)]

    def read(version: str, texts: Sequence[str]) -> Any:
        return always(said if version == "new" else worse)("good", texts)

    figures = measure(
        Collected(items, LABELS, ()), read, round=4, version="new", start="old", before=None,
        earlier={1: "old", 3: "new"}, patience=2, seed=0, resamples=200, sample=PoolSample(),
    )  # fmt: skip
    old, same = figures.earlier
    assert (old.round, old.version, same.round, same.version) == (1, "old", 3, "new")
    assert old.kappa == figures.start_kappa
    assert same.kappa == figures.production_kappa
    now, then = calibrated(items, said), calibrated(items, worse)
    assert old.gain.value == pytest.approx(now - then)
    assert now - then > 0.05
    assert (old.gain.items, old.gain.confidence) == (40, 0.95)
    assert same.gain.value == pytest.approx(0.0)


def test_one_verdict_measures_the_model_and_a_second_one_on_a_part_the_experts() -> None:
    """Oracles: plain loops for the model, scikit-learn on texts judged twice for the experts."""
    rng = np.random.default_rng(1)
    items = []
    for i in range(200):
        ann, second = int(rng.random() < 0.7), 0.3 if i < 100 else 0.6
        verdicts = {"ann": ann}
        if rng.random() < second:
            verdicts["bob"] = ann if rng.random() < 0.8 else 1 - ann
        items.append(item(i, "audit", verdicts, 0.1 if ann else 0.4, second=second))
    said = [one.verdicts["ann"] for one in items]
    said[::2] = rng.integers(0, 2, 100).tolist()
    figures = measured(items, said)
    weight = np.array([1 / (one.card.inclusion or 1) for one in items])
    assert figures.production_kappa.value == pytest.approx(calibrated(items, said))
    assert figures.production_kappa.items == 200
    twice = [one for one in items if len(one.verdicts) == 2]
    assert 50 < len(twice) < 130
    ann, bob = ([one.verdicts[name] for one in twice] for name in ("ann", "bob"))
    apart = [1 / ((one.card.inclusion or 1) * one.card.second) for one in twice]
    experts = cohen_kappa_score(ann, bob, sample_weight=apart)
    assert figures.expert_kappa.value == pytest.approx(experts)
    assert figures.expert_kappa.items == figures.gap.items == len(twice)
    judgements = plainly(np.array(said), verdicts_of(items, 2), weight)
    assert figures.gap.value == pytest.approx(conger([(2, 0), (2, 1)], 2, judgements) - experts)


def test_texts_of_the_pool_without_a_verdict_say_how_common_beliefs_are() -> None:
    items = people()
    said = [i.verdicts["ann"] for i in items]
    sample = PoolSample(tuple(f"text {i}" for i in range(30)), (2.0,) * 30)
    figures = measure(
        Collected(items, LABELS, ()), always(said), round=0, version="good", start="start",
        before=None, earlier={}, patience=2, seed=0, resamples=200, sample=sample,
    )  # fmt: skip
    others = Unjudged(believed(said[:30]), np.full(30, 2.0))
    found = calibrated(items, said, others)
    assert found != pytest.approx(calibrated(items, said), abs=1e-3)
    assert figures.production_kappa.value == pytest.approx(found)
    assert figures.start_kappa.value == pytest.approx(0.0, abs=1e-9)


def measured(items: Sequence[Item], said: Sequence[int], round: int = 0) -> Measurement:
    return measure(
        Collected(tuple(items), LABELS, ()), always(said), round=round, version="good", start="s",
        before=None, earlier={}, patience=2, seed=0, resamples=200, sample=PoolSample(),
    )  # fmt: skip


# the boundary: test, then train


def chosen(round: int = 0, start: int = 0, n: int = 60, **more: Any) -> list[Item]:
    """Pairs of texts with what their cards believed, and what an expert said later."""
    rng = np.random.default_rng(round + 5)
    found = []
    for i in range(start, start + n):
        yes = float(rng.uniform(0.1, 0.9))
        ann = int(rng.random() >= yes)
        found.append(item(i, "train", {"ann": ann}, yes=yes, round=round, **more))
    return found


def kappa_of_cards(items: Sequence[Item]) -> float:
    believed = [int(one.card.belief["yes"] < 0.5) for one in items]
    return float(cohen_kappa_score(believed, [one.verdicts["ann"] for one in items]))


def at_boundary(items: Sequence[Item], round: int = 0) -> Estimate:
    return boundary(Collected(tuple(items), LABELS, ()), round, 0, 200)


def test_the_boundary_is_the_agreement_of_what_cards_believed_before_with_the_verdicts() -> None:
    items = chosen()
    found = at_boundary(items)
    assert found.value == pytest.approx(kappa_of_cards(items))
    assert found.items == 60
    assert found.low is not None and found.high is not None and found.value is not None
    assert found.low < found.value < found.high
    # whatever the version in force says of them now: it has learned them
    figures = measured(items, [one.verdicts["ann"] for one in items])
    assert figures.boundary_kappa == found
    assert figures.production_kappa.value is None
    assert figures.production_kappa.reason
    assert figures.gain is None


def test_only_blind_texts_of_the_round_whose_cards_have_the_projects_labels_count() -> None:
    items = chosen()
    others = [
        *chosen(round=1, start=100),
        *chosen(start=200, hidden=False),
        *chosen(start=300, belief={"yes": 0.9, "perhaps": 0.1}),
        *chosen(start=400, belief={"yes": 0.9, "no": 0.05, "perhaps": 0.05}),
        *(item(i, "audit", {"ann": 0}, 0.2, yes=0.1) for i in range(500, 560)),
        *(item(i, "train", {}, yes=0.1) for i in range(600, 620)),
    ]
    assert at_boundary([*items, *others]) == at_boundary(items)
    assert at_boundary([*items, *others], round=1).value == pytest.approx(
        kappa_of_cards(others[:60])
    )


def test_every_chosen_text_counts_alike_also_one_that_the_first_round_drew_at_random() -> None:
    items = chosen()
    drawn = [replace(one, card=replace(one.card, inclusion=0.05)) if i % 3 == 0 else one
             for i, one in enumerate(items)]  # fmt: skip
    assert at_boundary(drawn).value == pytest.approx(kappa_of_cards(items))


def test_a_pair_of_an_older_crux_that_two_experts_judged_is_measured_against_each() -> None:
    rng = np.random.default_rng(9)
    items = []
    for one in chosen():
        bob = one.verdicts["ann"] if rng.random() < 0.8 else 0
        items.append(Item.judged(one.task, one.text, one.card, {**one.verdicts, "bob": bob}))
    believed = [int(one.card.belief["yes"] < 0.5) for one in items]
    ann, bob = ([one.verdicts[name] for one in items] for name in ("ann", "bob"))
    expected = against_both(believed, ann, bob, [1.0] * 60)
    assert at_boundary(items).value == pytest.approx(expected)


def test_a_round_of_visible_texts_has_no_figure_at_the_boundary() -> None:
    found = at_boundary(chosen(hidden=False))
    assert found == Estimate.undefined(0, "no item was judged by an expert")
    assert at_boundary([]) == found


def test_a_round_that_nobody_judged_has_reasons_and_no_numbers() -> None:
    figures = measure(
        Collected((), LABELS, ()), always([]), round=0, version="good", start="s", before="s",
        earlier={0: "s"}, patience=2, seed=0, resamples=100, sample=PoolSample(),
    )  # fmt: skip
    for name in ("expert_kappa", "boundary_kappa", "production_kappa", "start_kappa", "gap"):
        estimate = getattr(figures, name)
        assert (estimate.value, estimate.items) == (None, 0)
        assert estimate.reason.strip()
    assert figures.prevalence == {}
    assert [one.gain.value for one in figures.earlier] == [None]


def test_an_expert_who_stands_out_is_named() -> None:
    rng = np.random.default_rng(0)
    items = []
    for i in range(120):
        truth = int(rng.integers(2))
        odd = int(rng.integers(2))
        items.append(item(i, "audit", {"ann": truth, "bob": truth, "carl": odd}, 0.5))
    figures = measure(
        Collected(tuple(items), LABELS, ()), always([0] * 120), round=0, version="v", start="s",
        before=None, earlier={}, patience=2, seed=0, resamples=200, sample=PoolSample(),
    )  # fmt: skip
    assert figures.weakest_expert is not None
    assert figures.weakest_expert.expert == "carl"
    assert figures.weakest_expert.others == 1.0


@pytest.mark.parametrize(
    ("n", "wrong", "promoted", "says"),
    [
        (40, 0, True, "new is promoted: against old it has +0.00 ["),
        (40, 1, True, "] of agreement in production on 40 items, so it is not shown to be worse."),
        (40, 25, False, "new is refused: it is worse than old by -0.62 ["),
        (29, 0, False, "old stays, since whether new is worse cannot be told: that takes 30 items, "
         "and there is no kappa in production on 29 items (all answers"),
    ],
)  # fmt: skip
def test_an_audit_with_one_label_promotes_who_agrees_with_it_as_often(
    n: int, wrong: int, promoted: bool, says: str
) -> None:
    collected = Collected(tuple(item(i, "audit", {"ann": 1}, 0.1) for i in range(n)), LABELS, ())
    said = {"old": [1] * n, "new": [0] * wrong + [1] * (n - wrong)}

    def read(version: str, texts: Sequence[str]) -> Any:
        return believed(said[version])

    decision = compare(collected, read, "new", "old", 0, 400, replaceable="")
    assert decision.promoted is promoted
    assert says in decision.reason
