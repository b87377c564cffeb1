"""Annotations of a task -> the answers that people gave, and why the others do not count.

A person answers in the labelling page, or through the API with a token of their own and the time
that it took. Label Studio can also fill in a person's name for them ("Create Annotations From
Predictions", an import, a script of the admin): what nobody decided must neither teach nor measure.

A task takes one person's answer. Whoever opens it after that can see the answer, so theirs does not
count either; the next person gets the text in a task of its own (twin.py). Two people to whom Label
Studio serves a task at the same moment know nothing of each other, and both count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from selection.card import Card
from selection.studio.api import Annotation, Prediction, Schema, Task

NEVER = datetime.max.replace(tzinfo=UTC)
Kind = Literal["verdict", "skip", "late", "unknown"]
Reason = Literal["model", "imported", "other hand", "no time", "late", "unknown"]


@dataclass(frozen=True)
class Answer:
    """What one person said of a text.

    label: position in the project's labels, None unless it is a verdict. kind: 'late' where
    another had answered the task before, 'unknown' where the project does not have the label.
    annotation, task: their numbers. user: the person's number, None if deleted. seconds: that it
    took. given: ISO 8601 in UTC. ticked: the label that the person found preselected, if any.
    """

    expert: str
    label: int | None
    kind: Kind = "verdict"
    annotation: int = 0
    task: int = 0
    user: int | None = None
    seconds: float | None = None
    given: str = ""
    ticked: int | None = None


@dataclass(frozen=True)
class LeftOut:
    """An annotation that does not count. expert: under whose name it stands."""

    reason: Reason
    annotation: int
    task: int
    expert: str


def answers(
    task: Task, card: Card, schema: Schema, *, imported: bool = False
) -> tuple[list[Answer], list[LeftOut]]:
    """Return what people said in a task, and what does not count.

    Of several annotations of one person the latest counts, a copy only if there is no other; the
    person's place in the task is that of their first. imported: whether annotations that were
    imported together with their tasks count as given by those named in them.
    """
    latest: dict[str, Annotation] = {}
    came: dict[str, tuple[bool, str, int]] = {}  # expert -> (only skipped, when, number)
    left_out: list[LeftOut] = []
    for one in sorted(task.annotations, key=lambda a: (not a.copied, a.updated, a.id)):
        if keeps_away(one, card):
            continue
        reason = _fault(one, imported)
        if reason is None:
            latest[one.expert] = one
            when = (_is_skip(one), one.created, one.id)
            came[one.expert] = min(came.get(one.expert, when), when)
        else:
            left_out.append(LeftOut(reason, one.id, task.id, one.expert))
    found = []
    told = None if card.twin is not None else NEVER  # an older Crux took as many answers as came
    for one in sorted(latest.values(), key=lambda a: came[a.expert]):
        kind = _kind(one, told)
        silent, first, _ = came[one.expert]
        if not silent:
            told = told or datetime.fromisoformat(first)
        if kind == "late" or kind == "unknown":
            left_out.append(LeftOut(kind, one.id, task.id, one.expert))
        found.append(
            Answer(
                one.expert,
                schema.labels.index(one.label) if kind == "verdict" and one.label else None,
                kind,
                one.id,
                task.id,
                one.user,
                one.seconds,
                one.updated,
                _ticked(one, task.predictions, schema),
            )
        )
    return found, left_out


def _kind(one: Annotation, told: datetime | None) -> Kind:
    """told: when the first answer to the task was given; None before that."""
    if _is_skip(one):
        return "skip"
    if one.copied or (told is not None and _opened(one) > told):
        return "late"
    return "unknown" if one.unknown else "verdict"


def _is_skip(one: Annotation) -> bool:
    """A label that was sent empty is a skip, too."""
    return one.cancelled or (one.label is None and not one.unknown)


def _opened(one: Annotation) -> datetime:
    """Return when the person began, by the time that it took; not too early after a correction."""
    sent = datetime.fromisoformat(one.updated)
    return sent - timedelta(seconds=one.seconds or 0.0)


def _fault(one: Annotation, imported: bool) -> Reason | None:
    """Return why nobody gave this annotation, None if a person did.

    The page sends the time that a person took with every answer, also with a corrected one; the
    action "Create Annotations From Predictions" has none. Nobody writes an import.
    """
    if one.seconds is None and one.prediction is not None:
        return "model"
    if one.user is not None and one.writer is None:
        return None if imported else "imported"
    if one.user != one.writer:
        return "other hand"
    return "no time" if one.seconds is None else None


def keeps_away(one: Annotation, card: Card) -> bool:
    """Whether it only keeps a person from being served a text that they have answered (twin.py)."""
    return bool(card.twin) and one.cancelled and one.seconds is None


def _ticked(one: Annotation, predictions: Sequence[Prediction], schema: Schema) -> int | None:
    """Return the label that stood preselected when the person opened the task."""
    shown = next((p.label for p in predictions if p.id == one.prediction), None)
    return None if shown is None else schema.labels.index(shown)


_SAYS: dict[Reason, str] = {
    "model": "made from predictions by the action Create Annotations From Predictions: a model "
    "must not teach or measure itself",
    "imported": "imported with their tasks; set CRUX_COUNT_IMPORTED=true for the backend if people "
    "gave them",
    "other hand": "written or changed by somebody else than the person in whose name they stand",
    "no time": "sent without the time that a person took (lead_time)",
    "late": "given to a text that another person had answered already, which the page shows; "
    "second verdicts have tasks of their own",
    "unknown": "of labels that the project does not have (any more): {labels}",
}


def sentences(left_out: Iterable[LeftOut], labels: Sequence[str]) -> tuple[str, ...]:
    """Return one sentence for each reason: how many, whose, where the first is, and why."""
    every = list(left_out)
    found = []
    for reason, says in _SAYS.items():
        mine = [one for one in every if one.reason == reason]
        if mine:
            people = ", ".join(sorted({one.expert for one in mine}))
            noun = "annotation does" if len(mine) == 1 else "annotations do"
            first = min(mine, key=lambda one: one.task).task
            why = says.format(labels=f"it has {', '.join(labels)}")
            found.append(f"{len(mine)} {noun} not count ({people}; first in task {first}): {why}.")
    return tuple(found)
