"""Secrets are planted where people put them; then everything that comes out is searched."""

import base64
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from backend.config import BackendSettings
from backend.queue.jobs import Jobs
from backend.web.state import Process
from backend.worker import Worker
from demo.processes import free_port, start_process, stop, wait_until
from demo.servers import Server, clean_environment
from selection.errors import CruxError
from selection.http import SECRET_HEADER
from selection.studio.api import Studio
from tests.backend.engine.tiny_model import tiny_model
from tests.backend.web.application import CONFIG, Backend
from tests.backend.web.gunicorn_server import started

WEBHOOK, ACCESS = "planted-webhook-secret", "planted-access-token-of-somebody"
REDIS, LLM_KEY = "planted/redis+password", "planted-key-of-the-llm"
REFUSED = "d00d" * 10  # a token that Label Studio does not know
PLANTED = (WEBHOOK, ACCESS, REDIS, quote(REDIS, safe=""), LLM_KEY, REFUSED)
ROOT = Path(__file__).parents[2]


def found_in(text: str, *planted: str) -> list[str]:
    """Which of the secrets stand in a text, also as basic auth carries them."""
    encoded = [base64.b64encode(f"crux:{one}".encode()).decode() for one in planted]
    return [one for one in (*planted, *encoded) if one in text]


def found_below(folder: Path, *planted: str) -> list[tuple[str, str]]:
    """Files that hold a secret."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [
        (file.name, one)
        for file in files
        for one in found_in(file.read_bytes().decode("latin-1"), *planted)
    ]


class Everything(logging.Handler):
    """All records of all loggers from DEBUG on, as plain text with their traces."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + f"{getattr(record, 'fields', '')}\n"


@pytest.fixture
def everything() -> Iterator[Everything]:
    handler, root = Everything(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


def ask_all(send: Any, project: int = 7) -> str:
    """Every route, well and badly asked; all that it answers."""
    good = {SECRET_HEADER: WEBHOOK}
    setup = {"project": project, "schema": CONFIG, "access_token": ACCESS, "hostname": "http://x"}
    tasks = [{"id": 1, "data": {"text": "red"}}, {"id": 2, "data": {"text": 7}}]
    posts: list[tuple[str, Any]] = [
        ("/setup", setup),
        ("/setup", {**setup, "project": 10**17}),
        ("/setup", {**setup, "project": {"access_token": ACCESS}}),
        ("/setup", {**setup, "schema": "<"}),
        ("/setup", [setup]),
        ("/predict", {"project": project, "tasks": tasks, "params": {"password": ACCESS}}),
        ("/predict", {"project": project, "tasks": ACCESS}),
        ("/webhook", {"action": "START_TRAINING", "project": project, "token": ACCESS}),
        ("/webhook", {"action": [ACCESS]}),
        ("/score", {"project": project, "texts": ["red"], "access_token": ACCESS}),
        ("/score", {"project": project, "texts": [{"token": ACCESS}]}),
        ("/score", {"project": project, "texts": ACCESS}),
        ("/score", {"project": ACCESS, "texts": []}),
        (f"/projects/{project}/check", {"forced": ACCESS}),
        (f"/projects/{project}/check", {"forced": True}),
        (f"/projects/{project}/current", {"version": "round9-none", "token": ACCESS}),
        (f"/projects/{project}/sample", {"texts": ["red"]}),
        ("/train", setup),
        (f"/nothing/{ACCESS}", setup),
    ]
    gets = ["/health", "/versions", f"/projects/{project}", "/metrics", "/openapi.json",
            "/is_training", f"/versions?project={ACCESS}", f"/nothing?token={ACCESS}"]  # fmt: skip
    said = ""
    for headers in (good, {**good, "Authorization": f"Token {ACCESS}"}, {SECRET_HEADER: ACCESS}):
        for path, body in posts:
            said += send("POST", path, json=body, headers=headers)
        for path in gets:
            said += send("GET", path, headers=headers)
    return said


@pytest.mark.server
def test_all_that_a_running_server_says_and_keeps_is_free_of_secrets(tmp_path: Path) -> None:
    out = ""
    for form in ("text", "json"):
        folder = tmp_path / form
        folder.mkdir()
        settings = {
            "LOG": form, "WEBHOOK_SECRET": WEBHOOK, "STUDIO_TOKEN": REFUSED, "LLM_KEY": LLM_KEY,
        }  # fmt: skip
        with started(folder, **settings) as served:

            def send(method: str, path: str, **more: Any) -> str:
                answer = served.http.request(method, path, **more)
                return f"{answer.status_code} {answer.headers} {answer.text}\n"

            out += ask_all(send) + served.log.read_text()
        assert found_below(folder, *PLANTED) == []
    assert all(f"{status} Headers" in out for status in (200, 201, 202, 400, 401, 404, 422))
    assert found_in(out, *PLANTED) == []


def test_no_record_of_any_library_at_debug_holds_a_secret_also_not_label_studios_token(
    tmp_path: Path, label_studio: Server, everything: Everything, capfd: pytest.CaptureFixture[str]
) -> None:
    token = label_studio.admin.token
    planted = (*PLANTED, token)
    studio = Studio(label_studio.url, token)
    project = studio.create_project("Secrets", CONFIG, "Is the text good?")
    studio.import_tasks(project.id, [{"data": {"text": "red"}}])
    home = tmp_path / "home"
    settings = BackendSettings(
        home=home, studio_url=label_studio.url, studio_token=SecretStr(token), threads=1,
        webhook_secret=SecretStr(WEBHOOK), llm=tiny_model(tmp_path / "model"),
        llm_key=SecretStr(LLM_KEY),
    )  # fmt: skip
    process = Process(settings)
    client = _client(process)

    def send(method: str, path: str, **more: Any) -> str:
        answer = client.open(path, method=method, **more)
        return f"{answer.status_code} {answer.headers} {answer.text}\n"

    said = ask_all(send, project.id)
    with pytest.raises(CruxError) as caught:  # the worker's: nothing was pushed
        Worker(settings).fit.run(project.id, forced=True)
    Worker(settings)._look(project.id, swept=False)
    said += f"{caught.value!r} {settings!r} {settings} {process!r} {vars(process)} {studio!r}"
    said += everything.text + "".join(capfd.readouterr())
    assert '"probabilities"' in said
    assert process.serving.registry.versions(project.id) != []
    assert found_in(said, *planted) == []
    assert found_below(home, *planted) == []


def _client(process: Process) -> Any:
    from backend.web.app import create_app

    return create_app(process=process).test_client()


def test_a_token_that_label_studio_refuses_is_not_shown_by_routes_nor_worker(
    tmp_path: Path, label_studio: Server, everything: Everything
) -> None:
    settings = BackendSettings(
        home=tmp_path / "home", studio_url=label_studio.url, studio_token=SecretStr(REFUSED),
        webhook_secret=SecretStr(WEBHOOK), llm="tiny",
    )  # fmt: skip
    client = _client(Process(settings))
    headers = {SECRET_HEADER: WEBHOOK}
    answer = client.post("/setup", json={"project": 7, "access_token": ACCESS}, headers=headers)
    assert answer.status_code == 502
    Worker(settings)._look(7, swept=False)
    assert "token" in everything.text
    assert found_in(answer.text + everything.text, *PLANTED) == []
    assert found_below(tmp_path, *PLANTED) == []


def test_a_password_in_the_address_of_redis_is_shown_nowhere(
    tmp_path: Path, everything: Everything
) -> None:
    said = ""
    for address in (
        f"redis://:{quote(REDIS, safe='')}@127.0.0.1:{free_port()}/0",
        f"redis://:{quote(REDIS, safe='')}@127.0.0.1:notaport/0",
        f"http://:{quote(REDIS, safe='')}@127.0.0.1/0",
    ):
        settings = BackendSettings(
            home=tmp_path / "home", queue_url=SecretStr(address), webhook_secret=SecretStr(WEBHOOK)
        )
        said += repr(settings)
        try:
            jobs = Jobs(settings)
            said += repr(jobs)
            jobs.look(7)
        except CruxError as error:
            said += f"{error} {error!r} {error.__cause__!r} {error.__context__!r}"
    assert said.count("CRUX_QUEUE_URL") == 6  # in each error and in its repr
    assert found_in(said + everything.text, *PLANTED) == []


@pytest.mark.server
def test_a_worker_and_the_command_crux_say_nothing_secret_when_nothing_answers(
    tmp_path: Path,
) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    environment = clean_environment(
        HOME=str(tmp_path), CRUX_HOME=str(tmp_path / "home"), CRUX_STUDIO_URL=away,
        CRUX_STUDIO_TOKEN=REFUSED, CRUX_WEBHOOK_SECRET=WEBHOOK, CRUX_BACKEND_URL=away,
        CRUX_LLM_KEY=LLM_KEY, CRUX_PROJECT="7", CRUX_LLM="tiny",
    )  # fmt: skip
    (tmp_path / "home/projects/7").mkdir(parents=True)
    log, pid_file = tmp_path / "worker.log", tmp_path / "worker.pid"
    argv = [sys.executable, "-m", "backend.worker"]
    worker = start_process("worker", argv, environment, log, pid_file)
    try:
        wait_until(worker, lambda: "project 7" in log.read_text(), 300)
    finally:
        stop(pid_file)
    said = log.read_text()
    for command in (["status"], ["doctor"], ["connect"]):
        crux = str(Path(sys.executable).parent / "crux")
        ended = subprocess.run(
            [crux, *command], env=environment, cwd=tmp_path, text=True, capture_output=True,
            timeout=300,
        )  # fmt: skip
        assert ended.returncode != 0
        said += ended.stdout + ended.stderr
    assert "does not answer" in said
    assert found_in(said, *PLANTED) == []
    assert found_below(tmp_path, *PLANTED) == []


def test_what_is_searched_for_would_be_found(tmp_path: Path) -> None:
    basic = base64.b64encode(f"crux:{WEBHOOK}".encode()).decode()
    assert found_in(f"a {WEBHOOK} b Basic {basic}", *PLANTED) == [WEBHOOK, basic]
    (tmp_path / "kept").write_text(f'{{"token": "{ACCESS}"}}')
    assert found_below(tmp_path, *PLANTED) == [("kept", ACCESS)]


def test_the_fakes_of_the_route_tests_see_no_token_either(
    tmp_path: Path, everything: Everything
) -> None:
    backend = Backend(tmp_path, secret=WEBHOOK)

    def send(method: str, path: str, **more: Any) -> str:
        answer = backend.client.open(path, method=method, **more)
        return f"{answer.status_code} {answer.headers} {answer.text}\n"

    assert found_in(ask_all(send) + everything.text, *PLANTED) == []
    assert ACCESS not in repr(vars(backend.studio)) + repr(vars(backend.process.serving))
