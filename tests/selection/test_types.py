import numpy as np
import pytest

from selection.types import (
    Audit,
    Beliefs,
    Bought,
    Choice,
    Estimate,
    Pairs,
    Pool,
    Sample,
    Verdicts,
)


def strings(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def beliefs(*rows: tuple[float, ...]) -> Beliefs:
    matrix = np.array(rows)
    names = tuple(f"label {i}" for i in range(matrix.shape[1]))
    return Beliefs(matrix, names, "v1", np.ones(len(rows), dtype=np.bool_))


@pytest.mark.parametrize(
    ("ids", "texts", "message"),
    [
        (("a", "b"), ("x",), "2 ids for 1 texts"),
        (("b", "a"), ("x", "y"), "ids must be unique and ascending"),
        (("a", "a"), ("x", "y"), "ids must be unique and ascending"),
        (("a", "b"), ("x", ""), "the text of 'b' is empty"),
    ],
)
def test_a_pool_is_sorted_and_has_a_text_for_every_id(
    ids: tuple[str, ...], texts: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Pool(strings(*ids), strings(*texts))


def test_the_predicted_label_is_the_most_probable_and_the_margin_its_lead() -> None:
    three = beliefs((0.2, 0.5, 0.3), (0.1, 0.1, 0.8))
    assert three.predicted.tolist() == [1, 2]
    assert three.margin == pytest.approx([0.2, 0.7])


def test_a_single_label_is_never_in_doubt() -> None:
    assert beliefs((1.0,), (1.0,)).margin.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0.5, 0.6), "must sum to 1"),
        ((float("nan"), 0.5), "not a number"),
        ((1.5, -0.5), "must not be negative"),
    ],
)
def test_beliefs_are_probabilities(row: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beliefs((0.5, 0.5), row)


def test_beliefs_need_a_name_for_every_column_and_a_flag_for_every_row() -> None:
    half = np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match="2 columns of probability for 1 labels"):
        Beliefs(half, ("yes",), "v1", np.ones(3, dtype=np.bool_))
    with pytest.raises(ValueError, match=r"read has shape \(2,\), not \(3,\)"):
        Beliefs(half, ("yes", "no"), "v1", np.ones(2, dtype=np.bool_))


def test_arrays_of_different_lengths_are_refused() -> None:
    one, two = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="pairs are not aligned"):
        Pairs(one, two)
    with pytest.raises(ValueError, match="an audit are not aligned"):
        Audit(two, np.full(1, 0.5))
    with pytest.raises(ValueError, match="a choice are not aligned"):
        Choice.without_region(
            two, strings("train"), strings("a", "b"), np.zeros(2), strings("", "")
        )
    with pytest.raises(ValueError, match="weight and group are not aligned"):
        Sample(np.ones(2), one)


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, float("nan")])
def test_a_chance_of_the_audit_lies_above_0_and_up_to_1(chance: float) -> None:
    with pytest.raises(ValueError, match="inclusion must lie in"):
        Audit(np.array([3]), np.array([chance]))


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_weights_are_positive(weight: float) -> None:
    with pytest.raises(ValueError, match="weights must be positive"):
        Sample(np.array([1.0, weight]), np.arange(2))


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, float("nan")])
def test_a_chance_of_a_second_verdict_lies_above_0_and_up_to_1(chance: float) -> None:
    with pytest.raises(ValueError, match="chance of a second verdict must lie in"):
        Sample(np.ones(2), np.arange(2), np.array([1.0, chance]))
    with pytest.raises(ValueError, match="a sample are not aligned"):
        Sample(np.ones(2), np.arange(2), np.ones(3))


@pytest.mark.parametrize("label", [-2, 2])
def test_a_verdict_is_a_label_or_none(label: int) -> None:
    with pytest.raises(ValueError, match="verdicts must be labels 0 to 1 or -1"):
        Verdicts(np.array([[0, label]]), ("ann", "bob"), 2)


def test_pairs_are_taken_in_the_order_asked_for() -> None:
    pairs = Pairs(np.array([0, 2, 4]), np.array([1, 3, 5]))
    taken = pairs.take(np.array([2, 0]))
    assert (taken.left.tolist(), taken.right.tolist()) == ([4, 0], [5, 1])


def test_a_row_is_bought_by_its_id_or_by_its_text() -> None:
    pool = Pool(strings("a", "b", "c", "d"), strings("one", "two", "three", "four"))
    bought = Bought(frozenset({"a", "z"}), frozenset({"three", "elsewhere"}))
    assert bought.rows(pool).tolist() == [True, False, True, False]
    assert Bought().rows(pool).tolist() == [False] * 4


def test_an_undefined_estimate_says_why() -> None:
    assert Estimate.undefined(3, "one class only").as_json() == {
        "value": None, "low": None, "high": None, "items": 3, "reason": "one class only"
    }  # fmt: skip
    assert Estimate(0.5, 0.4, 0.6, 90).as_json() == {
        "value": 0.5, "low": 0.4, "high": 0.6, "items": 90
    }  # fmt: skip


def test_an_estimate_carries_and_says_a_confidence_that_is_not_95_per_cent() -> None:
    strict = Estimate(0.5, 0.4, 0.6, 90, confidence=0.98)
    assert strict.as_json() == {
        "value": 0.5, "low": 0.4, "high": 0.6, "items": 90, "confidence": 0.98
    }  # fmt: skip
    assert strict.confidence_said == ", 98 %"
    assert Estimate(0.5, 0.4, 0.6, 90).confidence_said == ""


def test_an_estimate_comes_back_as_it_was_written() -> None:
    whole, unknown = Estimate(0.5, 0.4, 0.6, 9), Estimate.undefined(3, "why")
    few = Estimate(1.0, None, None, 2, "few", 0.99)
    for one in (whole, unknown, few, Estimate(0.5, 0.4, 0.6, 9, confidence=0.98)):
        assert Estimate.from_json(one.as_json()) == one


def test_an_estimate_of_which_no_confidence_is_kept_has_95_per_cent() -> None:
    read = Estimate.from_json({"value": 0.5, "low": 0.4, "high": 0.6, "items": 9})
    assert read.confidence == 0.95
