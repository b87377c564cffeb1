"""A project of a real Label Studio with a real backend, for `crux doctor` to look at."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.services import Services, State
from selection.backend_client import BackendClient
from selection.command.checks import Check
from selection.command.connect import connect
from selection.command.doctor import Doctor
from selection.config import Settings, load
from selection.studio.api import Project, Studio

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

    def settings(self, **other: Any) -> Settings:
        return load(self.config, **other)

    def doctor(self, **other: Any) -> dict[str, Check]:
        """What the command would find, without the seconds that its start takes."""
        settings = self.settings(**other)
        doctor = Doctor(
            settings,
            lambda: self.studio,
            lambda: BackendClient(
                self.state.backend_url, settings.webhook_secret.get_secret_value()
            ),
        )
        return {check.name: check for check in doctor.look()}

    def connect(self, **other: Any) -> dict[str, str]:
        """What connecting says; every line is ok."""
        backend = BackendClient(self.state.backend_url, self.state.secret)
        checks = list(connect(self.settings(**other), self.studio, backend))
        assert [check for check in checks if not check.ok] == []
        return {check.name: check.message for check in checks}

    def api(self, method: str, path: str, **body: Any) -> httpx.Response:
        """What Crux itself has no call for."""
        return httpx.request(
            method, f"{self.state.studio_url}/api/{path}", json=body or None, timeout=300,
            headers={"Authorization": f"Token {self.state.token}"},
        )  # fmt: skip

    def localhost(self) -> str:
        return self.state.backend_url.replace("127.0.0.1", "localhost")

    def told(self) -> dict[str, Any]:
        """What Label Studio keeps that looking must not change."""
        number = self.project.id
        settings = self.api("GET", f"projects/{number}/").json()
        return {
            "settings": {name: value for name, value in settings.items() if "state" not in name},
            "webhooks": self.studio.webhooks(number),
            "backends": [one.id for one in self.studio.backends(number)],
        }
