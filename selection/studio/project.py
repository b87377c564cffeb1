"""A project and what hangs on it, as the SDK tells them: people, webhooks, ML backends. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selection.errors import ProjectError
from selection.studio.instruction import plain_text
from selection.studio.schema import Schema, parse_schema


@dataclass(frozen=True)
class Person:
    """A user of Label Studio."""

    id: int
    email: str


@dataclass(frozen=True)
class Project:
    """A project as Crux needs it. policy: the labeling instruction as plain text."""

    id: int
    title: str
    policy: str
    schema: Schema
    config_xml: str
    model_version: str
    tasks: int
    annotations: int
    overlap: int
    sampling: str
    shows_predictions: bool


@dataclass(frozen=True)
class Webhook:
    """project: None when it fires for the whole organization. headers may hold a secret."""

    id: int
    url: str
    project: int | None
    active: bool
    actions: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Backend:
    """A connected ML backend. state: 'Connected', 'Disconnected', 'Error', ...; error: why."""

    id: int
    url: str
    title: str
    state: str
    version: str
    error: str


def read_project(found: Any) -> Project:
    """Raises ProjectError, naming the project, if its label config does not fit."""
    xml = found.label_config or ""
    try:
        schema = parse_schema(xml)
    except ProjectError as error:
        raise ProjectError(f"Project {found.id} ({found.title}): {error}") from error
    return Project(
        id=found.id,
        title=found.title or "",
        policy=plain_text(found.expert_instruction or ""),
        schema=schema,
        config_xml=xml,
        model_version=found.model_version or "",
        tasks=found.task_number or 0,
        annotations=found.total_annotations_number or 0,
        overlap=found.maximum_annotations or 1,
        sampling=str(found.sampling or ""),
        shows_predictions=bool(found.show_collab_predictions),
    )


def read_backend(found: Any) -> Backend:
    """An ML backend as the SDK tells it."""
    return Backend(
        id=found.id,
        url=found.url,
        title=found.title or "",
        state=found.readable_state or "",
        version=found.model_version or "",
        error=found.error_message or "",
    )


def read_webhook(found: Any) -> Webhook:
    """A webhook as the SDK tells it."""
    return Webhook(
        id=found.id,
        url=found.url,
        project=found.project,
        active=bool(found.is_active),
        actions=tuple(map(str, found.actions or ())),
        headers=dict(found.headers or {}),
    )
