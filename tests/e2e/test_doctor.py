"""`crux doctor` against a real Label Studio and a real backend, before and after connecting."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.run import CONFIG
from demo.servers import Server, free_port, stop
from demo.services import Services, State
from selection.backend_client import BackendClient
from selection.command.checks import Check
from selection.command.connect import connect
from selection.command.doctor import Doctor
from selection.config import load
from selection.http import SECRET_HEADER
from selection.studio.api import Project, Studio
from tests.backend.engine.tiny_model import tiny_model
from tests.e2e.test_loop import wait_for

CRUX = str(Path(sys.executable).parent / "crux")


@dataclass
class Place:
    """A project that is not connected yet, a backend, and the command's settings."""

    services: Services
    state: State
    studio: Studio
    project: Project
    config: Path

    def crux(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [CRUX, *argv, "--config", str(self.config)],
            capture_output=True, text=True, timeout=300, check=False, cwd=self.config.parent,
        )  # fmt: skip

    def doctor(self, secret: str | None = None) -> dict[str, Check]:
        """What the command would find, without the seconds that its start takes."""
        state = self.state
        settings = load(self.config, webhook_secret=secret)
        doctor = Doctor(
            settings,
            lambda: Studio(state.studio_url, state.token),
            lambda: BackendClient(state.backend_url, settings.webhook_secret.get_secret_value()),
        )
        return {check.name: check for check in doctor.look()}

    def told(self) -> dict[str, Any]:
        """What Label Studio keeps that looking must not change."""
        number = self.project.id
        settings = httpx.get(
            f"{self.state.studio_url}/api/projects/{number}/",
            headers={"Authorization": f"Token {self.state.token}"}, timeout=300,
        ).json()  # fmt: skip
        return {
            "settings": {name: value for name, value in settings.items() if "state" not in name},
            "webhooks": self.studio.webhooks(number),
            "backends": [one.id for one in self.studio.backends(number)],
        }


def wrong(seen: dict[str, Check]) -> list[str]:
    return [name for name, check in seen.items() if check.ok is False]


@pytest.fixture(scope="module")
def place(label_studio: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("doctor")
    services = Services(root, settings={"CRUX_LLM": tiny_model(root / "llm")})
    admin = label_studio.admin
    port = int(label_studio.url.rsplit(":", 1)[1])
    state = State(port, free_port(), admin.email, admin.password, admin.token, "a-test-secret")
    services.keep(state)
    services.start_backend(state)
    services.start_worker(state)
    wait_for(lambda: "worker is ready" in (root / "worker.log").read_text())
    studio = Studio(label_studio.url, admin.token)
    project = studio.create_project("Looked at", CONFIG, "Is it harsh?")
    values = {
        "studio_url": state.studio_url, "studio_token": state.token, "project": project.id,
        "backend_url": state.backend_url, "webhook_secret": state.secret,
        "home": str(root / "crux"),
    }  # fmt: skip
    config = root / "crux.toml"
    config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    yield Place(services, state, studio, project, config)
    services.down()


def test_before_connecting_it_names_what_is_missing_and_makes_nothing(place: Place) -> None:
    before = place.told()
    seen = place.doctor()
    assert wrong(seen) == ["connection", "webhook"]
    assert "Run crux connect" in seen["connection"].message
    assert "none goes to" in seen["webhook"].message
    assert place.told() == before


def test_after_connecting_all_is_well_and_looking_changes_nothing(place: Place) -> None:
    assert place.crux("connect").returncode == 0
    before = place.told()
    done = place.crux("doctor", "--json")
    body = json.loads(done.stdout)
    assert [check["name"] for check in body["checks"] if not check["ok"]] == []
    assert (done.returncode, body["ok"]) == (0, True)
    assert place.told() == before
    for planted in (place.state.secret, place.state.token):
        assert planted not in done.stdout + done.stderr


def test_a_webhook_of_an_old_backend_is_named_and_removed_by_the_command_given(
    place: Place,
) -> None:
    old = place.studio.create_webhook(place.project.id, "http://127.0.0.1:9/webhook", {})
    seen = place.doctor()
    assert wrong(seen) == ["left-over webhooks"]
    command = f"crux connect --remove-webhook {old}"
    assert seen["left-over webhooks"].message.endswith(command)
    assert place.crux(*command.split()[1:]).returncode == 0
    assert place.doctor()["left-over webhooks"].ok


def test_a_webhook_without_our_secret_is_not_taken_for_ours(place: Place) -> None:
    (ours,) = place.studio.webhooks(place.project.id)
    place.studio.delete_webhook(ours.id)
    place.studio.create_webhook(place.project.id, ours.url, {SECRET_HEADER: "an-older-secret"})
    assert wrong(place.doctor()) == ["webhook"]
    settings = load(place.config)
    backend = BackendClient(place.state.backend_url, place.state.secret)
    assert all(check.ok for check in connect(settings, place.studio, backend))
    assert wrong(place.doctor()) == []


def test_another_secret_and_a_worker_that_ended_are_said(place: Place) -> None:
    seen = place.doctor(secret="not-that-one")
    assert seen["secret"].ok is False
    assert "another secret than CRUX_WEBHOOK_SECRET here" in seen["secret"].message
    assert seen["worker"].ok is None
    assert stop(place.services.pid("worker"))
    assert wrong(place.doctor()) == ["worker"]


def test_a_backend_that_is_down_is_said_and_the_rest_is_looked_at(place: Place) -> None:
    assert stop(place.services.pid("backend"))
    seen = place.doctor()
    assert wrong(seen) == ["backend"]
    assert seen["webhook"].ok
    assert seen["switches"].ok
    assert "not looked at, since 'backend' is not ok" in seen["training"].message
