from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from backend.evaluate import Promotion, ground, measure, promotion
from selection.card import Card
from selection.collect import Collected, Item
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


@pytest.mark.parametrize(
    ("production", "boundary", "promoted", "says"),
    [
        (estimate(-0.2, -0.3, -0.1), estimate(0.5, 0.4, 0.6), False,
         "b is refused: it is worse than a by -0.20 [-0.30, -0.10] of kappa in production on 40"),
        (estimate(-0.1, -0.3, 0.0), estimate(-0.5, -0.6, -0.4), True,
         "b is promoted: against a it has -0.10 [-0.30, +0.00] of kappa in production on 40 items"),
        (UNKNOWN, estimate(-0.5, -0.6, -0.4), False,
         "worse than a by -0.50 [-0.60, -0.40] of kappa on the boundary"),
        (UNKNOWN, estimate(0.1, -0.2, 0.4), True, "of kappa on the boundary on 40 items, so not"),
        (UNKNOWN, UNKNOWN, True, "no comparison is possible yet (nobody judged)"),
    ],
)  # fmt: skip
def test_promoted_unless_significantly_worse(
    production: Estimate, boundary: Estimate, promoted: bool, says: str
) -> None:
    decision = promotion("b", "a", production, boundary)
    assert isinstance(decision, Promotion)
    assert decision.promoted is promoted
    assert says in decision.reason


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
