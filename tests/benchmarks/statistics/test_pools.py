"""Audits of pools whose labels are all known."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.statistics import pools
from benchmarks.statistics.pools import Look, loop, measured, table
from selection.calibrate import Unjudged
from selection.types import Doubles
from tests.benchmarks.loop.stage import small


def two(odds: Doubles) -> Doubles:
    belief = 1 / (1 + np.exp(-odds))
    return np.stack([1 - belief, belief], axis=1)


def look(kappa: float, n: int = 40) -> Look:
    rng = np.random.default_rng(0)
    truth = (np.arange(n) % 4 == 0).astype(np.int64)
    belief = two(3.0 * truth - 1.5 + rng.normal(size=n))
    others = Unjudged(two(rng.normal(size=30) - 1), np.ones(30))
    return Look(1, belief, truth, rng.uniform(1, 9, n), others, kappa)


def test_one_way_counts_verdicts_and_the_other_calibrates_beliefs() -> None:
    found = look(0.8).ways
    assert set(found) == {"weighted", "calibrated"}
    assert [one.items for one in found.values()] == [40, 40]
    assert found["weighted"].value != found["calibrated"].value


def test_the_figures_of_many_audits_are_error_bias_coverage_and_width() -> None:
    one = look(0.8).ways["calibrated"]
    assert one.value is not None and one.low is not None and one.high is not None
    figures = measured(iter([look(one.value), look(one.value + 0.2), look(-0.5, n=20)]))
    assert set(figures) == {"20", "40"}
    assert figures["40"]["true_kappa"] == pytest.approx(one.value + 0.1, abs=1e-3)
    ways = figures["40"]["ways"]
    assert isinstance(ways, dict)
    found = ways["calibrated"]
    assert found["audits"] == 2
    assert found["error"] == pytest.approx(0.2 / np.sqrt(2), abs=1e-3)
    assert found["bias"] == pytest.approx(-0.1, abs=1e-3)
    assert found["width"] == pytest.approx(one.high - one.low, abs=1e-3)
    assert found["coverage"] == (1 + (one.value + 0.2 <= one.high)) / 2


def test_the_products_choice_teaches_a_probe_and_its_audit_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "HOME", tmp_path)
    monkeypatch.setattr(pools, "ROUNDS", 2)
    first, second = loop(small(600), 0)
    assert (len(first.truth), len(second.truth)) == (20, 40)
    assert second.belief.sum(axis=1) == pytest.approx(np.ones(40))
    assert (second.weight >= 1).all()
    assert 0 < len(second.others) <= 600
    assert second.kappa > 0.9  # words tell the labels


def test_the_table_has_a_row_for_each_set_and_their_mean(tmp_path: Path) -> None:
    one = {"error": 0.1, "bias": 0.0, "coverage": 0.95, "width": 0.4, "audits": 8}
    other = {**one, "error": 0.2, "coverage": 0.85}
    ways = {"weighted": other, "calibrated": one}
    audits = {n: {"true_kappa": 0.5, "ways": ways} for n in ("20", "100", "40")}
    file = tmp_path / "audits.json"
    file.write_text(json.dumps({name: {"rarest": 0.02, "audits": audits} for name in "ab"}))
    lines = table(file)
    assert "| 40 audited texts | 100 audited texts |" in lines[2]
    assert lines[4] == (
        "| a | 2.0% | 0.200, 85%, 0.40; 0.100, 95%, 0.40 | 0.200, 85%, 0.40; 0.100, 95%, 0.40 |"
    )
    assert lines[-2].startswith("| mean | | 0.200, 85%, 0.40; 0.100, 95%, 0.40 |")
    assert table(tmp_path / "none.json") == []
