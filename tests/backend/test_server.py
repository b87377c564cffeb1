import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from backend import server
from backend.config import BackendSettings
from demo.processes import free_port
from tests.backend.web.application import SECRET
from tests.backend.web.gunicorn_server import ROOT, Served, command, environment, started

TEXTS = {"project": 7, "texts": ["red", "green"]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    with started(folder, MOST_BYTES="2000", LOG="json") as running:
        yield running


def test_the_server_answers_with_the_id_that_it_was_given_or_made(served: Served) -> None:
    answer = served.http.post("/score", json=TEXTS, headers={"X-Request-ID": "a-1.b"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "a-1.b")
    for bad in ("", "a b", "x" * 65, "-a", "é"):
        sent = {"X-Request-ID": bad.encode()}
        made = served.http.post("/score", json=TEXTS, headers=sent).headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_a_body_of_unknown_length_is_refused_at_the_limit_and_the_server_goes_on(
    served: Served,
) -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        for _ in range(8):
            sent.append(b"x" * 1000)
            yield sent[-1]

    headers = {"Content-Type": "application/json"}
    answer = served.http.post("/score", content=pieces(), headers=headers)
    assert (answer.status_code, len(sent)) == (413, 8)
    assert "is more than the 2000 bytes that are taken" in answer.json()["error"]
    assert served.http.post("/score", json=TEXTS).status_code == 200


def test_every_line_of_the_log_is_json_with_gunicorns_own_among_them(served: Served) -> None:
    served.http.post("/score", json=TEXTS, headers={"X-Request-ID": "of-this-test"})
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert {"gunicorn.error", "backend.web.app"} <= {line["logger"] for line in lines}
    (mine,) = [line for line in lines if line.get("request_id") == "of-this-test"]
    assert (mine["route"], mine["status"], mine["project"]) == ("/score", 200, 7)


@pytest.mark.server
def test_without_a_setting_that_can_be_used_gunicorn_says_so_in_a_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        command(1), env=environment(tmp_path, HTTP_THREADS="many"), cwd=ROOT, text=True,
        capture_output=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "Setting 'http_threads' (CRUX_HTTP_THREADS) is 'many'" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"STUDIO_TOKEN": ""}, "The Label Studio token (CRUX_STUDIO_TOKEN) is empty"),
        ({"HOME": "/proc/no/home"}, "Cannot write the queue /proc/no/home/queue"),
    ],
)
@pytest.mark.server
def test_an_app_that_cannot_be_made_is_one_sentence_and_gunicorns_end(
    tmp_path: Path, setting: dict[str, str], says: str
) -> None:
    real = command(free_port())[:-1]  # gunicorn loads what the configuration names
    ended = subprocess.run(
        real, env=environment(tmp_path, **setting), cwd=ROOT, text=True, capture_output=True,
        timeout=300,
    )  # fmt: skip
    assert ended.returncode == 4
    assert ended.stderr.count(says) == 1
    assert "Traceback" not in ended.stderr


@pytest.mark.server
def test_a_worker_without_a_token_ends_with_one_sentence(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "backend.worker"], env=environment(tmp_path, STUDIO_TOKEN=""),
        cwd=ROOT, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("The Label Studio token (CRUX_STUDIO_TOKEN) is empty")


@pytest.mark.parametrize(
    ("name", "alarm"),
    [
        (("127.0.0.1", 9090), False),
        (("127.1.2.3", 9090), False),
        (("::1", 9090, 0, 0), False),
        ("/run/crux.sock", False),
        (("0.0.0.0", 9090), True),  # noqa: S104
        (("10.0.0.7", 9090), True),
        (("::", 9090, 0, 0), True),
    ],
)
@pytest.mark.parametrize("secret", ["", SECRET])
def test_an_address_that_others_reach_without_a_secret_gives_a_loud_alarm(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: object,
    alarm: bool,
    secret: str,
) -> None:
    monkeypatch.setattr(server, "_SETTINGS", BackendSettings(webhook_secret=SecretStr(secret)))
    listener = SimpleNamespace(getsockname=lambda: name)
    server.when_ready(SimpleNamespace(LISTENERS=[listener]))
    found = [record.getMessage()[:10] for record in caplog.records if record.levelname != "INFO"]
    assert found == ["NO SECRET:"] * (alarm and not secret)


def test_threads_wait_for_the_model_but_for_sixteen(served: Served) -> None:
    assert "64 requests at once, 48 of them may wait for the model" in served.log.read_text()
