import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selection.backend_client import Scores
from selection.card import Card
from selection.collect import collect
from selection.config import Settings
from selection.errors import RoundError
from selection.order import Order, make_order, rebuilt
from selection.push import push
from selection.second import asks_all
from selection.types import Audit, Choice, Pool
from tests.fakes import SCHEMA, FakeStudio
from tests.selection.test_push import PROJECT, card, order


def strings(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


def test_an_order_has_a_card_for_every_chosen_row_and_new_chances_for_earlier_ones() -> None:
    pool = Pool(strings("a", "b", "c", "d"), strings("one", "two", "three", "four"))
    choice = Choice.without_region(
        np.array([3, 0]), strings("audit", "train"), strings("d", "a|b"),
        np.array([0.5, np.nan]), strings("by chance", "near b"),
    )  # fmt: skip
    sample = Audit(np.array([1, 3]), np.array([0.25, 0.5]))
    scores = [
        Scores("v1", ("yes", "no"), np.array([[0.12345678, 0.87654322]])),
        Scores("v2", ("yes", "no"), np.array([[1.0, 0.0]])),  # promoted meanwhile
    ]
    settings = Settings(project=7, experts=3, seed=5, audit_reserve=0.2)
    shared = {"round": 2, "seed": 5, "reserve": 0.2, "policy": "5d0c7a1e", "twin": 0}
    made = make_order(
        2, pool, choice, sample, scores, settings, policy="5d0c7a1e", visible=True, second=1.0
    )
    assert made == Order(
        2,
        (
            Card(id="d", order=0, role="audit", pair="d", inclusion=0.5, experts=3, version="v1",
                 belief={"yes": 0.1235, "no": 0.8765}, why="by chance", **shared),
            Card(id="a", order=1, role="train", pair="a|b", inclusion=None, experts=1, version="v2",
                 belief={"yes": 1.0, "no": 0.0}, why="near b", **shared),
        ),
        ("four", "one"),
        {"b": 0.25},
    )  # fmt: skip


def audited(ids: list[str], second: float, experts: int = 3) -> Order:
    """An order in which the first id is chosen, and all others are audited."""
    n = len(ids)
    pool = Pool(strings(*ids), strings(*(f"text {i}" for i in ids)))
    role = strings("train", *["audit"] * (n - 1))
    chance = np.where(role == "audit", 0.2, np.nan)
    choice = Choice.without_region(np.arange(n), role, strings(*ids), chance, strings(*[""] * n))
    scores = [Scores("v1", ("yes", "no"), np.full((n, 2), 0.5))]
    sample = Audit(np.arange(1, n), np.full(n - 1, 0.2))
    settings = Settings(project=7, experts=experts)
    return make_order(
        0, pool, choice, sample, scores, settings, policy="", visible=True, second=second
    )


IDS = [f"id {i:04d}" for i in range(2_001)]


def test_all_experts_are_asked_about_the_part_of_the_audit_that_the_chance_says() -> None:
    chosen, *drawn = audited(IDS, 0.25).cards
    assert (chosen.experts, chosen.second) == (1, 1.0)
    assert {card.second for card in drawn} == {0.25}
    assert {card.experts for card in drawn} == {1, 3}
    asked = {card.id for card in drawn if card.experts == 3}
    assert asked == {name for name in IDS[1:] if asks_all(name, 0.25)}
    # four standard errors of a share of 2,000
    assert abs(len(asked) / 2_000 - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2_000)


def test_a_chance_of_one_asks_all_experts_about_every_audited_text() -> None:
    chosen, *drawn = audited(IDS[:50], 1.0).cards
    assert {card.experts for card in drawn} == {3}
    assert chosen.experts == 1


def test_where_experts_is_one_nobody_is_asked_twice() -> None:
    assert {card.experts for card in audited(IDS[:50], 1.0, experts=1).cards} == {1}


def test_an_order_whose_file_is_lost_is_what_has_arrived() -> None:
    studio: Any = FakeStudio()
    push(studio, PROJECT, order(3), [])
    push(studio, PROJECT, order(2, round=1), studio.tasks(7))
    collected = collect(studio.tasks(7), SCHEMA)
    assert rebuilt(collected, 1) == order(2, round=1)


# the file


def test_an_order_is_written_down_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rounds" / "7" / "round-0.json"
    whole = order(5, moved={"x": 0.123456789012345})
    odd = replace(whole, texts=("Grüße ☃", "line\nend", '"quoted"', "\t", "a" * 100_000))
    odd.save(file)
    assert Order.load(file) == odd
    assert [p.name for p in file.parent.iterdir()] == ["round-0.json"]


def changed(**more: Any) -> str:
    body = json.loads(json.dumps(asdict(order(2))))
    return json.dumps(body | more)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"round": 0}',
        b"\xff\xfe",
        changed(cards=[{"id": "a"}]),
        changed(cards=None),
        changed(texts=["only one"]),
        changed(),
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error_with_a_way_out(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "round-0.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    if content == changed():
        assert Order.load(file) == order(2)
        return
    with pytest.raises(RoundError, match=r"round-0.json is damaged .*Delete it and run crux round"):
        Order.load(file)


FULL = """
import resource, sys
from pathlib import Path
from dataclasses import replace
from selection.errors import RoundError
from selection.order import Order
file = Path(sys.argv[1])
Order(0, (), (), {}).save(file)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Order(0, (), ("x" * 10_000,), {}).save(file)
except RoundError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: both fail in the middle of a write."""
    file = tmp_path / "round-0.json"
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(file)], capture_output=True, text=True, check=True
    )
    assert said.stdout == (
        f"Cannot write the round to {file}: File too large. Free some space and run crux round "
        "again; nothing was pushed.\n"
    )
    assert Order.load(file) == Order(0, (), (), {})
    assert os.listdir(tmp_path) == ["round-0.json"]


def test_a_place_where_no_file_can_be_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(RoundError, match="Cannot write the round to .*: Not a directory"):
        order().save(tmp_path / "file" / "rounds" / "round-0.json")


def test_a_file_whose_cards_have_a_stratum_is_still_read(tmp_path: Path) -> None:
    file = tmp_path / "round-0.json"
    cards = [{**asdict(card(i, "train")), "stratum": "no"} for i in range(2)]
    file.write_text(changed(cards=cards))
    assert Order.load(file).cards == (card(0, "train"), card(1, "train"))
