from dataclasses import replace
from pathlib import Path

from benchmarks.loop.kept import Kept, Line, Piece
from benchmarks.loop.report import chapter, found, picture

START = Line(-1, 0, "prompted", 0.0, 0.0, 0.1, 0.1, None, None, None, 0, 0, 0, 0, 0.0, "", "a")
MIDDLE = Line(0, 40, "one", 0.2, 0.1, 0.3, 0.3, 0.5, 0.4, 0.6, 20, 30, 3, 4, 60.0, "", "b")
END = Line(1, 100, "two", 0.6, 0.5, 0.7, 0.7, 0.5, 0.4, 0.8, 40, 80, 9, 12, 60.0, "", "c")


def keep(folder: Path) -> Kept:
    kept = Kept(folder / "rare.jsonl")
    for seed, shift in enumerate((0.0, 0.2)):
        piece = Piece("rare", "digest", "crux", seed, 100)
        for line in (START, MIDDLE, replace(END, kappa=0.5 + shift)):
            kept.add(piece, line)
        kept.finish(piece)
    other = Piece("rare", "digest", "random 80/20", 0, 100)
    kept.add(other, START)
    kept.add(other, replace(END, kappa=0.1, positives=1, reported=None, reported_low=None))
    kept.finish(other)
    unfinished = Piece("rare", "digest", "margin", 0, 100)
    kept.add(unfinished, START)
    tagged = replace(other, tag="older")
    kept.add(tagged, END)
    kept.finish(tagged)
    return kept


def test_without_results_there_is_no_chapter(tmp_path: Path) -> None:
    assert chapter(tmp_path) == ""


def test_only_complete_loops_of_the_product_as_it_stands_are_told(tmp_path: Path) -> None:
    keep(tmp_path)
    [(where, systems)] = found(tmp_path).items()
    assert where == ("rare", 100)
    assert {name: len(seeds) for name, seeds in systems.items()} == {"crux": 2, "random 80/20": 1}


def test_the_chapter_has_a_row_for_each_system_of_a_set(tmp_path: Path) -> None:
    keep(tmp_path)
    *_, ours, other = chapter(tmp_path).splitlines()
    assert ours == (
        "| rare | crux | 2 | 50: 0.20, 100: 0.60 | 0.50, 0.70 | 12 | 80% | 2 of 4 | 2 |"
    )
    assert other == (
        "| rare | random 80/20 | 1 | 50: 0.00, 100: 0.10 | 0.10 | 1 | 80% | 0 of 0 | 1 |"
    )


def test_the_picture_has_a_panel_with_a_curve_for_each_system(tmp_path: Path) -> None:
    keep(tmp_path)
    svg = picture(tmp_path)
    assert "rare, 100 verdicts" in svg
    assert "<title>crux</title>" in svg and "<title>random 80/20</title>" in svg


def test_where_only_others_have_run_there_is_a_row_and_no_panel(tmp_path: Path) -> None:
    kept = keep(tmp_path)
    alone = Piece("rare", "digest", "random 80/20", 0, 50)
    kept.add(alone, START)
    kept.finish(alone)
    assert "rare, 50 verdicts" not in picture(tmp_path)
    assert sum("| random 80/20 |" in line for line in chapter(tmp_path).splitlines()) == 2
