from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.picture import panels
from benchmarks.results import areas, best_single, claim, document, load
from benchmarks.statistics_report import statistics


def test_the_results_are_those_that_the_kept_figures_give() -> None:
    assert Path("docs/results.md").read_text() == document()
    assert Path("docs/images/efficiency.svg").read_text() == panels(load("efficiency"), "crux")
    assert claim() in " ".join(Path("README.md").read_text().split())


def one(area: float, other: float) -> dict[str, Any]:
    return {
        "title": "A <set>",
        "labels": [64, 128],
        "best_peer": "margin",
        "strategies": {
            "crux": {"area": area, "kappa": [area, area]},
            "margin": {"area": other, "kappa": [0.0, 2 * other]},
            "random": {"area": 0.1, "kappa": [0.1, 0.1]},
        },
    }


def test_a_strategy_that_did_not_run_everywhere_is_not_compared() -> None:
    results = {"one": one(0.5, 0.4), "two": one(0.6, 0.2)}
    results["two"]["strategies"]["late"] = {"area": 0.9, "kappa": [0.9, 0.9]}
    found = areas(results)
    assert set(found) == {"crux", "margin", "random"}
    assert found["crux"] == {"one": 0.5, "two": 0.6}
    assert best_single(found) == "margin"


def test_the_picture_draws_every_strategy_and_names_it() -> None:
    root = ElementTree.fromstring(panels({"one": one(0.5, 0.4)}, "crux"))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    lines = list(root.iter(f"{space}polyline"))
    assert sorted(line.findtext(f"{space}title") or "" for line in lines) == [
        "crux", "margin", "random",
    ]  # fmt: skip
    assert "A <set>" in [text.text for text in root.iter(f"{space}text")]
    ours = next(line for line in lines if line.findtext(f"{space}title") == "crux")
    heights = [float(p.split(",")[1]) for p in ours.attrib["points"].split()]
    assert heights[0] == heights[1]  # a flat curve
    rising = next(line for line in lines if line.findtext(f"{space}title") == "margin")
    ends = [float(p.split(",")[1]) for p in rising.attrib["points"].split()]
    assert ends[1] < ends[0]


def test_no_statistics_no_chapter(tmp_path: Path) -> None:
    assert statistics(tmp_path / "none.json") == ""


def test_a_set_that_was_not_measured_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.results.RESULTS", Path("nowhere"))
    assert load("efficiency") == {}
