from typing import Any

import pytest

from selection.errors import ProjectError
from selection.studio.schema import Schema
from selection.studio.task import Annotation, Prediction, Task, prediction, read_task

SCHEMA = Schema(labels=("spam", "ham"), from_name="kind", to_name="text", text_field="body")


def region(*chosen: str, name: str = "kind") -> dict[str, Any]:
    return {
        "from_name": name, "to_name": "text", "type": "choices", "value": {"choices": [*chosen]}
    }  # fmt: skip


def answer(result: Any, **more: Any) -> dict[str, Any]:
    body = {"id": 5, "completed_by": 1, "result": result, "was_cancelled": False}
    return body | {"updated_at": "2026-11-22T12:20:26.047529Z"} | more


def read(**more: Any) -> Task:
    body = {"id": 7, "data": {"body": "x"}, "meta": {}, "overlap": 1} | more
    return read_task(body, SCHEMA, {1: "ann@example.org"})


def said(result: Any, **more: Any) -> tuple[str | None, bool, bool]:
    (annotation,) = read(annotations=[answer(result, **more)]).annotations
    return annotation.label, annotation.cancelled, annotation.unknown


def test_a_task_is_read_whole() -> None:
    task = read(
        meta={"crux": {"round": 3}, "source": "theirs"},
        overlap=2,
        annotations=[answer([region("ham")])],
        predictions=[{"result": [region("spam")], "score": 0.75, "model_version": "v1"}],
    )
    assert task == Task(
        id=7,
        data={"body": "x"},
        meta={"crux": {"round": 3}, "source": "theirs"},
        overlap=2,
        annotations=(
            Annotation(
                5, "ann@example.org", "ham", False, False, "2026-11-22T12:20:26.047529Z",
                created="2026-11-22T12:20:26.047529Z", user=1,
            ),
        ),
        predictions=(Prediction("spam", 0.75, "v1"),),
    )
    assert task.crux == {"round": 3}


@pytest.mark.parametrize("meta", [None, {}, {"crux": None}, {"crux": "x"}, {"other": {}}, "text"])
def test_a_task_that_crux_did_not_push_has_no_crux(meta: Any) -> None:
    assert read(meta=meta).crux is None


def test_the_choice_is_the_label() -> None:
    assert said([region("spam")]) == ("spam", False, False)


def test_a_skip_has_no_label_even_if_one_was_chosen() -> None:
    assert said([region("spam")], was_cancelled=True) == (None, True, False)


def test_an_empty_answer_has_no_label_and_is_not_unknown() -> None:
    assert said([]) == (None, False, False)
    assert said(None) == (None, False, False)
    assert said([region()]) == (None, False, False)


def test_a_label_of_an_earlier_config_is_unknown() -> None:
    assert said([region("eggs")]) == (None, False, True)


def test_two_choices_are_unknown() -> None:
    assert said([region("spam", "ham")]) == (None, False, True)
    assert said([region("spam"), region("ham")]) == (None, False, True)


def test_regions_of_other_tags_are_passed_over() -> None:
    note = {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": ["hm"]}}
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    assert said([note, region("eggs", name="mood"), relation, region("ham")]) == (
        "ham",
        False,
        False,
    )


@pytest.mark.parametrize(
    ("by", "expert"),
    [
        (1, "ann@example.org"),
        ({"id": 1, "email": "x"}, "ann@example.org"),
        (9, "9"),
        (None, "deleted user"),
    ],
)
def test_an_expert_is_known_by_e_mail_or_else_by_number(by: Any, expert: str) -> None:
    (annotation,) = read(annotations=[answer([], completed_by=by)]).annotations
    assert annotation.expert == expert


def test_two_deleted_users_are_two_experts() -> None:
    answers = [
        answer([region("spam")], id=8, completed_by=None),
        answer([region("spam")], id=6, completed_by=1),
        answer([region("ham")], id=5, completed_by=None),
        answer([region("ham")], id=9, completed_by={"id": None}),
    ]
    found = {(a.id, a.expert, a.label) for a in read(annotations=answers).annotations}
    assert found == {
        (5, "deleted user", "ham"), (6, "ann@example.org", "spam"),
        (8, "deleted user 2", "spam"), (9, "deleted user 3", "ham"),
    }  # fmt: skip


def test_a_prediction_is_what_label_studio_wants() -> None:
    assert prediction(SCHEMA, "ham", 0.9, "v2") == {
        "result": [
            {
                "from_name": "kind",
                "to_name": "text",
                "type": "choices",
                "value": {"choices": ["ham"]},
            }
        ],
        "score": 0.9,
        "model_version": "v2",
    }


def test_a_prediction_is_read_back_as_it_was_made() -> None:
    task = read(predictions=[prediction(SCHEMA, "ham", 0.9, "v2")])
    assert task.predictions == (Prediction("ham", 0.9, "v2"),)


def test_no_prediction_of_a_label_that_the_project_lacks() -> None:
    with pytest.raises(ProjectError, match=r"'eggs' is none of the project's \(spam, ham\)"):
        prediction(SCHEMA, "eggs", 0.9, "v2")
