"""What an audit tells of the gain of the latest rounds."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.statistics.gains import Gain, figures, gains, table
from selection.types import Estimate
from tests.benchmarks.statistics.test_pools import look, two


def test_a_gain_is_told_from_two_rounds_apart_and_measured_on_the_same_texts() -> None:
    first, second, third = (replace(look(0.3 + 0.2 * n), round=n) for n in range(3))
    third = replace(third, then=two(np.random.default_rng(1).normal(size=40)))
    (gain,) = gains([first, second, third])
    assert gain.true == pytest.approx(0.4)
    # either audit tells the same of the same beliefs, but for its random numbers
    assert gain.said["told"].value == pytest.approx(0.0, abs=1e-9)
    for way in ("counted", "calibrated"):
        value, low, high = (getattr(gain.said[way], name) for name in ("value", "low", "high"))
        assert low <= value <= high
        assert value > 0.2  # the version of two rounds ago knows nothing
    assert gain.said["counted"].value != gain.said["calibrated"].value


def test_without_a_version_two_rounds_before_there_is_no_gain() -> None:
    assert list(gains([look(0.3), replace(look(0.5), round=2)])) == []


def said(value: float, low: float, high: float) -> dict[str, Estimate]:
    one = Estimate(value, low, high, 60)
    return {"told": Estimate(value, None, None, 60), "counted": one, "calibrated": one}


def test_the_words_of_the_product_are_judged_by_the_true_gain() -> None:
    found = figures(
        [
            Gain(0.10, said(0.20, 0.05, 0.3)),  # it teaches, and it does
            Gain(-0.10, said(0.20, 0.05, 0.3)),  # it teaches, and it does not
            Gain(0.02, said(0.00, -0.1, 0.04)),  # it hardly pays, nor does it
            Gain(0.06, said(0.00, -0.1, 0.04)),  # it hardly pays, and would have
            Gain(0.06, said(0.06, -0.1, 0.2)),  # nobody can tell
        ],
        delta=0.05,
    )
    assert found["gains"] == 5
    assert found["true_gain"] == pytest.approx(0.028)
    assert found["teach"] == {"said": 2, "wrong": 1}
    assert found["hardly_pays"] == {"said": 2, "wrong": 1}
    ways = found["ways"]
    assert isinstance(ways, dict)
    assert ways["told"] == {"defined": 5, "error": pytest.approx(0.144, abs=1e-3)}
    assert ways["calibrated"]["coverage"] == 0.6
    assert ways["calibrated"]["width"] == pytest.approx(0.216)


def test_the_table_has_a_row_for_each_set(tmp_path: Path) -> None:
    file = tmp_path / "gains.json"
    found = figures([Gain(0.10, said(0.20, 0.05, 0.3)), Gain(0.02, said(0.0, -0.1, 0.04))], 0.05)
    file.write_text(json.dumps({"rare": found}))
    assert table(file)[-2] == (
        "| rare | 2 | 0.060 | 0.072 | 0.072, 100%, 0.20 | 0.072, 100%, 0.20 | 1, wrong 0 | "
        "1, wrong 0 |"
    )
    assert table(tmp_path / "none.json") == []
