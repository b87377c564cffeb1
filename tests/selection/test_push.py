from dataclasses import replace
from typing import Any

import pytest

from selection import push as module
from selection.card import Card
from selection.collect import collect
from selection.errors import StudioDown
from selection.order import Order
from selection.push import push, tab_title
from selection.studio.api import Project, Task
from selection.studio.task import read_task
from tests.fakes import SCHEMA, FakeStudio

PROJECT = Project(7, "title", "policy", SCHEMA, "<View/>", "", 0, 0, 1, "Sequential", True)


def card(i: int, role: str, round: int = 0) -> Card:
    """role: 'hidden' is a training text that is served blind."""
    belief = {"yes": 0.25, "no": 0.75}
    return Card(
        id=f"r{round}-{i:02d}",
        round=round,
        order=i,
        role="train" if role == "hidden" else role,
        pair=f"p{i // 2}",
        inclusion=0.2 if role == "audit" else None,
        experts=2 if role == "audit" else 1,
        version="v1",
        belief=belief,
        why=f"because {i}",
        seed=0,
        reserve=0.25,
        hidden=role == "hidden",
        twin=0,
        second=0.5 if role == "audit" else 1.0,
    )


def order(n: int = 13, round: int = 0, moved: dict[str, float] | None = None) -> Order:
    roles = ("train", "audit", "train", "hidden")
    cards = tuple(card(i, roles[i % 4], round) for i in range(n))
    return Order(round, cards, tuple(f"text {round} {i}" for i in range(n)), moved or {})


def put(studio: FakeStudio, what: Order, tasks: list[Task] | None = None) -> int:
    """Push with the tasks that were read before, by default just now."""
    known = seen(studio) if tasks is None else tasks
    return push(studio, PROJECT, what, known)  # type: ignore[arg-type]


def seen(studio: FakeStudio) -> list[Task]:
    """The project's tasks, without a call that the tests count."""
    return [read_task(body, SCHEMA, {}) for body in studio.bodies.values()]


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
        "data": {
            "text": "text 0 0", "crux_round": 0, "crux_order": 0, "crux_id": "r0-00",
            "crux_region": "",
        },
        "meta": card(0, "train").as_meta(),
        "overlap": 1,
        "annotations": [],
        "predictions": [
            {
                "id": 100,
                "result": [region | {"value": {"choices": ["no"]}}],
                "score": 0.75,
                "model_version": "v1",
            }
        ],
        "is_labeled": False,
    }
    assert (blind["overlap"], blind["predictions"]) == (1, [])
    assert blind["meta"]["crux"]["blind"] is True


def test_a_blind_task_stays_blind_where_one_expert_must_do() -> None:
    studio = FakeStudio()
    cards = replace(card(1, "audit"), experts=1), card(2, "hidden")
    put(studio, Order(0, cards, ("text", "other"), {}))
    assert [body["predictions"] for body in studio.bodies.values()] == [[], []]


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


def test_only_the_tasks_of_the_round_are_read_again() -> None:
    studio = FakeStudio()
    put(studio, order(13))
    known = seen(studio)
    studio.read.clear()
    put(studio, order(3, round=1), known)
    assert studio.read == [0, 3]
    studio.read.clear()
    put(studio, order(3, round=1))
    assert studio.read == [3, 3]


def test_what_somebody_pushed_since_the_tasks_were_read_is_not_bought_again() -> None:
    studio = FakeStudio()
    put(studio, order(4))
    known = seen(studio)
    put(studio, order(13, round=1))  # another machine, while this one chose
    assert put(studio, order(13, round=1), known) == 0
    assert bought(studio)[4:] == [f"r1-{i:02d}" for i in range(13)]


def test_an_answer_that_came_since_the_tasks_were_read_is_not_deleted() -> None:
    studio = FakeStudio()
    put(studio, order(3))
    studio.import_tasks(7, [studio.bodies[2] | {"annotations": []}])
    known = seen(studio)
    studio.answer(4, "yes", by=1)
    put(studio, order(3), known)
    assert sorted(studio.bodies) == [1, 3, 4]


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
    studio.bodies[2]["overlap"] = 2  # as a change of the project's overlap does
    put(studio, order(4))
    assert [body["overlap"] for body in studio.bodies.values()] == [1, 1, 1, 1]


def test_progress_is_told_after_every_request() -> None:
    reported: list[tuple[int, int]] = []
    studio: Any = FakeStudio()
    push(studio, PROJECT, order(10), [], lambda *now: reported.append(now))
    assert reported == [(4, 10), (8, 10), (10, 10)]


def test_the_tab_is_named_after_the_round() -> None:
    assert tab_title(3) == "Crux round 3"
