import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_rel
from sklearn.metrics import cohen_kappa_score

from benchmarks.choice.datasets import Data, make
from benchmarks.choice.efficiency import EVERYTHING, Terms, compare_strategies, summary, table
from benchmarks.choice.learner import learn
from benchmarks.choice.race import Run, make_course
from benchmarks.choice.strategies import by_name
from selection.errors import SettingError


def a_run(kappa: list[float], seconds: float = 0.5) -> Run:
    curve = np.array(kappa)
    return Run(curve, curve / 2, 0.4, 0.1, np.full(len(kappa), seconds))


def data(n: int = 300) -> Data:
    rows = [(f"text {i}", "yes" if i % 10 == 0 else "no") for i in range(n)]
    return make(rows, "x", "yes")


RUNS = {
    "crux": [a_run([0.5, 0.7, 0.8]), a_run([0.6, 0.7, 0.8]), a_run([0.4, 0.6, 0.8])],
    "random": [a_run([0.1, 0.3, 0.6]), a_run([0.2, 0.3, 0.6]), a_run([0.0, 0.3, 0.6])],
    "margin": [a_run([0.5, 0.6, 0.7]), a_run([0.5, 0.6, 0.7]), a_run([0.4, 0.6, 0.8])],
    "lost": [a_run([0.0, 0.1, 0.2])] * 3,
}
TERMS = Terms(seeds=3, rounds=3, per_round=64)


def test_with_two_labels_the_prevalence_is_the_share_of_the_positive_one() -> None:
    assert summary(data(), TERMS, RUNS)["prevalence"] == 0.1


def test_with_more_labels_the_prevalence_is_the_share_of_each() -> None:
    three = make([(f"text {i}", "aaabbbbbcc"[i % 10]) for i in range(300)], "x")
    assert summary(three, TERMS, RUNS)["prevalence"] == {"a": 0.3, "b": 0.5, "c": 0.2}


def test_the_area_is_the_mean_of_the_curve_with_its_error_over_seeds() -> None:
    one = summary(data(), TERMS, RUNS)["strategies"]["crux"]
    assert one["kappa"] == pytest.approx([0.5, 0.6667, 0.8], abs=1e-4)
    areas = np.array([2.0, 2.1, 1.8]) / 3
    assert one["area"] == pytest.approx(areas.mean(), abs=1e-4)
    assert one["area_se"] == pytest.approx(areas.std(ddof=1) / 3**0.5, abs=1e-4)
    assert one["kappa_se"][2] == 0.0


def test_labels_to_random_lie_on_the_line_between_two_rounds() -> None:
    found = summary(data(), TERMS, RUNS)["strategies"]
    # random ends at 0.6; ours has 0.5 after 64 labels and 0.6667 after 128
    assert found["crux"]["labels_to_random"] == pytest.approx(64 + 64 * 0.1 / 0.16667, abs=0.1)
    assert found["random"]["labels_to_random"] == 192
    assert found["lost"]["labels_to_random"] is None


def test_ours_is_compared_with_the_best_of_the_others_seed_by_seed() -> None:
    result = summary(data(), TERMS, RUNS)
    assert result["best_peer"] == "margin"
    ours, theirs = ([one.kappa.mean() for one in RUNS[name]] for name in ("crux", "margin"))
    peer = ttest_rel(ours, theirs).confidence_interval()
    assert result["difference"] == pytest.approx(
        {"mean": np.mean(ours) - np.mean(theirs), "low": peer.low, "high": peer.high}, abs=1e-4
    )


def test_one_seed_has_no_interval() -> None:
    one = {name: runs[:1] for name, runs in RUNS.items()}
    result = summary(data(), Terms(1, 3), one)
    assert (result["difference"]["low"], result["strategies"]["crux"]["area_se"]) == (None, None)


def test_the_table_puts_the_best_first_and_says_which_strategy_never_reached_random() -> None:
    lines = table(summary(data(), TERMS, RUNS)).splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["crux", "margin", "random", "lost"]
    assert "never" in lines[4]
    assert lines[5].startswith("crux less margin: 0.05")


class Embedder:
    """Vectors that follow the label of invented texts."""

    def __call__(self, texts: tuple[str, ...]) -> np.ndarray:
        rng = np.random.default_rng(0)
        yes = np.array([t == "yes" or t.endswith("0") for t in texts])
        vectors = rng.normal(size=(len(texts), 8)) + 2 * yes[:, None] * np.eye(8)[0]
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_an_interrupted_measurement_runs_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.choice.efficiency.vectors_of", Embedder())
    keep = tmp_path / "runs" / "x.jsonl"
    terms = Terms(seeds=2, rounds=2, per_round=10)
    whole = compare_strategies(data(), terms, "crux,random", keep)
    lines = keep.read_text().splitlines()
    assert [(json.loads(x)["strategy"], json.loads(x)["seed"]) for x in lines] == [
        ("crux", 0), ("random", 0), (EVERYTHING, 0),
        ("crux", 1), ("random", 1), (EVERYTHING, 1),
    ]  # fmt: skip
    keep.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # killed while it wrote
    for _ in range(2):
        again = compare_strategies(data(), terms, "crux,random", keep)
        assert len(keep.read_text().splitlines()) == 7  # the damaged line, and what was missing
        for name in ("crux", "random"):
            assert again["strategies"][name]["kappa"] == whole["strategies"][name]["kappa"]
        assert again["everything"] == whole["everything"]


def test_everything_is_the_learner_trained_on_every_label_of_the_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.choice.efficiency.vectors_of", Embedder())
    few = data()
    course = make_course(Embedder()(few.texts), few.labels, Embedder()(few.describe), seed=0)
    pool, test = course.pool, course.test
    beliefs = learn(course.vectors[pool], few.labels[pool], course.vectors[test], 2)
    wanted = cohen_kappa_score(few.labels[test], beliefs.argmax(axis=1))
    found = compare_strategies(few, Terms(1, 1, 10), "crux")["everything"]
    assert found == pytest.approx(wanted, abs=1e-4)


def test_an_unknown_strategy_is_named() -> None:
    assert list(by_name(" crux, margin spread,random ")) == ["crux", "margin spread", "random"]
    pytest.importorskip("small_text", reason="the peers are not installed: make peers")
    with pytest.raises(SettingError, match="no strategy 'magic'"):
        by_name("crux,magic")
