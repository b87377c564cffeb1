"""A task's JSON -> Task, and a label -> a prediction's JSON. Pure: nothing is requested here.

What experts said stands in annotations, what models said in predictions. Both hold a `result`, a
list of regions, of which those of the project's <Choices> count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selection.errors import ProjectError
from selection.studio.schema import Schema

Json = dict[str, Any]  # of Label Studio
NEVER = "1970-01-01T00:00:00Z"  # the time of what tells none


@dataclass(frozen=True)
class Annotation:
    """What stands in a task under one expert's name.

    expert: e-mail, or the user's number as text where Label Studio tells no e-mail. label: None
    if skipped, empty or unknown. unknown: the choice is none of the schema's labels, or two of
    them. created, updated: ISO 8601 in UTC, so that text order is time order. user: number of the
    expert, None if that user was deleted. writer: number of the user who wrote it last, None if
    nobody did, as with an import. seconds: that the page was open, None if no page was. prediction:
    number of the one that the expert found ticked, if any. copied: from another annotation.
    """

    id: int
    expert: str
    label: str | None
    cancelled: bool
    unknown: bool
    updated: str
    created: str = ""
    user: int | None = None
    writer: int | None = None
    seconds: float | None = None
    prediction: int | None = None
    copied: bool = False


@dataclass(frozen=True)
class Prediction:
    """What a model version said of one task; label is None if it is empty or unknown."""

    label: str | None
    score: float | None
    version: str
    id: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Task:
    """A task with everything that was said of it.

    labeled: Label Studio regards it as done and serves it to nobody any more.
    """

    id: int
    data: Json
    meta: Json
    overlap: int
    annotations: tuple[Annotation, ...]
    predictions: tuple[Prediction, ...] = ()
    labeled: bool = False

    @property
    def open(self) -> bool:
        """Whether it waits for an answer: a skip is none, nor is a placeholder."""
        given = sum(not one.cancelled for one in self.annotations)
        return given < self.overlap and not self.labeled

    @property
    def blind(self) -> bool:
        """Whether experts answer it without seeing what the model thinks."""
        return bool((self.crux or {}).get("blind"))

    @property
    def crux(self) -> Json | None:
        """What Crux noted when it pushed the task; None if somebody else created it."""
        crux = self.meta.get("crux")
        return crux if isinstance(crux, dict) else None


def prediction(schema: Schema, label: str, score: float, version: str) -> Json:
    """Return a prediction as /predict answers it; with "task": id, as Label Studio imports it.

    Raises ProjectError for a label that the schema does not have: Label Studio would drop it
    without a word.
    """
    if label not in schema.labels:
        raise ProjectError(
            f"The label {label!r} is none of the project's ({', '.join(schema.labels)}); "
            "label the pool again with the present label config."
        )
    return {"result": result(schema, label), "score": score, "model_version": version}


def result(schema: Schema, label: str) -> list[Json]:
    """Return the one region of an annotation or a prediction that says `label`."""
    return [
        {
            "from_name": schema.from_name,
            "to_name": schema.to_name,
            "type": "choices",
            "value": {"choices": [label]},
        }
    ]


def placeholder(user: int) -> Json:
    """Return an annotation that says nothing: whoever has one is not served the task."""
    return {"completed_by": user, "was_cancelled": True, "result": [], "ground_truth": False}


def read_task(body: Json, schema: Schema, emails: Mapping[int, str]) -> Task:
    """Convert a task of the API. emails: user id -> e-mail, for the names of experts."""
    meta = body.get("meta")
    return Task(
        id=body["id"],
        data=body["data"],
        meta=meta if isinstance(meta, dict) else {},
        overlap=int(body.get("overlap") or 1),
        annotations=_annotations(body.get("annotations") or (), schema, emails),
        predictions=tuple(
            Prediction(
                _read_label(schema, p.get("result"))[0], p.get("score"), p.get("model_version", ""),
                p.get("id") or 0,
            )
            for p in body.get("predictions") or ()
        ),
        labeled=bool(body.get("is_labeled")),
    )


def _annotations(
    bodies: Sequence[Json], schema: Schema, emails: Mapping[int, str]
) -> tuple[Annotation, ...]:
    """Label Studio forgets who a deleted user was: each annotation without a user is another's.

    They are numbered within the task, so that the table of verdicts does not get one more expert
    for every task that a deleted user answered.
    """
    nobodys = sorted(body["id"] for body in bodies if _number(body.get("completed_by")) is None)
    found = []
    for body in bodies:
        user = _number(body.get("completed_by"))
        if user is None:
            expert = deleted_user(nobodys.index(body["id"]) + 1)
        else:
            expert = emails.get(user, str(user))
        cancelled = bool(body.get("was_cancelled"))
        label, unknown = (None, False) if cancelled else _read_label(schema, body.get("result"))
        created = str(body.get("created_at") or body.get("updated_at") or NEVER)
        found.append(
            Annotation(
                body["id"], expert, label, cancelled, unknown,
                updated=str(body.get("updated_at") or created),
                created=created,
                user=user,
                writer=_number(body.get("updated_by")),
                seconds=body.get("lead_time"),
                prediction=_number(body.get("parent_prediction")),
                copied=body.get("parent_annotation") is not None,
            )
        )  # fmt: skip
    return tuple(found)


def deleted_user(number: int) -> str:
    """Return the name of the text's first, second, … expert who is not told any more."""
    return "deleted user" if number == 1 else f"deleted user {number}"


def _number(found: object) -> int | None:
    """Label Studio tells what it refers to by its number, or whole."""
    found = found.get("id") if isinstance(found, dict) else found
    return found if isinstance(found, int) else None


def _read_label(schema: Schema, result: Sequence[Any] | None) -> tuple[str | None, bool]:
    """Return (label, unknown) of an annotation's or prediction's result."""
    chosen = [
        choice
        for region in result or ()
        if isinstance(region, dict) and region.get("from_name") == schema.from_name
        for choice in (region.get("value") or {}).get("choices") or ()
    ]
    if not chosen:
        return None, False
    if len(chosen) == 1 and chosen[0] in schema.labels:
        return str(chosen[0]), False
    return None, True
