import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.choice import report as choice
from benchmarks.choice.picture import panels
from benchmarks.choice.report import areas, best_single, load
from benchmarks.report import claim, document
from benchmarks.statistics import report as statistics


def test_the_document_has_the_figures_of_the_kept_results() -> None:
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


def kept(folder: Path, part: str, name: str, **changed: Any) -> None:
    """Copy a set's kept result into the folder, with some of its figures changed."""
    body = json.loads(Path(f"benchmarks/results/{part}/{name}.json").read_text())
    (folder / part).mkdir(exist_ok=True)
    (folder / part / f"{name}.json").write_text(json.dumps({**body, **changed}))


def test_the_chapter_names_seeds_sources_and_what_a_choice_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.choice.report.RESULTS", tmp_path)
    for part, name, seeds in (
        ("efficiency", "clickbait", 5), ("efficiency", "edos5", 4),
        ("useless", "clickbait", 1), ("noise10", "edos5", 2),
    ):  # fmt: skip
        kept(tmp_path, part, name, seeds=seeds)
    rows = {line.split(" | ")[0]: line for line in choice.chapter().splitlines()}
    assert " strategies, 4 or 5 seeds, six rounds" in choice.chapter()
    assert rows["| EDOS: five classes"] == (
        "| EDOS: five classes | Kirk et al. 2023 (rewire-online/edos) | CC0-1.0 |"
    )
    start = next(row for name, row in rows.items() if "a useless start" in name)
    assert start.endswith("% (1 seed) |")
    assert rows["| 10 % wrong labels: at or above the best"].endswith("; 2 seeds) |")
    cost = "| a choice of 64 in under 2 s"
    assert rows[cost].endswith(" s |") and ";" not in rows[cost]
    body = {"rows": 20_000, "width": 384, "count": 64, "seconds": 0.107}
    (tmp_path / "cost.json").write_text(json.dumps(body))
    assert " s; 64 of 20,000 rows of 384 numbers 0.11 s |" in choice.chapter()


def test_the_share_of_positives_is_given_for_two_labels_and_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.choice.report.RESULTS", tmp_path)
    kept(tmp_path, "efficiency", "clickbait", prevalence=0.0477)
    kept(tmp_path, "efficiency", "edos5", prevalence={"a": 0.02, "b": 0.22, "none": 0.76})
    assert "| Clickbait, 5 % | 4.8% |" in choice.chapter()
    assert "| EDOS: five classes | 24.0% |" in choice.chapter()


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


def test_without_statistics_there_is_no_chapter(tmp_path: Path) -> None:
    assert statistics.chapter(tmp_path / "none.json") == ""


def test_without_results_no_set_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.choice.report.RESULTS", Path("nowhere"))
    assert load("efficiency") == {}


def test_a_variant_is_compared_with_our_choice_seed_by_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Differences 0.1 and 0.3 on one set, -0.1 and -0.1 on the other: mean 0.05. The standard
    errors are 0.1 and 0, so that of the mean is 0.05."""
    monkeypatch.setattr("benchmarks.choice.report.RESULTS", tmp_path)
    kept(tmp_path, "efficiency", "clickbait")
    for name, ours, otherwise in (("a", [0.5, 0.5], [0.6, 0.8]), ("b", [0.2, 0.4], [0.1, 0.3])):
        strategies = {"crux": {"area_by_seed": ours}, "wider": {"area_by_seed": otherwise}}
        body = {"strategies": strategies, "seeds": 2}
        (tmp_path / "variants").mkdir(exist_ok=True)
        (tmp_path / "variants" / f"{name}.json").write_text(json.dumps(body))
    rows = choice.chapter().splitlines()
    assert "| nothing | 0.4000 | |" in rows
    assert "| wider | 0.4500 | +0.0500 ± 0.0500 |" in rows


def test_the_errors_in_regions_stand_beside_those_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.choice.report.RESULTS", tmp_path)
    kept(tmp_path, "efficiency", "clickbait")
    one = {"clustered": 1.0, "regions": 3.5, "none": 0.25, "inside": 0.4, "wrong_inside": 0.2,
           "wrong_outside": 0.1, "wrong_alike": 0.15}  # fmt: skip
    none = {**one, "clustered": 0.1, "regions": 0.0, "none": 1.0, "inside": 0.0,
            "wrong_inside": None, "wrong_alike": None}  # fmt: skip
    both = {"k-means": one, "HDBSCAN": none}
    (tmp_path / "confusion.json").write_text(json.dumps({"clickbait": both, "every set": both}))
    rows = choice.chapter().splitlines()
    figures = "100% | 3.5 | 25% | 40% | 20% | 10% | 15% |"
    assert f"| k-means | Clickbait, 5 % | {figures}" in rows
    assert f"| k-means | all of them | {figures}" in rows
    assert "| HDBSCAN | all of them | 10% | 0.0 | 100% | 0% | – | 10% | – |" in rows
