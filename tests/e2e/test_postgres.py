"""Label Studio on PostgreSQL, as compose.yaml runs it: what the loop asks of it works there too."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from werkzeug.serving import make_server

from backend.config import BackendSettings
from backend.web.app import Process, create_app
from demo.question import CONFIG, LABELS
from demo.servers import free_port, start_label_studio, stop
from selection.backend_client import BackendClient
from selection.command.connect import connect
from selection.config import Settings
from selection.studio.api import Project, Studio, prediction
from tests.conftest import ADMIN, PROGRAM, ROOT
from tests.e2e.postgres import postgres
from tests.e2e.test_loop import wait_for
from tests.fakes import FakeScorer
from tests.test_packaging import STUDIO_PINS, pins

SECRET = "a-test-secret"
# The tables of this version, and the admin: half a minute of migrations, made once.
DUMP = ROOT / f"build/label-studio-{pins(STUDIO_PINS)['label-studio']}.sql"


class Heard(Process):
    """A serving process that notes what the worker would be asked to look at."""

    looks: list[tuple[int, bool]]

    def look(self, project: int, forced: bool) -> None:
        self.looks.append((project, forced))


@dataclass
class Place:
    """Label Studio, and the backend in this process."""

    studio: Studio
    settings: Settings
    process: Heard
    url: str
    backend_url: str

    def project(self, title: str) -> Project:
        return self.studio.create_project(title, CONFIG, "Is it harsh?")

    def connect(self, project: Project) -> list[str]:
        settings = self.settings.model_copy(update={"project": project.id})
        checks = list(connect(settings, self.studio, BackendClient(self.backend_url, SECRET)))
        return [f"{check.name}: {check.message}" for check in checks if not check.ok]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root: Path = tmp_path_factory.mktemp("postgres")
    with postgres() as database:
        kept = DUMP.is_file()
        if kept:
            database.begin(DUMP)
        server = start_label_studio(
            root / "data", PROGRAM, free_port(), ADMIN, root / "log", root / "pid",
            settings=database.settings,
        )  # fmt: skip
        try:
            if not kept:
                database.keep(DUMP)
            yield from _served(root, server.url)
        finally:
            stop(root / "pid")


def _served(root: Path, url: str) -> Iterator[Place]:
    studio = Studio(url, ADMIN.token)
    given = BackendSettings(home=root / "home", llm="tiny", webhook_secret=SECRET, studio_url=url)  # type: ignore[arg-type]
    process = Heard(given, studio, FakeScorer)  # type: ignore[arg-type]
    process.looks = []
    backend = make_server("127.0.0.1", 0, create_app(process=process), threaded=True)
    thread = threading.Thread(target=backend.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    backend_url = f"http://127.0.0.1:{backend.server_port}"
    settings = Settings(
        studio_url=url, studio_token=ADMIN.token, webhook_secret=SECRET, backend_url=backend_url,  # type: ignore[arg-type]
        home=root / "crux",
    )  # fmt: skip
    yield Place(studio, settings, process, url, backend_url)
    backend.shutdown()
    thread.join()
    backend.server_close()


def test_its_tables_are_in_the_database_and_not_in_a_file(place: Place) -> None:
    data = Path(place.settings.home).parent / "data"
    assert [file.name for file in data.rglob("*.sqlite3")] == []
    assert place.studio.me().email == ADMIN.email


def test_the_loops_calls_work_one_after_another(place: Place) -> None:
    project = place.project("On PostgreSQL")
    assert place.connect(project) == []
    schema = project.schema
    crux = {"crux": {"blind": True}}
    ids = place.studio.import_tasks(
        project.id,
        [
            {"data": {"text": "a first text"}},
            {"data": {"text": "a blind text"}, "meta": crux},
            {"data": {"text": "a third text"}},
        ],
    )
    said = [{"task": ids[0], **prediction(schema, LABELS[0], 0.75, "round0-a")}]
    assert place.studio.import_predictions(project.id, said) == 1
    place.studio.set_model_version(project.id, "round0-a")
    assert place.studio.project(project.id).model_version == "round0-a"
    place.studio.annotate(ids[0], LABELS[0], schema)
    place.studio.annotate(ids[1], None, schema)
    tasks = {task.id: task for task in place.studio.tasks(project.id, schema)}
    assert sorted(tasks) == sorted(ids)
    assert [len(tasks[one].annotations) for one in ids] == [1, 1, 0]
    assert [p.version for p in tasks[ids[0]].predictions] == ["round0-a"]
    assert tasks[ids[1]].meta == crux
    wait_for(lambda: (project.id, False) in place.process.looks)


def test_predictions_are_retrieved_and_training_is_started_by_the_button(place: Place) -> None:
    project = place.project("Pressed")
    assert place.connect(project) == []
    ids = place.studio.import_tasks(project.id, [{"data": {"text": "good"}}])
    answer = httpx.post(
        f"{place.url}/api/dm/actions/", params={"id": "retrieve_tasks_predictions",
                                               "project": project.id},
        json={"selectedItems": {"all": False, "included": ids}}, timeout=300,
        headers={"Authorization": f"Token {ADMIN.token}"},
    )  # fmt: skip
    assert answer.status_code == 200
    (task,) = place.studio.tasks(project.id, project.schema)
    assert [p.version.split("-")[0] for p in task.predictions] == ["prompted"]
    place.studio.train_backend(place.studio.backends(project.id)[0].id)
    wait_for(lambda: (project.id, True) in place.process.looks)
