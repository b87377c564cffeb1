"""The log: one line per record, with the id of the request that it belongs to.

    2026-11-22T12:00:00.123Z INFO backend.web.app [4f1c…] POST /predict 200 route=/predict ms=41.2
    {"time": "2026-11-22T12:00:00.123Z", "level": "INFO", "logger": "backend.web.app", …}

A record's fields say what it is about: `log.info("…", extra=fields(project=7))`. Our secrets are
struck out of every message, also of those that libraries write.
"""

import json
import logging
import re
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from backend.config import BackendSettings

log = logging.getLogger(__name__)

request_id: ContextVar[str] = ContextVar("request_id", default="")

SHORTEST = 6  # characters of a secret that is struck out; shorter ones are in ordinary words
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}
_QUIET = ("httpx", "httpcore", "urllib3")  # a line for every request of ours to Label Studio


def make_request_id(given: str | None) -> str:
    """Return the client's own id if it can stand in a header and a log, otherwise a new one."""
    return given if given and _SANE.fullmatch(given) else uuid.uuid4().hex


def fields(**values: object) -> dict[str, dict[str, object]]:
    """Return a record's fields for `extra`, without those that are None."""
    return {"fields": {key: value for key, value in values.items() if value is not None}}


class Line(logging.Formatter):
    """A record as one line of text; a trace follows on lines of its own."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        shown = {form for s in secrets for form in (s, quote(s, safe=""), json.dumps(s)[1:-1])}
        self._secrets = sorted((s for s in shown if len(s) >= SHORTEST), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        return self.struck(self.line(record))

    def struck(self, text: str) -> str:
        """Without our secrets, and without halves of characters, which no stream takes."""
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return text.encode("utf-8", "backslashreplace").decode()

    def line(self, record: logging.LogRecord) -> str:
        """The record before secrets are struck out."""
        about = request_id.get()
        # a line break in a path or a label must not make a line that we never wrote
        said = record.getMessage().translate(_CONTROL)
        line = f"{_time(record)} {record.levelname} {record.name} "
        line += f"[{about}] {said}" if about else said
        for key, value in getattr(record, "fields", {}).items():
            line += f" {key}={str(value).translate(_CONTROL)}"
        return "\n".join([line, *self.trace(record)])

    def trace(self, record: logging.LogRecord) -> list[str]:
        """The trace of the record's exception, if it has one."""
        return [self.formatException(record.exc_info)] if record.exc_info else []


class JsonLine(Line):
    """A record as one JSON object."""

    def line(self, record: logging.LogRecord) -> str:
        body: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if about := request_id.get():
            body["request_id"] = about
        body |= getattr(record, "fields", {})
        for trace in self.trace(record):
            body["trace"] = trace
        return json.dumps(body, default=str)


FORMS: dict[str, type[Line]] = {"text": Line, "json": JsonLine}


def configure(settings: BackendSettings, level: int = logging.INFO) -> None:
    """Write every record of this process to standard error, in the form of the settings.

    A second call replaces the first one's handler.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMS[settings.log](list(secrets(settings))))
    handler.set_name("crux")
    root = logging.getLogger()
    for there in root.handlers:
        if there.get_name() == "crux":
            root.removeHandler(there)
            break
    root.addHandler(handler)
    root.setLevel(level)
    threading.excepthook = _ended_by_error
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _ended_by_error(thrown: threading.ExceptHookArgs) -> None:
    """Log what ended a thread as any other record: in one form, with secrets struck out."""
    if thrown.exc_type is SystemExit or thrown.exc_value is None:
        return
    name = thrown.thread.name if thrown.thread is not None else "?"
    log.critical("the thread %s ended by an unexpected error", name, exc_info=thrown.exc_value)


def secrets(settings: BackendSettings) -> Iterator[str]:
    """Yield everything that no log may show: secret settings, and passwords in addresses."""
    for value in dict(settings).values():
        if isinstance(value, SecretStr):
            secret = value.get_secret_value()
            yield secret
            if password := _password(secret):
                yield password
                yield unquote(password)


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:  # half an IPv6 address: no address at all
        return None


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
