import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from selection.command.terminal import Steps, kappa, regions_table, rounds_table, tables
from selection.record import Remeasured
from selection.types import Estimate
from tests.selection.test_status import item, look, record
from tests.selection.test_status import kappa as figure


def printed(what: Any, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (None, "–"),
        (figure(0.614, 0.481, 0.72, 96), "0.61\n[0.48, 0.72]\nn=96"),
        (figure(-0.1, -0.2, 0.0, 9), "-0.10\n[-0.20, 0.00]\nn=9"),
        (figure(None, None, None, 3), "undefined\nn=3"),
        (Estimate(0.61, 0.48, 0.72, 96, confidence=0.98), "0.61\n[0.48, 0.72], 98 %\nn=96"),
        (figure(1.0, None, None, 2), "1.00\nn=2"),
    ],
)
def test_a_kappa_is_told_with_its_interval(body: Any, says: str) -> None:
    assert kappa(body) == says


def test_the_table_has_a_line_a_round() -> None:
    rounds = (record(0), record(1, promoted=False, version="round0-a"))
    text = printed(rounds_table(look((item(0, 1, 1),), rounds)))
    assert "Project 7: 1 verdicts bought" in text
    lines = [line for line in text.splitlines() if "go on" in line]
    assert "0.40" in lines[0]
    assert "[0.20, 0.60]" in text and "n=64" in text
    assert [line.split()[-1] for line in lines] == ["round0-a", "round0-a"]
    assert text.count("(kept)") == 1


def test_the_table_has_every_version_by_the_verdicts_of_today() -> None:
    again = Remeasured(0, "round0-a", figure(0.77, 0.71, 0.82), figure(-0.37, -0.4, -0.3))
    rounds = (record(0), record(1, earlier=(again,)))
    first, second = (
        line
        for line in printed(rounds_table(look((item(0, 1, 1),), rounds))).splitlines()
        if "go on" in line
    )
    assert "0.77" in first and "0.40" not in first
    assert "0.40" in second


@pytest.mark.parametrize(("wide", "width"), [(False, 80), (True, 120)])
def test_the_table_names_the_version_in_force_and_cuts_no_name(wide: bool, width: int) -> None:
    names = ("round10-16bc8b0c1d2e", "round11-9c41d2aa01f3")
    low = figure(-0.1, -0.33, -0.26)
    rounds = tuple(
        record(i, version=name, production_kappa=low, boundary_kappa=low, start_kappa=low)
        for i, name in enumerate(names)
    )
    now = replace(look((item(0, 1, 1),), rounds), current=names[1])
    text = printed(rounds_table(now, wide), width)
    assert f"{names[1]} is in force" in " ".join(text.split())
    assert (names[0] in text.split()) is wide
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_where_nothing_can_be_redrawn_a_step_is_told_at_its_start_and_its_end() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Steps(console) as steps:
        for done in range(1, 101):
            steps.say("embedding [the pool]", done, 100)
        steps.say("3 rows cannot be used", 0, 0)
        steps.say("choosing", 0, 1)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.splitlines() == [
        "embedding [the pool] 1/100", "embedding [the pool] 100/100", "3 rows cannot be used",
        "choosing 0/1",
    ]  # fmt: skip


def test_a_terminal_shows_a_bar_a_step() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, legacy_windows=False)
    with Steps(console) as steps:
        steps.say("embedding", 1, 2)
        steps.say("embedding", 2, 2)
        steps.say("a message", 0, 0)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "a message" in text
    assert "2/2" in text


def test_the_regions_are_a_table_and_their_names_cannot_be_markup() -> None:
    one = item(0, 1, 1)
    card = replace(one.card, hidden=True, region="[red]heel", region_share=0.031)
    inside = replace(one, card=card)
    text = printed(regions_table(look((inside,), (record(0),))))
    assert "Where the model is confused" in text
    [line] = [line for line in text.splitlines() if "heel" in line]
    assert line.split() == [
        "[red]heel", "3", "%", "1", "1", "of", "1", "–", "still", "there",
    ]  # fmt: skip
    assert [len(list(tables(look((of,), (record(0),))))) for of in (inside, one)] == [2, 1]
