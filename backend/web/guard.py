"""Which requests are let in: the secret, the size and form of bodies, how many at once."""

import hmac
import json
import threading
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from backend.web.refusals import Refused, too_large
from backend.web.schemas import TooMuch
from selection.http import SECRET_HEADER

KEPT_FREE = 16  # threads that never wait for the model, so that /health always finds one
SHOWN = 20  # characters of a value that an error repeats: no token is that short
RETRY_AFTER = 5  # seconds after which a request that found no room may be sent again

_PIECE = 64 * 1024  # bytes read at a time

M = TypeVar("M", bound=BaseModel)


def authorize(request: Request, secret: str) -> None:
    """Raise Refused (401) without the secret in our header or as the password of basic auth."""
    if not secret:
        return
    given = [request.headers.get(SECRET_HEADER, "").encode("latin-1")]  # WSGI decodes it so
    if request.authorization is not None:
        given.append((request.authorization.password or "").encode("utf-8", "surrogatepass"))
    # digests have equal lengths and all are compared, so the time tells nothing of the secret
    wanted = sha256(secret.encode()).digest()
    if not sum(hmac.compare_digest(sha256(one).digest(), wanted) for one in given):
        raise Refused(
            f"The secret is missing or wrong. Send CRUX_WEBHOOK_SECRET in the header "
            f"{SECRET_HEADER}, or as the password of basic auth (crux connect sets both).",
            401,
        )


def check_size(request: Request, limit: int) -> None:
    """Raise Refused (413) for a body that declares more than `limit` bytes."""
    length = request.content_length
    if length is not None and length > limit:
        raise too_large(limit, f" of {length} bytes")


def read_body(request: Request, model: type[M], limit: int) -> M:
    """Return the body as its model.

    Raises Refused: 415 for another content type, 400 for anything but a JSON object, 413 for more
    than `limit` bytes, 413 and 422 for one that does not fit the model.
    """
    if not request.is_json:  # a page of another site can post any other type without asking first
        raise Refused("The body must be JSON: send it with Content-Type: application/json.", 415)
    try:
        body = json.loads(_read_bytes(request, limit), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a thousand brackets
        body = None
    if not isinstance(body, dict):
        raise Refused("The body must be a JSON object.", 400)
    return validate(model, body)


def _read_bytes(request: Request, limit: int) -> bytearray:
    """Return the body. Werkzeug silently cuts one of unknown length at its own limit."""
    found = bytearray()
    while piece := request.stream.read(min(_PIECE, limit + 1 - len(found))):
        found += piece
        if len(found) > limit:
            raise too_large(limit)
    return found


def validate(model: type[M], values: Mapping[str, object]) -> M:
    """Return the values as their model. Raises Refused (413, 422)."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        status, message = _explain(model, error)
        raise Refused(message, status) from None


def _explain(model: type[BaseModel], error: ValidationError) -> tuple[int, str]:
    """Return the status and one sentence for the first thing that is wrong with a request."""
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
    """Return a value as an error may repeat it: never somebody's text, never a token."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    kind = "text of" if isinstance(value, str) else "number of"
    shown = json.dumps(value)
    return shown if len(shown) <= SHOWN else f"a {kind} {len(shown)} characters"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


class Admission:
    """Let at most `limit` requests wait for the model at a time."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.waiting = 0
        self._lock = threading.Lock()

    def enter(self) -> None:
        """Take a place, which leave() gives back. Raises Refused (503) if there is none."""
        with self._lock:
            if self.waiting >= self.limit:
                raise Refused(
                    f"{self.waiting} requests wait for the model, which is as many as are let in "
                    f"(CRUX_HTTP_THREADS less {KEPT_FREE}): ask again in {RETRY_AFTER} seconds.",
                    503,
                    RETRY_AFTER,
                )
            self.waiting += 1

    def leave(self) -> None:
        """Give the place back."""
        with self._lock:
            self.waiting -= 1
