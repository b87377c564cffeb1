"""A push of `crux round` that is broken in any call, and run again: every text is bought once."""

from collections import Counter
from typing import get_args

import pytest

from selection.card import Card
from selection.errors import StudioError
from selection.order import Order
from selection.push import push, tab_title
from selection.studio.api import Studio
from tests.faults.conftest import MakeStage
from tests.faults.proxy import Kind
from tests.faults.stage import Stage
from tests.faults.work import Work

WRITTEN = [kind for kind in get_args(Kind) if kind != "slow"]
READ: list[Kind] = ["500", "cut short"]  # one call reads like another: see test_label_studio.py
CALLS = [
    "GET /api/users/", "GET /api/tasks/", "POST /api/projects/{}/import",
    "GET /api/dm/views/", "POST /api/dm/views/order/", "POST /api/dm/views/",
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(make_stage: MakeStage) -> Stage:
    return make_stage()  # nothing runs: a push needs Label Studio alone


def order(round: int) -> Order:
    """Three tasks for training and two blind ones."""
    cards = tuple(
        Card(
            f"{round}-{i}", round, i, "audit" if i > 2 else "train", f"{round}-{i}",
            0.5 if i > 2 else None, 2 if i > 2 else 1, "v", {"yes": 0.5, "no": 0.5}, "why",
            0, 0.25, twin=0,
        )
        for i in range(5)
    )  # fmt: skip
    return Order(round, cards, tuple(f"text {card.id}" for card in cards), {})


def bought(work: Work) -> Counter[tuple[str, int]]:
    """(id of the pool, experts it asks for) of all tasks."""
    return Counter((t["meta"]["crux"]["id"], t["overlap"]) for t in work.tasks())


def push_again(stage: Stage, work: Work, studio: Studio, round: int) -> int:
    """What a new `crux round` does: read the tasks, and push with them."""
    project = stage.studio.project(work.id)
    tasks = stage.studio.tasks(work.id, project.schema)
    return push(studio, project, order(round), tasks)


def test_these_are_all_the_calls_of_a_push(stage: Stage) -> None:
    work = stage.project("calm")
    studio = Studio(stage.proxy.url, stage.server.admin.token)
    assert push_again(stage, work, studio, 0) == 5
    assert set(stage.proxy.calls) == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_a_push_that_is_broken_and_run_again_buys_every_text_once(stage: Stage, call: str) -> None:
    work = stage.project(call)
    studio = Studio(stage.proxy.url, stage.server.admin.token)
    kinds = READ if call.startswith("GET") else WRITTEN
    if call.endswith("/order/"):  # its answer is empty, so nothing of it can be cut
        kinds = [kind for kind in WRITTEN if not kind.startswith("cut")]
    for round, kind in enumerate(kinds):
        with stage.proxy.broken(kind, call) as fault, pytest.raises(StudioError) as error:
            push_again(stage, work, studio, round)
        assert fault.hits in (1, 3)  # a write is tried once, a read three times
        assert str(error.value).startswith(f"Label Studio at {stage.proxy.url} ")
        push_again(stage, work, studio, round)
        assert push_again(stage, work, studio, round) == 0
    assert bought(work) == {
        (f"{round}-{i}", 1): 1 for round in range(len(kinds)) for i in range(5)
    }
    newest_first = tuple(tab_title(round) for round in reversed(range(len(kinds))))
    assert stage.studio.tabs(work.id) == newest_first
