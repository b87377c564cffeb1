from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from selection.card import Card
from selection.collect import Collected, collect
from selection.errors import ProjectError
from selection.studio.task import read_task
from selection.types import NO_VERDICT, Pool, Verdicts
from selection.verdict_table import majority, sample_of, verdicts_of
from tests.fakes import SCHEMA

CARD = Card("a", 0, 0, "train", "a", None, 1, "v1", {"yes": 0.6, "no": 0.4}, "why", 0, 0.25)
EMAILS = {1: "ann@example.org", 2: "bob@example.org"}


def said(number: int, by: int, label: str | None, at: str, **more: Any) -> dict[str, Any]:
    at = at if "T" in at else f"{at}T00:00:00Z"
    region = {"from_name": "verdict", "type": "choices", "value": {"choices": [label]}}
    answer = {"id": number, "completed_by": by, "updated_at": at, "was_cancelled": False}
    answer |= {"updated_by": by, "lead_time": 3.0}
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
    assert item.answered == {"ann@example.org", "bob@example.org"}


def test_of_two_at_the_same_moment_the_higher_number_counts() -> None:
    item = only(said(9, 1, "no", "2026-01-01"), said(8, 1, "yes", "2026-01-01"))
    assert item.verdicts == {"ann@example.org": 1}


def test_the_answers_of_two_deleted_users_complete_a_blind_task() -> None:
    gone = {"completed_by": None, "updated_by": None}
    item = only(
        said(1, 0, "no", "2026-01-01", **gone), said(2, 0, "yes", "2026-01-02", **gone), experts=2
    )
    assert (item.answered, item.done) == ({"deleted user", "deleted user 2"}, True)
    assert sorted(item.verdicts.values()) == [0, 1]


@pytest.mark.parametrize("skip", [{"was_cancelled": True}, {"result": []}])
def test_a_skip_is_no_verdict(skip: dict[str, Any]) -> None:
    item = only(said(1, 1, "yes", "2026-01-01", **skip), experts=2)
    assert (item.verdicts, item.passed, item.done) == ({}, {"ann@example.org"}, False)


def test_a_skip_takes_back_what_was_said_before() -> None:
    item = only(
        said(1, 1, "yes", "2026-01-01"), said(2, 1, None, "2026-01-02", was_cancelled=True)
    )
    assert (item.verdicts, item.passed, item.done) == ({}, {"ann@example.org"}, True)


def test_a_label_that_the_config_does_not_know_is_named_and_not_asked_again() -> None:
    collected = collect([task(5, CARD, said(77, 1, "perhaps", "2026-01-01"))], SCHEMA)
    assert collected.problems == (
        "1 annotation does not count (ann@example.org; first in task 5): of labels that the "
        "project does not have (any more): it has yes, no.",
    )
    assert collected.items[0].verdicts == {}
    assert collected.waiting(0) == 0  # the queue does not serve it again


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
            task(4, replace(CARD, id="d", round=1, order=1), said(4, 2, "no", "2026-01-01")),
        ],
        SCHEMA,
    )


def test_a_person_who_only_skips_does_not_complete_a_round(two_rounds: Collected) -> None:
    audit = replace(CARD, id="c", role="audit", experts=2, pair="c", inclusion=0.1)
    yes, skip = said(2, 1, "yes", "2026-01-01"), said(3, 2, None, "2026-01-01")
    assert collect([task(3, audit, yes, skip)], SCHEMA).waiting(0) == 1
    judged = task(4, replace(CARD, id="d"), said(4, 2, "no", "2026-01-01"))
    assert collect([task(3, audit, yes, skip), judged], SCHEMA).waiting(0) == 0
    assert collect([task(3, audit, skip)], SCHEMA).waiting(0) == 1  # nobody is a judge


def test_a_round_is_complete_when_every_task_has_its_answers(two_rounds: Collected) -> None:
    assert [two_rounds.complete(round) for round in (0, 1, 2)] == [False, True, False]
    assert [two_rounds.waiting(round) for round in (0, 1, 2)] == [1, 0, 0]
    assert two_rounds.labels_bought == 3


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
    def audit(name: str, chance: float, order: int, second: float = 1.0) -> Card:
        return replace(
            CARD, id=name, pair=name, role="audit", inclusion=chance, order=order, second=second
        )

    cards = [
        replace(CARD, id="a", pair="a|b", order=0),
        replace(CARD, id="b", pair="a|b", order=1),
        audit("c", 0.25, 2, 0.25),
        audit("d", 0.1, 3, 0.6),
        audit("e", 0.1, 4),
    ]
    sample = sample_of(collect([task(i, c) for i, c in enumerate(cards)], SCHEMA).items)
    assert sample.weight.tolist() == [1.0, 1.0, 4.0, 10.0, 10.0]
    assert sample.second is not None
    assert sample.second.tolist() == [1.0, 1.0, 0.25, 0.6, 1.0]
    same = (sample.group[:, None] == sample.group).tolist()
    assert same == np.array(
        [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    ).astype(bool).tolist()  # fmt: skip


def strings(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


POOL = Pool(strings("a", "b", "c", "d"), strings("one", "two", "three", "four"))


def test_what_experts_said_for_training_is_told_by_rows_of_the_pool() -> None:
    yes, no = said(1, 1, "yes", "2026-01-01"), said(2, 2, "no", "2026-01-01")
    collected = collect(
        [
            task(1, replace(CARD, id="d", order=0), no),
            task(2, replace(CARD, id="b", order=1), yes),
            task(3, replace(CARD, id="a", order=2), yes, no),  # experts differ
            task(4, replace(CARD, id="c", order=3)),  # not answered
            task(5, replace(CARD, id="gone", order=4), yes),  # no row of the pool any more
            task(6, replace(CARD, id="c", order=5, role="audit"), yes),  # not for training
        ],
        SCHEMA,
    )
    rows, labels = collected.taught(POOL)
    assert (rows.tolist(), labels.tolist()) == ([3, 1], [1, 0])
    nothing = collect([], SCHEMA).taught(POOL)
    assert [(one.tolist(), one.dtype) for one in nothing] == [([], np.int64)] * 2


def test_the_chances_of_audited_rows_are_told_by_rows_of_the_pool() -> None:
    audit = replace(CARD, role="audit", inclusion=0.25)
    collected = collect(
        [
            task(1, replace(audit, id="c")),
            task(2, replace(audit, id="gone")),
            task(3, replace(CARD, id="a", inclusion=0.5)),  # drawn, but for training
        ],
        SCHEMA,
    )
    assert collected.inclusion(POOL).tolist() == pytest.approx(
        [np.nan, np.nan, 0.25, np.nan], nan_ok=True
    )


# the majority


def table(rows: list[list[int]], k: int = 3) -> Verdicts:
    return Verdicts(np.array(rows), tuple("abcd"[: len(rows[0])]), k)


def test_most_votes_win_and_ties_and_silence_have_no_label() -> None:
    rows = [
        [0, 0, 1],
        [2, 2, 2],
        [1, NO_VERDICT, NO_VERDICT],
        [0, 1, NO_VERDICT],
        [0, 1, 2],
        [NO_VERDICT, NO_VERDICT, NO_VERDICT],
        [NO_VERDICT, 2, 2],
    ]
    label, ties = majority(table(rows))
    assert label.tolist() == [0, 2, 1, NO_VERDICT, NO_VERDICT, NO_VERDICT, 2]
    assert ties == 2


def test_a_plurality_is_enough() -> None:
    label, ties = majority(table([[2, 2, 0, 1], [0, 0, 1, 1]]))
    assert label.tolist() == [2, NO_VERDICT]
    assert ties == 1


def test_it_equals_counting_by_hand() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(-1, 4, size=(500, 4))
    label, ties = majority(Verdicts(table, tuple("abcd"), 4))
    expected, tied = [], 0
    for row in table.tolist():
        ranked = Counter(v for v in row if v != NO_VERDICT).most_common(2)
        even = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
        tied += even
        expected.append(ranked[0][0] if ranked and not even else NO_VERDICT)
    assert label.tolist() == expected
    assert ties == tied


def test_nothing_judged_is_no_label() -> None:
    label, ties = majority(Verdicts(np.empty((0, 2), dtype=np.int64), ("a", "b"), 2))
    assert label.tolist() == []
    assert ties == 0
    label, ties = majority(Verdicts(np.empty((3, 0), dtype=np.int64), (), 2))
    assert label.tolist() == [NO_VERDICT, NO_VERDICT, NO_VERDICT]
    assert ties == 0


def test_regions_of_earlier_rounds_are_told_by_rows_of_the_pool() -> None:
    collected = collect(
        [
            task(1, replace(CARD, id="d", order=0, region="heel, lace")),
            task(2, replace(CARD, id="b", order=1, role="audit", region="wine")),
            task(3, replace(CARD, id="a", order=2)),  # in none
            task(4, replace(CARD, id="gone", order=3, region="wine")),  # no row any more
        ],
        SCHEMA,
    )
    rows, names = collected.regions(POOL)
    assert (rows.tolist(), names) == ([3, 1], ("heel, lace", "wine"))
    nothing, none = collect([], SCHEMA).regions(POOL)
    assert (nothing.tolist(), nothing.dtype, none) == ([], np.int64, ())
