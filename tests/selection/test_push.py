import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selection import push as module
from selection.card import Card
from selection.collect import collect
from selection.errors import RoundError, StudioDown
from selection.push import Order, push, tab_title
from selection.studio.api import Project
from tests.fakes import SCHEMA, FakeStudio

PROJECT = Project(7, "title", "policy", SCHEMA, "<View/>", "", 0, 0, 1, "Sequential", True)


def card(i: int, role: str, round: int = 0) -> Card:
    belief = {"yes": 0.25, "no": 0.75}
    return Card(
        id=f"r{round}-{i:02d}",
        round=round,
        order=i,
        role=role,
        pair=f"p{i // 2}",
        inclusion=0.2 if role == "audit" else None,
        stratum="no",
        experts=1 if role == "train" else 2,
        version="v1",
        belief=belief,
        why=f"because {i}",
        seed=0,
        reserve=0.25,
    )


def order(n: int = 13, round: int = 0, moved: dict[str, float] | None = None) -> Order:
    roles = ("train", "audit", "train", "boundary")
    cards = tuple(card(i, roles[i % 4], round) for i in range(n))
    return Order(round, cards, tuple(f"text {round} {i}" for i in range(n)), moved or {})


def put(studio: FakeStudio, what: Order) -> int:
    return push(studio, PROJECT, what)  # type: ignore[arg-type]


def bought(studio: FakeStudio) -> list[str]:
    return [body["meta"]["crux"]["id"] for body in studio.bodies.values()]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 4)


def test_cards_become_tasks_in_their_order() -> None:
    studio = FakeStudio()
    assert put(studio, order()) == 13
    assert bought(studio) == [f"r0-{i:02d}" for i in range(13)]
    assert studio.titles == ["Crux round 0"]
    assert studio.calls[-1] == "create_tab"


def test_a_training_task_shows_what_the_model_thinks_and_a_blind_one_does_not() -> None:
    studio = FakeStudio()
    put(studio, order(2))
    train, blind = studio.bodies.values()
    region = {"from_name": "verdict", "to_name": "text", "type": "choices"}
    assert train == {
        "id": 1,
        "data": {"text": "text 0 0", "crux_round": 0, "crux_order": 0, "crux_id": "r0-00"},
        "meta": card(0, "train").as_meta(),
        "overlap": 1,
        "annotations": [],
        "predictions": [
            {
                "result": [region | {"value": {"choices": ["no"]}}],
                "score": 0.75,
                "model_version": "v1",
            }
        ],
    }
    assert (blind["overlap"], blind["predictions"]) == (2, [])
    assert blind["meta"]["crux"]["blind"] is True


def test_a_blind_task_stays_blind_where_one_expert_must_do() -> None:
    studio = FakeStudio()
    put(studio, Order(0, (replace(card(1, "boundary"), experts=1),), ("text",), {}))
    assert [body["predictions"] for body in studio.bodies.values()] == [[]]


def test_what_was_pushed_is_collected_again() -> None:
    studio = FakeStudio()
    put(studio, order())
    items = collect(studio.tasks(7), SCHEMA).items
    assert tuple(item.card for item in items) == order().cards
    assert tuple(item.text for item in items) == order().texts


def test_pushing_twice_changes_nothing() -> None:
    studio = FakeStudio()
    put(studio, order())
    before, calls = repr(studio.bodies), len(studio.calls)
    assert put(studio, order()) == 0
    assert repr(studio.bodies) == before
    assert studio.titles == ["Crux round 0"]
    assert set(studio.calls[calls:]) == {"tasks", "tabs"}


@pytest.mark.parametrize("cut", [0, 2])
@pytest.mark.parametrize("answered", range(9))
def test_a_push_that_was_cut_off_anywhere_is_finished_by_the_next(answered: int, cut: int) -> None:
    whole = FakeStudio()
    put(whole, order())
    studio = FakeStudio()
    studio.down_after, studio.cut = answered, cut
    try:
        put(studio, order())
    except StudioDown:
        assert studio.titles == []  # a tab says that the push is complete
    else:
        assert answered == 8
    studio.up()
    put(studio, order())
    assert bought(studio) == bought(whole)
    assert studio.bodies == whole.bodies
    assert studio.titles == ["Crux round 0"]
    assert put(studio, order()) == 0


def test_two_pushes_at_once_leave_every_task_once() -> None:
    studio = FakeStudio()
    studio.before_import = lambda: put(studio, order())  # the other one is faster
    put(studio, order())
    assert bought(studio) == [f"r0-{i:02d}" for i in range(13)]
    assert min(studio.bodies) == 1  # the older ones stay
    assert studio.titles == ["Crux round 0"]


def test_of_two_of_a_task_the_answered_one_stays() -> None:
    studio = FakeStudio()
    put(studio, order(3))
    studio.titles.clear()
    studio.import_tasks(7, [studio.bodies[2] | {"annotations": []}])
    studio.answer(4, "yes", by=1)
    put(studio, order(3))
    assert sorted(studio.bodies) == [1, 3, 4]


def test_an_answered_task_is_never_deleted() -> None:
    studio = FakeStudio()
    put(studio, order(3))
    studio.import_tasks(7, [studio.bodies[2]])
    studio.answer(2, "yes", by=1)
    studio.answer(4, "no", by=2)
    put(studio, order(3))
    assert sorted(studio.bodies) == [1, 2, 3, 4]


def test_tasks_of_others_are_left_alone() -> None:
    studio = FakeStudio()
    studio.import_tasks(7, [{"data": {"text": "theirs"}}, {"data": {}, "meta": {"x": 1}}])
    before = repr(studio.bodies)
    put(studio, order(3))
    assert repr({i: studio.bodies[i] for i in (1, 2)}) == before
    assert len(studio.bodies) == 5


def test_new_chances_reach_the_tasks_of_earlier_rounds_and_nothing_else_changes() -> None:
    studio = FakeStudio()
    put(studio, order(4))
    studio.bodies[2]["meta"]["theirs"] = "kept"
    before = {number: repr(body) for number, body in studio.bodies.items()}
    put(studio, order(2, round=1, moved={"r0-01": 0.5, "not-there": 0.9}))
    assert studio.bodies[2]["meta"] == {
        "crux": {**card(1, "audit").as_meta()["crux"], "inclusion": 0.5}, "theirs": "kept"
    }  # fmt: skip
    assert [i for i in before if repr(studio.bodies[i]) != before[i]] == [2]
    calls = len(studio.calls)
    put(studio, order(2, round=1, moved={"r0-01": 0.5}))
    assert "set_meta" not in studio.calls[calls:]


def test_a_task_that_label_studio_gave_another_overlap_is_set_right() -> None:
    studio = FakeStudio()
    put(studio, order(4))
    studio.bodies[2]["overlap"] = 1  # as a change of the project's overlap does
    put(studio, order(4))
    assert [body["overlap"] for body in studio.bodies.values()] == [1, 2, 1, 2]


def test_progress_is_told_after_every_request() -> None:
    seen: list[tuple[int, int]] = []
    push(FakeStudio(), PROJECT, order(10), lambda *now: seen.append(now))  # type: ignore[arg-type]
    assert seen == [(4, 10), (8, 10), (10, 10)]


# the file


def test_an_order_is_written_down_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "rounds" / "7" / "round-0.json"
    whole = order(5, moved={"x": 0.123456789012345})
    odd = replace(whole, texts=("Grüße ☃", "line\nend", '"quoted"', "\t", "a" * 100_000))
    odd.save(file)
    assert Order.load(file) == odd
    assert [p.name for p in file.parent.iterdir()] == ["round-0.json"]


def changed(**more: Any) -> str:
    import json
    from dataclasses import asdict

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
from selection.push import Order
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


def test_the_tab_is_named_after_the_round() -> None:
    assert tab_title(3) == "Crux round 3"
