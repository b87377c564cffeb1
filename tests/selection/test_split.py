import subprocess
import sys

import numpy as np
import pytest
from selection.split import side

from selection.errors import SettingError

NAMES = [f"pair-{i}" for i in range(20_000)]
EXPECTED = ["train", "boundary", "train", "train", "train", "boundary", "boundary", "train"]


def test_the_side_is_written_down_and_never_moves() -> None:
    assert [side(name, 0.4) for name in NAMES[:8]] == EXPECTED


def test_another_process_says_the_same() -> None:
    code = "from selection.split import side; print([side(f'pair-{i}', 0.4) for i in range(8)])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str(EXPECTED)


@pytest.mark.parametrize("share", [0.05, 0.4, 0.5, 0.9])
def test_the_share_of_pairs_that_evaluate_is_the_one_asked_for(share: float) -> None:
    found = np.mean([side(name, share) == "boundary" for name in NAMES])
    assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / len(NAMES))


def test_every_tenth_of_the_scale_holds_a_tenth_of_the_names() -> None:
    shares = np.arange(1, 10) / 10
    below = [sum(side(name, share) == "boundary" for name in NAMES) for share in shares]
    counts = np.diff([0, *below, len(NAMES)])
    expected = len(NAMES) / 10
    # 99.9 % point of chi-square with 9 degrees of freedom
    assert ((counts - expected) ** 2 / expected).sum() < 27.88


def test_nothing_and_everything_are_allowed() -> None:
    assert {side(name, 0.0) for name in NAMES} == {"train"}
    assert {side(name, 1.0) for name in NAMES} == {"boundary"}


def test_a_larger_share_moves_pairs_to_evaluation_only() -> None:
    kept = [name for name in NAMES if side(name, 0.2) == "boundary"]
    assert {side(name, 0.3) for name in kept} == {"boundary"}


def test_names_may_hold_any_letters() -> None:
    assert side("Grüße ☃", 1.0) == "boundary"


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_any_other_share_is_refused_with_its_value(share: float) -> None:
    with pytest.raises(SettingError, match=f"evaluation share is {share}; give a number"):
        side("pair-1", share)
