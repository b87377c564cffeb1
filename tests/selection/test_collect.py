from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from selection.card import Card
from selection.collect import Collected, collect, sample_of, verdicts_of
from selection.errors import ProjectError
from selection.studio.task import read_task
from tests.fakes import SCHEMA

CARD = Card("a", 0, 0, "train", "a", None, "yes", 1, "v1", {"yes": 0.6, "no": 0.4}, "why", 0, 0.25)
EMAILS = {1: "ann@example.org", 2: "bob@example.org"}


def said(number: int, by: int, label: str | None, at: str, **more: Any) -> dict[str, Any]:
    region = {"from_name": "verdict", "type": "choices", "value": {"choices": [label]}}
    answer = {"id": number, "completed_by": by, "updated_at": at, "was_cancelled": False}
    return answer | {"result": [] if label is None else [region]} | more


def task(number: int, card: Card | None, *annotations: dict[str, Any], **data: Any) -> Any:
    body = {
        "id": number,
        "data": {"text": f"text {number}"} | data,
        "meta": {} if card is None else card.as_meta(),
        "annotations": list(annotations),
    }
    return read_task(body, SCHEMA, EMAILS)


def only(*annotations: dict[str, Any], experts: int = 1) -> Any:
    (item,) = collect([task(5, replace(CARD, experts=experts), *annotations)], SCHEMA).items
    return item


def test_items_come_by_round_and_order_and_tasks_of_others_are_left_alone() -> None:
    tasks = [
        task(1, replace(CARD, id="c", round=1, order=0)),
        task(2, None, said(1, 1, "yes", "2026-01-01")),
        task(3, replace(CARD, id="b", order=1)),
        task(4, replace(CARD, id="a", order=0)),
    ]
    collected = collect(tasks, SCHEMA)
    assert [item.card.id for item in collected.items] == ["a", "b", "c"]
    assert [item.text for item in collected.items] == ["text 4", "text 3", "text 1"]
    assert (collected.rounds, collected.last_round) == ([0, 1], 1)
    assert (collected.labels, collected.problems) == (("yes", "no"), ())


def test_the_latest_annotation_of_an_expert_counts() -> None:
    item = only(
        said(1, 1, "no", "2026-01-03T10:00:00Z"),
        said(2, 1, "yes", "2026-01-01T10:00:00Z"),
        said(3, 2, "yes", "2026-01-02T10:00:00Z"),
    )
    assert item.verdicts == {"ann@example.org": 1, "bob@example.org": 0}
    assert item.answered == 2


def test_of_two_at_the_same_moment_the_higher_number_counts() -> None:
    item = only(said(9, 1, "no", "2026-01-01"), said(8, 1, "yes", "2026-01-01"))
    assert item.verdicts == {"ann@example.org": 1}


@pytest.mark.parametrize("skip", [{"was_cancelled": True}, {"result": []}])
def test_a_skip_is_an_answer_without_a_verdict(skip: dict[str, Any]) -> None:
    item = only(said(1, 1, "yes", "2026-01-01", **skip), experts=2)
    assert (item.verdicts, item.answered, item.done) == ({}, 1, False)


def test_a_skip_takes_back_what_was_said_before() -> None:
    item = only(
        said(1, 1, "yes", "2026-01-01"), said(2, 1, None, "2026-01-02", was_cancelled=True)
    )
    assert (item.verdicts, item.answered, item.done) == ({}, 1, True)


def test_a_label_that_the_config_does_not_know_is_named_and_no_answer() -> None:
    collected = collect([task(5, CARD, said(77, 1, "perhaps", "2026-01-01"))], SCHEMA)
    assert collected.problems == (
        "Annotation 77 of task 5 is none of the labels (yes, no); left out.",
    )
    assert (collected.items[0].verdicts, collected.items[0].answered) == ({}, 0)
    assert collected.waiting(0) == 1


def test_a_task_without_its_text_is_named_and_left_out() -> None:
    tasks = [task(5, CARD, text=None), task(6, replace(CARD, id="b"))]
    collected = collect(tasks, SCHEMA)
    assert collected.problems == ("Task 5 has no text in 'text'; left out.",)
    assert [item.card.id for item in collected.items] == ["b"]


def test_a_damaged_card_is_an_error_that_names_the_task() -> None:
    damaged = task(5, CARD)
    damaged.meta["crux"]["round"] = "first"
    with pytest.raises(ProjectError, match="task 5 is damaged .*round is 'first'"):
        collect([damaged], SCHEMA)


def test_a_deleted_task_is_not_bought_any_more() -> None:
    tasks = [task(1, CARD), task(2, replace(CARD, id="b"))]
    assert collect(tasks, SCHEMA).bought.ids == {"a", "b"}
    after = collect(tasks[:1], SCHEMA).bought
    assert (after.ids, after.texts) == ({"a"}, {"text 1"})


@pytest.fixture
def two_rounds() -> Collected:
    audit = replace(CARD, id="c", role="audit", experts=2, round=1, pair="c", inclusion=0.1)
    return collect(
        [
            task(1, CARD, said(1, 1, "yes", "2026-01-01")),
            task(2, replace(CARD, id="b", order=1)),
            task(3, audit, said(2, 1, "no", "2026-01-01"), said(3, 2, None, "2026-01-01")),
        ],
        SCHEMA,
    )


def test_a_round_is_complete_when_every_task_has_its_answers(two_rounds: Collected) -> None:
    assert [two_rounds.complete(round) for round in (0, 1, 2)] == [False, True, False]
    assert [two_rounds.waiting(round) for round in (0, 1, 2)] == [1, 0, 0]
    assert two_rounds.labels_bought == 2


def test_more_answers_than_asked_for_do_not_pay_for_another_task() -> None:
    both = said(1, 1, "yes", "2026-01-01"), said(2, 2, "no", "2026-01-01")
    collected = collect([task(1, CARD, *both), task(2, replace(CARD, id="b"))], SCHEMA)
    assert (collected.waiting(0), collected.complete(0)) == (1, False)


def test_the_past_can_be_looked_at(two_rounds: Collected) -> None:
    past = two_rounds.until(0)
    assert [item.card.id for item in past.items] == ["a", "b"]
    assert (past.last_round, past.labels_bought) == (0, 1)
    assert collect([], SCHEMA).last_round == -1
    assert [item.card.id for item in two_rounds.role("audit")] == ["c"]


def test_verdicts_become_a_table() -> None:
    items = collect(
        [
            task(1, CARD, said(1, 2, "yes", "2026-01-01"), said(2, 1, "no", "2026-01-01")),
            task(2, replace(CARD, id="b", order=1)),
            task(3, replace(CARD, id="c", order=2), said(3, 2, "no", "2026-01-01")),
        ],
        SCHEMA,
    ).items
    verdicts = verdicts_of(items, 2)
    assert verdicts.experts == ("ann@example.org", "bob@example.org")
    assert verdicts.table.tolist() == [[1, 0], [-1, -1], [-1, 1]]
    assert verdicts_of([], 2).table.shape == (0, 0)


def test_the_sample_says_how_each_item_was_drawn() -> None:
    def audit(name: str, stratum: str, chance: float, order: int) -> Card:
        return replace(
            CARD, id=name, pair=name, role="audit", stratum=stratum, inclusion=chance, order=order
        )

    cards = [
        replace(CARD, id="a", pair="a|b", role="boundary", order=0),
        replace(CARD, id="b", pair="a|b", role="boundary", stratum="no", order=1),
        audit("c", "yes", 0.25, 2),
        audit("d", "no", 0.1, 3),
        audit("e", "no", 0.1, 4),
    ]
    sample = sample_of(collect([task(i, c) for i, c in enumerate(cards)], SCHEMA).items)
    assert sample.weight.tolist() == [1.0, 1.0, 4.0, 10.0, 10.0]
    same = (sample.group[:, None] == sample.group).tolist()
    assert same == np.array(
        [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    ).astype(bool).tolist()  # fmt: skip
