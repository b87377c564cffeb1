"""Several tasks of one text: who said what of it, and whom it still waits for."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from selection.card import Card
from selection.collect import Collected, collect
from selection.corrections import changed_since
from selection.item import Item
from selection.studio.task import placeholder, read_task, result
from selection.verdict import Answer, Kind
from tests import records
from tests.fakes import SCHEMA

CARD = Card(
    "a", 0, 0, "audit", "a", 0.5, 2, "v1", {"yes": 0.6, "no": 0.4}, "why", 0, 0.25, twin=0
)
ANN, BEN, CID = 1, 2, 3


def said(number: int, by: int | None, label: str | None, **fields: Any) -> dict[str, Any]:
    """A click on Submit or Skip. number: of the annotation, which ascend in time."""
    return {
        "id": number, "completed_by": by, "updated_by": by, "lead_time": 3.0,
        "was_cancelled": label is None, "result": [] if label is None else result(SCHEMA, label),
        "updated_at": f"2026-01-01T10:{number:02d}:00+00:00", **fields,
    }  # fmt: skip


def away(number: int, by: int) -> dict[str, Any]:
    return {"id": number, "updated_by": None, "lead_time": None, **placeholder(by)}


def task(number: int, twin: int, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The JSON of a task; it counts as done as on the server unless `is_labeled` says otherwise."""
    card = replace(CARD, twin=twin, **fields.pop("card", {}))
    return {
        "id": number, "data": {"text": "a text"}, "meta": card.as_meta(),
        "annotations": list(annotations),
        "is_labeled": any(not one["was_cancelled"] for one in annotations), **fields,
    }  # fmt: skip


def gather(*bodies: dict[str, Any], **how: Any) -> Collected:
    return collect([read_task(body, SCHEMA, {}) for body in bodies], SCHEMA, **how)


def only(*bodies: dict[str, Any], **how: Any) -> Item:
    (item,) = gather(*bodies, **how).items
    return item


# twins are one item


def test_the_tasks_of_one_text_are_one_item() -> None:
    item = only(
        task(9, 1, away(5, ANN), said(6, BEN, "no")),
        task(3, 0, said(4, ANN, "yes")),
    )
    assert (item.tasks, item.task, item.card.twin) == ((3, 9), 3, 1)
    assert item.verdicts == {"1": 0, "2": 1}
    assert (item.missing, item.done, item.asleep) == (0, True, None)


def test_the_same_person_on_two_twins_counts_once_and_the_first_verdict_stands() -> None:
    bodies = task(3, 0, said(4, ANN, "yes")), task(9, 1, said(6, ANN, "no"))
    item, collected = only(*bodies), gather(*bodies)
    assert (item.verdicts, item.missing, bool(item.queued)) == ({"1": 0}, 1, False)
    assert collected.labels_bought == 2  # both were given, and are paid for


def test_who_saw_anothers_answer_gives_no_verdict_in_the_next_task_either() -> None:
    bodies = (
        task(3, 0, said(4, ANN, "yes"), said(5, BEN, "yes")),
        task(9, 1, away(6, ANN), said(7, BEN, "no")),
    )
    item, collected = only(*bodies), gather(*bodies)
    assert (item.verdicts, item.passed) == ({"1": 0}, {"2"})
    assert [(one.reason, one.task) for one in collected.left_out] == [("late", 3), ("late", 9)]


def test_the_first_look_counts_in_whichever_task_it_was() -> None:
    item = only(
        task(3, 0, said(4, ANN, "yes"), said(9, BEN, "yes")),
        task(5, 1, away(5, ANN), said(6, CID, "no"), said(7, BEN, "no")),
        task(6, 2, said(8, BEN, "yes")),
    )
    assert (item.verdicts, item.passed) == ({"1": 0, "3": 1}, {"2"})


def test_who_looks_at_the_first_task_after_the_own_verdict_keeps_that() -> None:
    item = only(
        task(3, 0, said(4, ANN, "yes"), said(8, BEN, "yes")),
        task(9, 1, away(6, ANN), said(7, BEN, "no")),
    )
    assert (item.verdicts, item.passed, item.done) == ({"1": 0, "2": 1}, set(), True)


def test_two_deleted_users_on_two_twins_are_two_people() -> None:
    item = only(task(3, 0, said(4, None, "yes")), task(9, 1, said(6, None, "no")))
    assert (item.verdicts, item.done) == ({"deleted user": 0, "deleted user 2": 1}, True)


def test_a_task_that_somebody_copied_is_the_same_text() -> None:
    item = only(task(3, 0, said(4, ANN, "yes")), task(5, 0, said(6, BEN, "no")))
    assert (item.tasks, item.verdicts, item.done) == ((3, 5), {"1": 0, "2": 1}, True)
    still_open = only(task(3, 0, said(4, ANN, "yes")), task(5, 0))
    assert (still_open.missing, bool(still_open.queued)) == (1, True)


def test_a_twin_without_its_text_is_named_and_the_others_are_read() -> None:
    collected = gather(task(3, 0, said(4, ANN, "yes")), task(9, 1, data={"text": None}))
    assert collected.problems == ("Task 9 has no text in 'text'; left out.",)
    assert collected.items[0].tasks == (3,)


@pytest.mark.parametrize(
    ("second", "served", "asleep"),
    [
        ((), True, None),  # nobody has it
        ((away(5, ANN),), True, None),  # reopened for the others
        ((away(5, ANN), said(6, BEN, None)), True, None),  # a skip passes on
        ((away(5, ANN), said(6, BEN, "no")), False, None),
    ],
)
def test_a_task_is_served_until_somebody_has_answered_it(
    second: tuple[dict[str, Any], ...], served: bool, asleep: int | None
) -> None:
    item = only(task(3, 0, said(4, ANN, "yes")), task(9, 1, *second))
    assert (bool(item.queued), item.asleep) == (served, asleep)


def test_a_twin_that_counts_as_done_with_nothing_but_placeholders_is_asleep() -> None:
    item = only(task(3, 0, said(4, ANN, "yes")), task(9, 1, away(5, ANN), is_labeled=True))
    assert (bool(item.queued), item.asleep, item.missing) == (False, 9, 1)


def test_a_twin_that_a_model_answered_is_neither_served_nor_asleep() -> None:
    model = said(6, BEN, "no", updated_by=None, lead_time=None, parent_prediction=2)
    item = only(task(3, 0, said(4, ANN, "yes")), task(9, 1, away(5, ANN), model))
    assert (bool(item.queued), item.asleep, item.missing) == (False, None, 1)


# what it waits for

KINDS: tuple[Kind | None, ...] = ("verdict", "skip", "late", "unknown", None)


def oracle(experts: int, people: dict[str, Kind | None]) -> int:
    """How many answers a text still waits for; people: everybody in the round, and what they said.

    Each expert wanted is a seat. Verdicts take seats, also those under a label that is gone. Those
    who said nothing yet may take the rest. A person who passed gives a seat up only if nobody is
    left to take it.
    """
    seats = ["free"] * experts
    for kind in people.values():
        if kind in ("verdict", "unknown") and "free" in seats:
            seats[seats.index("free")] = "taken"
    free = seats.count("free")
    passed = sum(kind in ("skip", "late") for kind in people.values())
    willing = sum(kind is None for kind in people.values())
    if passed == 0:
        return free  # whoever that may be
    waits = 0
    for seat in range(free):
        somebody_is_left = seat < willing
        given_up = free - seat <= passed
        waits += somebody_is_left or not given_up
    return waits


@pytest.mark.parametrize("experts", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_a_text_waits_for_is_what_counting_seats_says(experts: int, size: int) -> None:
    names = [str(i) for i in range(1, size + 1)]
    for kinds in product(KINDS, repeat=size):
        people = dict(zip(names, kinds, strict=True))
        told = tuple(
            Answer(name, 0 if kind == "verdict" else None, kind, user=int(name))
            for name, kind in people.items()
            if kind is not None
        )
        item = Item((1,), "x", replace(CARD, experts=experts), told)
        assert item.lacks(names) == oracle(experts, people), (experts, people)


def test_a_skip_passes_a_text_on_to_those_who_work_in_its_round_only() -> None:
    skipped = task(1, 0, said(4, ANN, None), card={"experts": 1})
    other = task(2, 0, said(5, BEN, "no"), card={"id": "b", "experts": 1})
    elsewhere = task(2, 0, said(5, BEN, "no"), card={"id": "b", "round": 1, "experts": 1})
    assert gather(skipped).waiting(0) == 0
    assert gather(skipped, other).waiting(0) == 1
    assert gather(skipped, elsewhere).waiting(0) == 0


def test_a_skipped_text_does_not_wait_for_a_user_who_was_deleted() -> None:
    skipped = task(1, 0, said(4, ANN, None), card={"experts": 1})
    other = task(2, 0, said(5, None, "no"), card={"id": "b", "experts": 1})
    assert (gather(skipped, other).waiting(0), gather(skipped, other).complete(0)) == (0, True)


def test_an_imported_annotation_gives_a_place_only_if_it_counts() -> None:
    body = task(1, 0, said(4, ANN, "yes", updated_by=None), card={"experts": 1})
    assert (only(body).missing, only(body, imported=True).missing) == (1, 0)


# the digest

ONE, TWO = task(3, 0, said(4, ANN, "yes")), task(9, 1, away(5, ANN), said(6, BEN, "no"))
DIGEST = gather(ONE, TWO).digest


@pytest.mark.parametrize(
    "bodies",
    [
        (ONE,),
        (ONE, task(9, 1, away(5, ANN), said(6, BEN, "yes"))),
        (ONE, task(9, 1, away(5, ANN), said(6, CID, "no"))),
        (ONE, TWO, task(11, 2, said(7, CID, "no"))),
        (ONE, task(9, 1, away(5, ANN), said(6, BEN, None))),
    ],
    ids=["deleted", "corrected", "another person", "added", "skipped"],
)
def test_the_digest_changes_with_every_verdict(bodies: tuple[dict[str, Any], ...]) -> None:
    assert gather(*bodies).digest != DIGEST


@pytest.mark.parametrize(
    "bodies",
    [
        (TWO, ONE),
        (ONE, TWO, task(11, 2, away(7, ANN), away(8, BEN))),
        (ONE, task(9, 1, away(5, ANN), said(6, BEN, "no", updated_at="2026-02-02T00:00:00Z"))),
        (task(3, 0, said(4, ANN, "yes"), said(7, CID, "no")), TWO),
    ],
    ids=["order", "a task without an answer", "time", "a late one"],
)
def test_the_digest_stays_where_no_verdict_changes(bodies: tuple[dict[str, Any], ...]) -> None:
    assert gather(*bodies).digest == DIGEST


def test_something_has_changed_since_only_after_a_complete_measurement() -> None:
    collected = gather(ONE, TWO)
    same, old = records.record(verdicts=DIGEST), records.record(verdicts="")
    other = records.record(verdicts="abc")
    assert [changed_since(collected, [one]) for one in (same, old, other)] == [False, False, True]
    assert not changed_since(collected, [])
    assert not changed_since(collected, [replace(other, complete=False)])


def test_a_label_that_was_renamed_is_no_correction() -> None:
    renamed = said(6, BEN, "no", result=result(replace(SCHEMA, labels=("nay",)), "nay"))
    assert not changed_since(gather(ONE, task(9, 1, renamed)), [records.record(verdicts=DIGEST)])


def test_what_comes_in_a_newer_round_changes_nothing_of_an_older_one() -> None:
    newer = task(20, 0, said(9, ANN, "no"), card={"id": "b", "round": 1})
    assert not changed_since(gather(ONE, TWO, newer), [records.record(0, verdicts=DIGEST)])


def test_the_newest_answer_is_known() -> None:
    assert gather(ONE, TWO).newest.isoformat() == "2026-01-01T10:06:00+00:00"
    assert gather().newest.year == 1
