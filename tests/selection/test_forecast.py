import pytest

from selection.forecast import HALF_WIDTHS, TEXTS, texts_needed


def test_the_nearest_world_is_taken() -> None:
    at = HALF_WIDTHS.index(0.1)
    assert texts_needed(0.5, 0.6, 0.1) == TEXTS[0.5, 0.6][at]
    assert texts_needed(0.12, 0.55, 0.1) == TEXTS[0.1, 0.6][at]
    # .04 is 2.5 times less than .1 and twice .02
    assert texts_needed(0.04, 0.9, 0.2) == TEXTS[0.02, 0.8][3]
    assert texts_needed(0.0, -0.1, 0.2) == TEXTS[0.02, 0.4][3]


def test_narrower_intervals_and_rarer_labels_cost_more() -> None:
    for needed in TEXTS.values():
        known = [n for n in needed if n is not None]
        assert known == sorted(known, reverse=True)
    assert 0 < TEXTS[0.5, 0.6][1] < TEXTS[0.1, 0.6][1] < TEXTS[0.02, 0.6][1]  # type: ignore[operator]


def test_a_half_width_that_was_not_simulated_is_refused() -> None:
    with pytest.raises(ValueError, match="half_width must be one of .* not 0.07"):
        texts_needed(0.1, 0.6, 0.07)
