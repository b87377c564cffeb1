import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from backend import logs
from backend.config import BackendSettings
from backend.logs import JsonLine, Line
from tests.backend.web.application import CONFIG, SECRET, Backend


def record(message: str, *args: object, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord("backend.fit", logging.INFO, "fit.py", 7, message, args, None)
    made.created = 1_795_305_600.1234
    made.fields = fields
    return made


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:], logger.level = handlers, level


@pytest.fixture
def request_id() -> Iterator[str]:
    token = logs.request_id.set("req-1")
    yield "req-1"
    logs.request_id.reset(token)


def test_a_line_of_text_carries_time_level_logger_message_and_fields() -> None:
    line = Line().format(record("round %s", 3, project=7, ms=1.5))
    assert line == "2026-11-22T00:00:00.123Z INFO backend.fit round 3 project=7 ms=1.5"


def test_a_line_of_json_carries_the_same(request_id: str) -> None:
    assert json.loads(JsonLine().format(record("round %s", 3, project=7))) == {
        "time": "2026-11-22T00:00:00.123Z", "level": "INFO", "logger": "backend.fit",
        "message": "round 3", "request_id": "req-1", "project": 7,
    }  # fmt: skip
    assert "[req-1] round 3" in Line().format(record("round 3"))


@given(st.text(), st.text())
def test_whatever_a_message_holds_it_is_one_line_that_every_stream_takes(
    message: str, value: str
) -> None:
    for form in (Line(), JsonLine()):
        line = form.format(record("%s", message, label=value))
        assert len(line.splitlines()) == 1
        assert line.encode()
    assert json.loads(line)["label"] == value


def test_a_trace_stands_in_the_record_that_it_belongs_to() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        failed = record("no luck")
        failed.exc_info = (type(error), error, error.__traceback__)
    text = Line().format(failed).splitlines()
    assert (text[0].endswith("no luck"), text[-1]) == (True, "ValueError: broken")
    body = json.loads(JsonLine().format(failed))
    assert body["trace"].splitlines()[-1] == "ValueError: broken"


@pytest.mark.parametrize("form", [Line, JsonLine])
@pytest.mark.parametrize("secret", ["s3cret/with?more", 'a "quoted" one', "schlüssel", "plain-one"])
def test_our_secrets_are_struck_out_of_what_others_say(form: type[Line], secret: str) -> None:
    from urllib.parse import quote

    line = form([secret])
    for said in (f"GET /?token={secret}&x", f"GET /?token={quote(secret, safe='')}&x"):
        shown = line.format(record("%s", said, at=said))
        assert shown.count("…") + shown.count("\\u2026") == 2
        assert secret not in shown and quote(secret, safe="") not in shown
        assert json.dumps(secret)[1:-1] not in shown


def test_too_short_a_secret_is_no_reason_to_spoil_every_word() -> None:
    assert Line(["", "a", "round"]).format(record("a round")).endswith("a round")


def test_every_secret_of_the_settings_is_known_and_the_password_in_an_address() -> None:
    settings = BackendSettings(
        studio_token=SecretStr("t0ken-of-studio"), webhook_secret=SecretStr("webh00k"),
        queue_url=SecretStr("redis://:pa%2Fss-word@127.0.0.1:6379/0"),
        llm_key=SecretStr("http://[half"),
    )  # fmt: skip
    assert {
        "t0ken-of-studio", "webh00k", "redis://:pa%2Fss-word@127.0.0.1:6379/0", "pa%2Fss-word",
        "pa/ss-word", "http://[half",
    } <= set(logs.secrets(settings))  # fmt: skip


@pytest.mark.parametrize("form", ["text", "json"])
def test_configured_twice_a_record_is_written_once(
    root: logging.Logger, capsys: pytest.CaptureFixture[str], form: Any
) -> None:
    for _ in range(2):
        logs.configure(BackendSettings(log=form, webhook_secret=SecretStr(SECRET)))
    logging.getLogger("backend.fit").info("the secret is %s", SECRET, extra=logs.fields(project=7))
    logging.getLogger("httpx").info("HTTP Request")
    (line,) = capsys.readouterr().err.splitlines()
    assert ("the secret is" in line, SECRET in line) == (True, False)
    assert line.startswith("{") == (form == "json")


@pytest.mark.parametrize("bad", [None, "", "a b", "a\nb", "-x", "x" * 65, "ä", '"', "{}"])
def test_an_id_that_cannot_stand_in_a_log_is_replaced(bad: str | None) -> None:
    made = logs.make_request_id(bad)
    assert re.fullmatch(r"[0-9a-f]{32}", made) and made != logs.make_request_id(bad)


@pytest.mark.parametrize("good", ["a", "4f1c-00.7:b_C", "x" * 64])
def test_an_id_of_the_clients_own_is_kept(good: str) -> None:
    assert logs.make_request_id(good) == good


# the lines of a request


class Requests(logging.Handler):
    """Keeps each record with the request id at its moment."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, logging.LogRecord]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((logs.request_id.get(), record))


@pytest.fixture
def seen(root: logging.Logger) -> list[tuple[str, logging.LogRecord]]:
    handler = Requests()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler.seen


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


def access(seen: list[tuple[str, logging.LogRecord]]) -> list[dict[str, Any]]:
    lines = [getattr(one, "fields", {}) for _, one in seen if one.getMessage() == "answered"]
    return [{key: value for key, value in line.items() if key != "ms"} for line in lines]


def test_each_request_leaves_one_line_with_route_status_and_project(
    backend: Backend, seen: list[tuple[str, logging.LogRecord]]
) -> None:
    backend.post("/setup", {"project": "7.1700000000", "schema": CONFIG})
    backend.post("/webhook", {"action": "PROJECT_UPDATED", "project": {"id": 7}})
    backend.get("/projects/7")
    backend.client.get("/projects/7")
    backend.client.open("/a/secret/place?token=x", method="BREW")
    assert access(seen) == [
        {"route": "/setup", "method": "POST", "status": 200, "project": 7},
        {"route": "/webhook", "method": "POST", "status": 201, "project": 7},
        {"route": "/projects/{project}", "method": "GET", "status": 200, "project": 7},
        {"route": "/projects/{project}", "method": "GET", "status": 401},
        {"route": "none", "method": "other", "status": 401},
    ]
    assert "secret/place" not in "".join(one.getMessage() for _, one in seen)


def test_all_lines_of_a_request_carry_its_id_and_none_after_it(
    backend: Backend, seen: list[tuple[str, logging.LogRecord]]
) -> None:
    tasks = [{"id": 1, "data": {}}]
    answer = backend.post("/predict", {"project": 7, "tasks": tasks})
    assert [one.name for _, one in seen] == ["backend.web.ml_base", "backend.web.app"]
    assert {about for about, _ in seen} == {answer.headers["X-Request-ID"]}
    assert logs.request_id.get() == ""
