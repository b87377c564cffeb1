"""A project in which all is well for `crux doctor`, and what can be planted in it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selection.command.checks import Check
from selection.command.doctor import Doctor
from selection.command.project_settings import NOTE
from selection.config import Settings
from selection.http import SECRET_HEADER, Reply
from selection.record import Version
from selection.studio.api import MlBackend, Project, Webhook
from selection.studio.instruction import with_note
from selection.studio.task import Json, prediction
from tests.fakes import SCHEMA, FakeBackend, FakeStudio

URL = "http://127.0.0.1:9090"
HOOK = f"{URL}/webhook"
OTHER = "http://other:9090"
POLICY = "Is the text good?"
OURS = (URL, "Connected", "")
OLD = {"has": ("v0",)}


class LookedAt(FakeStudio):
    """A Label Studio with a project that is connected, and whose settings can be spoiled.

    spoiled: fields of Project that are other than they should be.
    """

    def __init__(self) -> None:
        super().__init__()
        self.policy = POLICY
        self.model_version = "v1"
        self.spoiled: dict[str, Any] = {}
        self.blocks: tuple[str, ...] = ()
        self.listed = [MlBackend(1, URL, "Crux", "Connected", "v1", "")]
        self.users = {1: "ann@x.example", 2: "ben@x.example"}

    def project(self, project_id: int) -> Project:
        found = replace(super().project(project_id), instruction=with_note(self.policy, NOTE))
        return replace(found, **self.spoiled)

    def backends(self, project_id: int) -> list[MlBackend]:
        self._call("backends")
        return self.listed

    def people(self) -> dict[int, str]:
        self._call("people")
        return self.users

    def blocking(self, url: str) -> tuple[str, ...]:
        assert url == HOOK
        return self.blocks


class Place:
    """Two servers between which everything is well."""

    def __init__(self, home: Path) -> None:
        self.studio = LookedAt()
        self.backend = FakeBackend(lambda text: (0.5, 0.5))
        self.backend.listed = [Version("v1", "trained", 0, "m", POLICY, SCHEMA.labels)]
        self.home = home
        self.secret = "a-secret"
        self.ahead: dict[str, float | None] = {}
        self.hook()

    def hook(self, **changes: Any) -> int:
        number = max(self.studio.hooks, default=0) + 1
        one: dict[str, Any] = {
            "id": number, "url": HOOK, "project": 7, "active": True,
            "actions": ("ANNOTATION_CREATED",), "headers": {SECRET_HEADER: "a-secret"}, **changes,
        }  # fmt: skip
        self.studio.hooks[number] = Webhook(**one)
        return number

    def task(self, *versions: str, blind: bool = False, by: str | None = "", of: int = 1) -> int:
        """A task with answers of these versions. by: an expert's answer, None for a skip."""
        body: Json = {"data": {"text": "a text"}, "meta": {"crux": {"blind": blind}}}
        [number] = self.studio.import_tasks(7, [body])
        self.studio.bodies[number]["overlap"] = of
        for version in versions:
            told = {"task": number, **prediction(SCHEMA, "yes", 0.7, version)}
            self.studio.import_predictions(7, [told])
        if by != "":
            self.studio.answer(number, by, by=1)
        return number

    def get(self, url: str, secret: str) -> Reply:
        if url.endswith("/health"):
            return Reply(200, self.ahead.get(url.rsplit(":", 1)[1], 0.2))
        return Reply(200 if secret == self.secret or not self.secret else 401, 0.0)

    def look(self, **changes: Any) -> dict[str, Check]:
        values: dict[str, Any] = {
            "studio_token": "t0ken", "project": 7, "webhook_secret": "a-secret", "home": self.home,
            **changes,
        }  # fmt: skip
        doctor = Doctor(
            Settings(**values),
            lambda: self.studio,  # type: ignore[arg-type, return-value]
            lambda: self.backend,  # type: ignore[arg-type, return-value]
            self.get,
        )
        return {check.name: check for check in doctor.look()}


Plant = Callable[[Place], dict[str, Any] | None]  # settings that go with it


def planted(name: str, plant: Plant, says: str) -> Any:
    """A case: what is planted makes the check `name` say `says`."""
    return pytest.param(name, plant, says, id=f"{name}: {says[:50]}")


def put(of: object, **values: Any) -> None:
    for name, value in values.items():
        setattr(of, name, value)


def spoil(**fields: Any) -> Plant:
    return lambda place: place.studio.spoiled.update(fields)


def made(**fields: Any) -> Plant:
    def plant(place: Place) -> None:
        place.backend.listed = [replace(place.backend.listed[0], **fields)]

    return plant


def connected(*backends: tuple[str, str, str]) -> Plant:
    """(url, state, error) of each."""
    listed = [
        MlBackend(number, url, "x", state, "v", error)
        for number, (url, state, error) in enumerate(backends)
    ]
    return lambda place: put(place.studio, listed=listed)


def only_hook(**changes: Any) -> Plant:
    def plant(place: Place) -> None:
        place.studio.hooks.clear()
        place.hook(**changes)

    return plant


def more_hook(**changes: Any) -> Plant:
    return lambda place: put(place, added=place.hook(**changes))


def shown(version: str, *tasks: dict[str, Any]) -> Plant:
    """The project shows this version, and has these tasks: {"has": versions, and as Place.task}."""

    def plant(place: Place) -> None:
        place.studio.model_version = version
        for task in tasks:
            place.task(*task.get("has", ()), **{k: v for k, v in task.items() if k != "has"})

    return plant


def theirs(secret: str, **settings: Any) -> Plant:
    """The backend has this secret."""

    def plant(place: Place) -> dict[str, Any]:
        place.secret = secret
        return settings

    return plant


def secretless(place: Place) -> dict[str, Any]:
    place.secret = ""
    place.studio.hooks = {1: replace(place.studio.hooks[1], headers={})}
    return {"webhook_secret": ""}


def fault_is_said(place: Place, name: str, plant: Plant, says: str) -> None:
    """Without the fault all is well and nothing of the kind is said; with it, it is."""
    well = place.look()
    assert [one for one, check in well.items() if not check.ok] == []
    assert says not in well[name].message
    seen = place.look(**plant(place) or {})
    assert seen[name].ok is False
    assert says in seen[name].message
    # what else is not ok is a consequence: another secret also makes the webhook useless
    assert next(one for one, check in seen.items() if not check.ok) == name


def finding_is_said(place: Place, name: str, plant: Plant, says: str) -> None:
    """What is no fault is said where it is so, and only there."""
    before = place.look()[name].message
    check = place.look(**plant(place) or {})[name]
    assert (check.ok, says in check.message, says in before) == (True, True, False)
