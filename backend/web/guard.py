"""Who and what is let in: the secret, sizes, how many at once; and what a refusal looks like."""

import hmac
import json
import threading
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from backend.web.schemas import TooMuch
from selection.errors import CruxError
from selection.http import SECRET_HEADER

KEPT_FREE = 16  # threads that never wait for the model, so that /health always finds one
SHOWN = 20  # characters of a value that an error repeats: no token is that short
PATIENCE = 5  # seconds after which whom we had no room for may ask again

_PIECE = 64 * 1024  # bytes read at a time

M = TypeVar("M", bound=BaseModel)


class Refused(CruxError):
    """The request itself cannot be served. status: of the answer. again: in so many seconds."""

    def __init__(self, message: str, status: int = 422, again: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.again = again


def authorize(request: Request, secret: str) -> None:
    """Raises Refused (401) without the secret in our header or as the password of basic auth."""
    if not secret:
        return
    given = [request.headers.get(SECRET_HEADER, "").encode("latin-1")]  # as WSGI hands bytes over
    if request.authorization is not None:
        given.append((request.authorization.password or "").encode("utf-8", "surrogatepass"))
    # of equal length whatever is given, and all of them are compared
    wanted = sha256(secret.encode()).digest()
    if not sum(hmac.compare_digest(sha256(one).digest(), wanted) for one in given):
        raise Refused(
            f"The secret is missing or wrong. Send CRUX_WEBHOOK_SECRET in the header "
            f"{SECRET_HEADER}, or as the password of basic auth (crux connect sets both).",
            401,
        )


def measure(request: Request, most: int) -> None:
    """Raises Refused (413) for a body that says it is larger than `most` bytes."""
    length = request.content_length
    if length is not None and length > most:
        raise too_large(most, f" of {length} bytes")


def too_large(most: int, size: str = "") -> Refused:
    """What is said about a body that is too large."""
    return Refused(
        f"A body{size} is more than the {most} bytes that are taken: send less at once, or raise "
        f"CRUX_MOST_BYTES.",
        413,
    )


def read(request: Request, model: type[M], most: int) -> M:
    """The body as its model. Raises Refused: 415 for another content type, 400 for no JSON object,
    413 for more than `most` bytes, 413 and 422 for one that does not fit."""
    if not request.is_json:  # a page on another site can post any other type without being asked
        raise Refused("The body must be JSON: send it with Content-Type: application/json.", 415)
    try:
        body = json.loads(_bytes(request, most), parse_constant=_no_number)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a thousand brackets
        body = None
    if not isinstance(body, dict):
        raise Refused("The body must be a JSON object.", 400)
    return checked(model, body)


def _bytes(request: Request, most: int) -> bytearray:
    """The body. Werkzeug cuts one that does not tell its length at the limit, without a word."""
    found = bytearray()
    while piece := request.stream.read(min(_PIECE, most + 1 - len(found))):
        found += piece
        if len(found) > most:
            raise too_large(most)
    return found


def checked(model: type[M], values: dict[str, Any]) -> M:
    """The values as their model. Raises Refused."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        status, message = _explain(model, error)
        raise Refused(message, status) from None


def _explain(model: type[BaseModel], error: ValidationError) -> tuple[int, str]:
    """Status and one sentence for the first thing that is wrong with a request."""
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, TooMuch):
        return 413, str(cause)
    name, *inside = first["loc"]
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    wanted = fields[str(name)].description
    if first["type"] == "missing" and not inside:
        return 422, f"'{name}' is missing: it must be {wanted}."
    at = "".join(f"[{step}]" for step in inside[:1] if isinstance(step, int))
    where = f"'{name}' must be {wanted}"
    if at:
        return 422, f"{name}{at} is {_shown(first['input'])}: {where}."
    return 422, f"{where}, not {_shown(first['input'])}."


def _shown(value: Any) -> str:
    """A value as an error may repeat it: never a text of somebody, never a token."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    kind = "text of" if isinstance(value, str) else "number of"
    shown = json.dumps(value)
    return shown if len(shown) <= SHOWN else f"a {kind} {len(shown)} characters"


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class Admission:
    """At most `most` requests that wait for the model at a time."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Raises Refused (503) where there is no room; else leave() must follow."""
        with self._lock:
            if self.waiting >= self.most:
                raise Refused(
                    f"{self.waiting} requests wait for the model, which is as many as are let in "
                    f"(CRUX_HTTP_THREADS less {KEPT_FREE}): ask again in {PATIENCE} seconds.",
                    503,
                    PATIENCE,
                )
            self.waiting += 1

    def leave(self) -> None:
        """One that entered is done."""
        with self._lock:
            self.waiting -= 1
