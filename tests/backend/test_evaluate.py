from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from backend.evaluate import Promotion, compare, ground, measure, promotion
from selection.card import Card
from selection.collect import Collected
from selection.item import Item
from selection.types import Estimate

LABELS = ("yes", "no")


def item(i: int, role: str, verdicts: dict[str, int], inclusion: float | None = None) -> Item:
    card = Card(
        f"i{i:03d}", 0, i, role, f"p{i // 2}" if role == "boundary" else f"i{i:03d}", inclusion,
        2, "v", {"yes": 0.5, "no": 0.5}, "why", 0, 0.25,
    )  # fmt: skip
    return Item.judged(i, f"text {i}", card, verdicts)


def estimate(value: float | None, low: float | None, high: float | None, items: int = 40) -> Any:
    if value is None:
        return Estimate.undefined(items, "nobody judged")
    return Estimate(value, low, high, items)


UNKNOWN = estimate(None, None, None, 0)
NOT_WORSE, WORSE, FEW = (-0.1, -0.3, 0.1), (-0.5, -0.6, -0.4), 29


@pytest.mark.parametrize(
    ("production", "boundary", "promoted", "says"),
    [
        (estimate(-0.2, -0.3, -0.1), estimate(0.5, 0.4, 0.6), False,
         "b is refused: it is worse than a by -0.20 [-0.30, -0.10] of kappa in production on 40"),
        (estimate(-0.1, -0.3, 0.0), estimate(*WORSE), True,
         "b is promoted: against a it has -0.10 [-0.30, +0.00] of kappa in production on 40 items"),
        (UNKNOWN, estimate(*WORSE), False,
         "worse than a by -0.50 [-0.60, -0.40] of kappa on the boundary"),
        (UNKNOWN, estimate(0.1, -0.2, 0.4), True,
         "+0.10 [-0.20, +0.40] of kappa on the boundary on 40 items, so it is not shown to be wor"),
        (estimate(*NOT_WORSE, FEW), estimate(*NOT_WORSE), True, "on the boundary on 40 items, so"),
        (estimate(*NOT_WORSE, FEW), estimate(*WORSE), False, "worse than a by -0.50"),
        (estimate(*WORSE, FEW), estimate(*NOT_WORSE), False, "in production on 29 items."),
        (estimate(*NOT_WORSE, 30), UNKNOWN, True, "in production on 30 items, so it is not shown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("replaceable", ["", "was never trained"])
def test_promoted_unless_significantly_worse(
    production: Estimate, boundary: Estimate, promoted: bool, says: str, replaceable: str
) -> None:
    decision = promotion("b", "a", production, boundary, replaceable)
    assert isinstance(decision, Promotion)
    assert decision.promoted is promoted
    assert says in decision.reason


@pytest.mark.parametrize(
    ("production", "boundary", "known"),
    [
        (estimate(-0.1, -0.33, 0.26, 7), UNKNOWN,
         "-0.10 [-0.33, +0.26] of kappa in production on 7 items and no kappa on the boundary on "
         "0 items (nobody judged)"),
        (Estimate(0.5, None, None, 1, "one group"), estimate(0.2, 0.1, 0.3, FEW),
         "+0.50 of kappa in production on 1 item (one group) and +0.20 [+0.10, +0.30] of kappa on "
         "the boundary on 29 items"),
        (estimate(None, None, None, 40), UNKNOWN, "no kappa in production on 40 items (nobody j"),
    ],
)  # fmt: skip
def test_on_too_few_items_the_version_in_force_stays_unless_it_may_be_replaced(
    production: Estimate, boundary: Estimate, known: str
) -> None:
    stays = promotion("b", "a", production, boundary)
    assert stays.promoted is False
    assert stays.reason.startswith(
        f"a stays, since whether b is worse cannot be told: that takes 30 items, and there is "
        f"{known}"
    )
    assert stays.reason.endswith("crux models promote b puts it into force all the same.")
    replaced = promotion("b", "a", production, boundary, "was never trained")
    assert replaced.promoted is True
    assert replaced.reason.startswith(
        f"b is promoted in place of a, which was never trained; whether b is worse cannot be "
        f"told: that takes 30 items, and there is {known}"
    )


def test_where_the_boundary_decides_it_is_said_what_production_knows() -> None:
    few = estimate(-0.1, -0.33, 0.26, 7)
    for boundary in (NOT_WORSE, WORSE):
        reason = promotion("b", "a", few, estimate(*boundary)).reason
        assert "of kappa on the boundary on 40 items" in reason
        assert reason.endswith(
            "There is -0.10 [-0.33, +0.26] of kappa in production on 7 items."
        )  # fmt: skip


def test_two_versions_are_compared_on_the_audit_and_the_boundary() -> None:
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
    on_boundary = compared(people("boundary")).reason
    assert "of kappa on the boundary on 40 items, so it is not" in on_boundary
    nothing = Collected((), LABELS, ())
    same = compare(nothing, always(right), "good", "good", 0, 200, replaceable="")
    assert same == Promotion(True, "good stays: the same labels give the same version.")


def test_the_ground_is_what_at_least_one_expert_judged() -> None:
    items = (
        item(0, "audit", {"ann": 0}, 0.5), item(1, "audit", {}, 0.5),
        item(2, "boundary", {"ann": 1}), item(3, "train", {"ann": 1}),
    )  # fmt: skip
    collected = Collected(items, LABELS, ())
    assert ground(collected, "audit", 0, 100).texts == ["text 0"]
    assert ground(collected, "boundary", 0, 100).texts == ["text 2"]


def people(role: str = "audit") -> tuple[Item, ...]:
    """40 items; bob differs from ann on every fifth. The chances differ by ann's label."""
    found = []
    for i in range(40):
        ann = int(i % 4 != 0)
        verdicts = {"ann": ann, "bob": ann if i % 5 else 1 - ann}
        found.append(item(i, role, verdicts, (0.1 if ann else 0.5) if role == "audit" else None))
    return tuple(found)


def always(right: Sequence[int]) -> Any:
    """predict: version 'good' is as told, every other version says 'yes'."""

    def predict(version: str, texts: Sequence[str]) -> Any:
        if version == "good":
            return np.array([right[int(text.split()[1])] for text in texts], dtype=np.int64)
        return np.zeros(len(texts), dtype=np.int64)

    return predict


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
        Collected(items, LABELS, ()), always(said), version="good", start="start", before="start",
        patience=2, seed=0, resamples=200,
    )  # fmt: skip
    weight = [1 / (i.card.inclusion or 1) for i in items]
    model = against_both(said, ann, bob, weight)
    assert figures.production_kappa.value == pytest.approx(model)
    experts = cohen_kappa_score(ann, bob, sample_weight=weight)
    assert figures.expert_kappa.value == pytest.approx(experts)
    assert figures.gap.value == pytest.approx(model - experts)
    assert figures.start_kappa.value == pytest.approx(0.0)
    assert figures.gain is not None
    assert figures.gain.value == pytest.approx(model)
    assert figures.production_kappa.confidence == 0.95
    assert (figures.gap.confidence, figures.gain.confidence) == (0.98, 0.99)
    agreed = sum(w for w, a, b in zip(weight, ann, bob, strict=True) if a == b)
    assert figures.expert_agreement == pytest.approx(agreed / sum(weight))
    low, high = figures.production_kappa.low, figures.production_kappa.high
    assert low is not None and high is not None
    assert low < model < high


def test_the_boundary_counts_every_item_alike_and_audit_has_none_of_it() -> None:
    items = people("boundary")
    ann = [i.verdicts["ann"] for i in items]
    figures = measure(
        Collected(items, LABELS, ()), always(ann), version="good", start="s", before=None,
        patience=2, seed=0, resamples=200,
    )  # fmt: skip
    bob = [i.verdicts["bob"] for i in items]
    expected = against_both(ann, ann, bob, [1.0] * len(ann))
    assert figures.boundary_kappa.value == pytest.approx(expected)
    assert figures.boundary_expert_kappa.value == pytest.approx(cohen_kappa_score(ann, bob))
    assert figures.production_kappa.value is None
    assert figures.production_kappa.reason
    assert figures.gain is None


def test_a_round_that_nobody_judged_has_reasons_and_no_numbers() -> None:
    figures = measure(
        Collected((), LABELS, ()), always([]), version="good", start="s", before="s",
        patience=2, seed=0, resamples=100,
    )  # fmt: skip
    for name in ("expert_kappa", "boundary_kappa", "production_kappa", "start_kappa", "gap"):
        estimate = getattr(figures, name)
        assert (estimate.value, estimate.items) == (None, 0)
        assert estimate.reason.strip()
    assert figures.prevalence == {}


def test_an_expert_who_stands_out_is_named() -> None:
    rng = np.random.default_rng(0)
    items = []
    for i in range(120):
        truth = int(rng.integers(2))
        odd = int(rng.integers(2))
        items.append(item(i, "audit", {"ann": truth, "bob": truth, "carl": odd}, 0.5))
    figures = measure(
        Collected(tuple(items), LABELS, ()), always([0] * 120), version="v", start="s",
        before=None, patience=2, seed=0, resamples=200,
    )  # fmt: skip
    assert figures.weakest_expert is not None
    assert figures.weakest_expert.expert == "carl"
    assert figures.weakest_expert.others == 1.0
