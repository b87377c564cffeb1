"""Which annotations count: every way in which one comes about, as the API of 1.23.2 tells it."""

from dataclasses import replace
from typing import Any

import pytest

from selection.card import Card
from selection.studio.schema import Schema
from selection.studio.task import placeholder, prediction, read_task, result
from selection.verdict import Answer, LeftOut, answers, sentences
from tests.fakes import SCHEMA

CARD = Card(
    "a", 0, 0, "train", "a", None, 1, "v1", {"yes": 0.6, "no": 0.4}, "why", 0, 0.25, twin=0
)
ADMIN, ANN, BEN, CID = 1, 2, 3, 4
EMAILS = {ADMIN: "admin@x.org", ANN: "ann@x.org", BEN: "ben@x.org", CID: "cid@x.org"}


def given(by: int | None, label: str | None = "yes", **fields: Any) -> dict[str, Any]:
    """An annotation as the API tells it: a click on Submit, but for `fields`."""
    return {
        "completed_by": by, "updated_by": by, "was_cancelled": False, "lead_time": 1.757,
        "parent_prediction": None, "parent_annotation": None, "ground_truth": False,
        "result": [] if label is None else result(SCHEMA, label), **fields,
    }  # fmt: skip


def read(*said: dict[str, Any], card: Card = CARD, imported: bool = False) -> Any:
    """(answers, those left out) of task 5, where 41 says "yes"; annotations come in this order."""
    times = [{"id": 10 + i, "updated_at": f"2026-01-01T10:{i:02d}:00Z"} for i in range(len(said))]
    body = {
        "id": 5, "data": {"text": "x"}, "meta": card.as_meta(),
        "annotations": [when | one for when, one in zip(times, said, strict=True)],
        "predictions": [{"id": 41, **prediction(SCHEMA, "yes", 0.9, "v1")}],
    }  # fmt: skip
    return answers(read_task(body, SCHEMA, EMAILS), card, SCHEMA, imported=imported)


def kinds(*said: dict[str, Any], **how: Any) -> dict[str, str]:
    return {one.expert.split("@")[0]: one.kind for one in read(*said, **how)[0]}


def reasons(*said: dict[str, Any], **how: Any) -> list[str]:
    return [one.reason for one in read(*said, **how)[1]]


# each way in which an annotation comes about

HONEST = {
    "a submit": given(ANN),
    "a submit of what stood preselected": given(ANN, parent_prediction=41),
    "a submit of another label than the one preselected": given(ANN, parent_prediction=41),
    "the API with an own token and a time": given(ANN, lead_time=5.5),
    "an update by its author": given(ANN, lead_time=1.757 + 2.1),
    "an update of a model's annotation by the one who made it": given(
        ANN, parent_prediction=41, lead_time=2.5
    ),
    "an update of an import by the one it names": given(ANN, lead_time=8.5, ground_truth=True),
    "a submit after Cancel skip": given(ANN, draft_created_at="2026-01-01T10:00:00Z"),
}
NOBODYS = {
    "Create Annotations From Predictions": (
        "model", given(ANN, lead_time=None, updated_by=None, parent_prediction=41)
    ),
    "a model's annotation that another changed": (
        "other hand", given(ADMIN, updated_by=ANN, lead_time=2.5, parent_prediction=41)
    ),
    "an import with a time": (
        "imported", given(ANN, updated_by=None, lead_time=9.5, ground_truth=True, import_id=7)
    ),
    "an import without a time": (
        "imported", given(ANN, updated_by=None, lead_time=None, ground_truth=True)
    ),
    "an import that another changed": (
        "other hand", given(BEN, updated_by=ANN, lead_time=11.9, ground_truth=True)
    ),
    "the API without a time": ("no time", given(ANN, lead_time=None)),
    "the API with the admin's token in another's name": (
        "other hand", given(BEN, updated_by=ADMIN, lead_time=3.0)
    ),
    "an honest one that another changed": ("other hand", given(ANN, updated_by=BEN)),
    "a skip that a script made": ("no time", given(ANN, None, was_cancelled=True, lead_time=None)),
}  # fmt: skip


@pytest.mark.parametrize("way", HONEST)
def test_what_a_person_gave_counts(way: str) -> None:
    found, left_out = read(HONEST[way])
    (one,) = found
    assert (one.expert, one.label, one.kind, one.user, left_out) == (
        "ann@x.org", 0, "verdict", ANN, []
    )  # fmt: skip


@pytest.mark.parametrize("way", NOBODYS)
def test_what_nobody_decided_does_not_count_and_says_why(way: str) -> None:
    reason, annotation = NOBODYS[way]
    expert = EMAILS[annotation["completed_by"]]
    assert read(annotation) == ([], [LeftOut(reason, 10, 5, expert)])  # type: ignore[arg-type]


def test_everything_that_is_known_of_an_answer_is_kept() -> None:
    (one,), _ = read(given(ANN, "no", parent_prediction=41, lead_time=2.0))
    assert one == Answer(
        "ann@x.org", 1, "verdict", 10, 5, ANN, 2.0, "2026-01-01T10:00:00Z", ticked=0
    )
    (other,), _ = read(given(ANN))
    assert other.ticked is None


def test_of_a_prediction_that_is_gone_nobody_knows_what_it_ticked() -> None:
    assert read(given(ANN, parent_prediction=40))[0][0].ticked is None


def test_an_imported_annotation_counts_if_the_setting_says_so_and_a_models_never() -> None:
    plain, changed = NOBODYS["an import without a time"][1], given(BEN, updated_by=ANN)
    assert kinds(plain, imported=True) == {"ann": "verdict"}
    assert reasons(changed, imported=True) == ["other hand"]
    made = NOBODYS["Create Annotations From Predictions"][1]
    assert (kinds(made, imported=True), reasons(made, imported=True)) == ({}, ["model"])


def test_a_deleted_users_honest_annotation_counts_and_a_models_in_that_name_does_not() -> None:
    found, left_out = read(given(None, "no"))
    assert [(one.expert, one.label, one.user) for one in found] == [("deleted user", 1, None)]
    assert left_out == []
    assert reasons(given(None, lead_time=None, parent_prediction=41)) == ["model"]
    assert reasons(given(None, updated_by=ADMIN)) == ["other hand"]


# several in one task


def test_who_comes_second_is_late_also_with_an_empty_annotation_of_their_own() -> None:
    found, left_out = read(given(ANN), given(BEN, "no"))
    assert [(one.expert, one.kind, one.label) for one in found] == [
        ("ann@x.org", "verdict", 0), ("ben@x.org", "late", None),
    ]  # fmt: skip
    assert left_out == [LeftOut("late", 11, 5, "ben@x.org")]


@pytest.mark.parametrize(("seconds", "kind"), [(59.0, "late"), (61.0, "verdict")])
def test_who_opened_the_task_before_the_first_answer_was_sent_knew_nothing_of_it(
    seconds: float, kind: str
) -> None:
    found, left_out = read(given(ANN), given(BEN, "no", lead_time=seconds))  # a minute later
    assert [one.kind for one in found] == ["verdict", kind]
    assert [one.reason for one in left_out] == (["late"] if kind == "late" else [])


def test_a_copy_is_late_however_long_its_author_had_the_task_open() -> None:
    assert kinds(given(ANN), given(BEN, lead_time=900.0, parent_annotation=10))["ben"] == "late"


def test_a_label_sent_empty_shows_nothing_to_those_who_come_after_it() -> None:
    assert kinds(given(ANN, None), given(BEN)) == {"ann": "skip", "ben": "verdict"}


def test_who_came_first_stays_first_after_a_correction() -> None:
    first = given(ANN, created_at="2026-01-01T09:00:00Z", updated_at="2026-01-02T09:00:00Z")
    assert kinds(first, given(BEN, "no")) == {"ann": "verdict", "ben": "late"}


def test_who_came_first_stays_first_with_a_second_annotation_of_their_own() -> None:
    found, left_out = read(given(ANN), given(BEN, "no"), given(ANN, "no"))
    assert [(one.expert, one.kind, one.label) for one in found] == [
        ("ann@x.org", "verdict", 1), ("ben@x.org", "late", None),
    ]  # fmt: skip
    assert [one.expert for one in left_out] == ["ben@x.org"]


def test_a_skip_leaves_the_place_to_the_next_person() -> None:
    skip = given(ANN, None, was_cancelled=True)
    assert kinds(skip, given(BEN)) == {"ann": "skip", "ben": "verdict"}
    assert reasons(skip, given(BEN)) == []
    # a skip keeps no place: who skipped and answers after another is late
    assert kinds(skip, given(BEN), given(ANN)) == {"ann": "late", "ben": "verdict"}


def test_a_label_sent_empty_is_a_skip() -> None:
    assert kinds(given(ANN, None)) == {"ann": "skip"}


def test_a_skip_with_a_choice_ticked_is_a_skip() -> None:
    found, left_out = read(given(ANN, "yes", was_cancelled=True, lead_time=4.161))
    assert [(one.kind, one.label) for one in found] == [("skip", None)]
    assert left_out == []


def test_who_answered_and_then_skips_has_still_shown_the_answer() -> None:
    said = given(ANN), given(ANN, None, was_cancelled=True), given(BEN)
    assert kinds(*said) == {"ann": "skip", "ben": "late"}


def test_a_copy_of_anothers_annotation_does_not_count_and_its_author_is_named() -> None:
    copy = given(BEN, parent_annotation=10)
    assert (kinds(given(ANN), copy), reasons(given(ANN), copy)) == (
        {"ann": "verdict", "ben": "late"}, ["late"]
    )  # fmt: skip
    # also where what it was copied from is gone
    assert (kinds(copy), reasons(copy)) == ({"ben": "late"}, ["late"])


def test_a_copy_takes_nothing_back_that_its_author_had_said_before() -> None:
    found, _ = read(given(ANN), given(ANN, "no", parent_annotation=10))
    assert [(one.kind, one.label) for one in found] == [("verdict", 0)]


def test_of_one_person_the_latest_counts() -> None:
    found, left_out = read(given(ANN, "yes"), given(ANN, "no"))
    assert [(one.label, one.annotation) for one in found] == [(1, 11)]
    assert left_out == []


def test_a_model_made_annotation_takes_nobodys_place() -> None:
    made = NOBODYS["Create Annotations From Predictions"][1]
    assert kinds(made, given(BEN)) == {"ben": "verdict"}


def test_a_task_of_an_older_crux_takes_as_many_answers_as_come() -> None:
    old = replace(CARD, twin=None, role="audit", experts=2)
    said = given(ANN), given(BEN, "no"), given(CID)
    assert kinds(*said, card=old) == {"ann": "verdict", "ben": "verdict", "cid": "verdict"}
    assert reasons(*said, card=old) == []


@pytest.mark.parametrize("imported", [False, True])
@pytest.mark.parametrize(
    ("user", "writer"), [(ANN, None), (ANN, ADMIN), (ADMIN, ADMIN), (None, None), (None, ADMIN)]
)
def test_what_only_keeps_somebody_away_is_no_answer_and_not_worth_a_word(
    imported: bool, user: int | None, writer: int | None
) -> None:
    # imported, added one by one by the admin's token, and of a user who was deleted since
    away = placeholder(ANN) | {"completed_by": user, "updated_by": writer, "lead_time": None}
    twin = replace(CARD, twin=1)
    found, left_out = read(away, given(BEN), card=twin, imported=imported)
    assert [(one.expert, one.kind) for one in found] == [("ben@x.org", "verdict")]
    assert left_out == []


def test_a_label_that_the_project_no_longer_has_is_unknown() -> None:
    other = Schema(("good",), "verdict", "text", "text")
    found, left_out = read(given(ANN, result=result(other, "good")))
    assert [(one.kind, one.label) for one in found] == [("unknown", None)]
    assert left_out == [LeftOut("unknown", 10, 5, "ann@x.org")]


# the sentences


def test_each_reason_is_one_sentence_with_number_names_first_task_and_why() -> None:
    left_out = [
        LeftOut("model", 1, 9, "ben"), LeftOut("model", 2, 5, "ann"), LeftOut("model", 3, 7, "ann"),
        LeftOut("imported", 4, 8, "ann"),
        LeftOut("unknown", 5, 6, "ann"),
    ]  # fmt: skip
    assert sentences(left_out, ("yes", "no")) == (
        "3 annotations do not count (ann, ben; first in task 5): made from predictions by the "
        "action Create Annotations From Predictions: a model must not teach or measure itself.",
        "1 annotation does not count (ann; first in task 8): imported with their tasks; set "
        "CRUX_COUNT_IMPORTED=true for the backend if people gave them.",
        "1 annotation does not count (ann; first in task 6): of labels that the project does not "
        "have (any more): it has yes, no.",
    )


def test_the_other_reasons_have_their_sentences_too() -> None:
    for reason, says in (
        ("other hand", "written or changed by somebody else than the person in whose name"),
        ("no time", "sent without the time that a person took (lead_time)."),
        ("late", "given to a text that another person had answered already, which the page shows"),
    ):
        (said,) = sentences([LeftOut(reason, 1, 2, "ann")], ())  # type: ignore[arg-type]
        assert says in said
    assert sentences([], ("yes",)) == ()
