"""The backend's app with a Label Studio and a model behind it: what tests of its routes ask."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from flask.testing import FlaskClient

from backend.config import BackendSettings
from backend.versions.manifest import Manifest
from backend.web.app import create_app
from backend.web.ml_base import CruxModel
from backend.web.state import Process
from selection.http import SECRET_HEADER
from tests.fakes import FakeScorer, FakeStudio, fake_train

SECRET, TOKEN = "a-long-secret", "c0ffee" * 6 + "c0de"
CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text">'
    '<Choice value="yes"/><Choice value="no"/></Choices></View>'
)


class Backend:
    """An app with a process of its own. settings: those that differ from the usual ones."""

    def __init__(
        self,
        home: Path,
        secret: str = SECRET,
        model_class: type[CruxModel] = CruxModel,
        **settings: Any,
    ) -> None:
        self.studio, self.scorer = FakeStudio(), FakeScorer()
        self.loaded = 0
        given = {"home": home, "llm": "tiny", "webhook_secret": secret, "studio_token": TOKEN}
        self.process = Process(BackendSettings(**{**given, **settings}), self.studio, self.load)  # type: ignore[arg-type]
        self.app = create_app(process=self.process, model_class=model_class)
        self.client: FlaskClient = self.app.test_client()

    def load(self) -> Any:
        self.loaded += 1
        return self.scorer

    def post(self, path: str, body: Any, **more: Any) -> Any:
        return self.client.post(path, json=body, headers={SECRET_HEADER: SECRET}, **more)

    def get(self, path: str) -> Any:
        return self.client.get(path, headers={SECRET_HEADER: SECRET})

    def train(
        self, version: str, labels: tuple[str, ...] = ("yes", "no"), model: str = "tiny"
    ) -> None:
        def fill(out: Path) -> Manifest:
            known = np.array([0, 1])
            fake_train("", "", labels, ["green", "red"], known, None, None, out)
            return Manifest(version, "trained", 0, model, "policy", labels, ties=1)

        self.process.serving.registry.build(7, version, fill)

    @property
    def queued(self) -> int:
        return self.process.jobs.waiting()


def refused(answer: Any, status: int, says: str) -> None:
    """Assert that an answer is a refusal in a sentence, and no more."""
    assert answer.status_code == status, answer.text
    assert list(answer.json) == ["error"]
    assert says in answer.json["error"]
    assert "Traceback" not in answer.text


def break_queue(backend: Backend) -> None:
    """Put a file where the queue's folder is: nothing can be read or written there."""
    queue = backend.process.settings.home / "queue"
    shutil.rmtree(queue)
    queue.write_text("no folder")
