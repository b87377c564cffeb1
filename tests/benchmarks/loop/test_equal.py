import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.loop.equal import chapter, needed
from benchmarks.loop.kept import Kept, Line, Piece

END = Line(6, 400, "two", 0.6, 0.5, 0.7, 0.7, 0.5, 0.4, 0.8, 40, 280, 9, 60, 60.0, "", "c")
START = replace(END, round=-1, verdicts=0, kappa=0.0, taught=0)


@pytest.mark.parametrize(
    ("target", "labels"),
    [(0.5, 1000.0), (0.1, 100.0), (0.05, 100.0), (0.3, math.sqrt(100 * 1000)), (0.6, 10_000.0)],
)
def test_the_labels_needed_lie_on_a_line_over_their_logarithm(target: float, labels: float) -> None:
    assert needed([100, 1000, 10_000], [0.1, 0.5, 0.6], target) == pytest.approx(labels)


def test_what_no_number_of_labels_reached_needs_infinitely_many() -> None:
    assert needed([100, 1000], [0.1, 0.5], 0.51) == math.inf


def test_a_curve_that_falls_keeps_what_it_reached_before() -> None:
    assert needed([10, 100, 1000], [0.4, 0.2, 0.6], 0.4) == 10
    assert needed([10, 100, 1000], [0.4, 0.2, 0.6], 0.5) == pytest.approx(100 * math.sqrt(10))


def keep(folder: Path, seeds: int, most: int) -> None:
    kept = Kept(folder / "rare.jsonl")
    for seed in range(seeds):
        piece = Piece("rare", "digest", "crux", seed, 400)
        for line in (START, replace(END, kappa=0.6 + 0.02 * seed)):
            kept.add(piece, line)
        kept.finish(piece)
    random = Piece("rare", "digest", "random", 0, most)
    for labels, kappa in ((0, 0.0), (100, 0.2), (1000, 0.4), (3000, 0.7)):
        kept.add(random, replace(END, round=labels, verdicts=labels, kappa=kappa))
    kept.finish(random)


def test_one_loop_has_the_interval_of_the_test_texts(tmp_path: Path) -> None:
    keep(tmp_path, 1, 3000)
    assert chapter(tmp_path).splitlines()[-1] == (
        "| rare | 0.60 [0.50, 0.70] (1) | 100: 0.20, 1,000: 0.40, 3,000: 0.70 | "
        "2,080 (1,442 to 3,000) | 5.2 (3.6 to 7.5) |"
    )


def test_several_loops_have_the_interval_of_their_mean(tmp_path: Path) -> None:
    keep(tmp_path, 2, 3000)
    assert "| rare | 0.61 [0.48, 0.74] (2) |" in chapter(tmp_path)
    assert "(1,355 to over 3,000) | 5.4 (3.4 to over 7.5) |" in chapter(tmp_path)


def test_without_more_random_labels_than_verdicts_there_is_no_chapter(tmp_path: Path) -> None:
    keep(tmp_path, 1, 400)
    assert chapter(tmp_path) == ""
