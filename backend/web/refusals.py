"""What a refused request is answered: a status and one sentence in JSON, never a trace."""

import logging

from flask import Response, current_app, jsonify, make_response
from werkzeug.exceptions import HTTPException

from backend import logs
from selection.errors import (
    BackendError,
    CruxError,
    ModelError,
    ProjectError,
    StorageError,
    StudioDown,
    StudioError,
    StudioLacks,
    StudioRefused,
    VersionError,
)

log = logging.getLogger(__name__)

STATUS: dict[type[CruxError], int] = {  # the first class that fits counts
    StudioDown: 503,
    StudioRefused: 502,
    StudioLacks: 404,
    ProjectError: 422,
    StudioError: 502,
    BackendError: 503,
    ModelError: 503,
    StorageError: 503,
    VersionError: 404,
}


class Refused(CruxError):
    """The request itself cannot be served.

    status: of the answer. retry_after: seconds after which the client may ask again.
    """

    def __init__(self, message: str, status: int = 422, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def too_large(limit: int, size: str = "") -> Refused:
    """Return the refusal of a body of more than `limit` bytes. size: ' of 123 bytes', if known."""
    return Refused(
        f"A body{size} is more than the {limit} bytes that are taken: send less at once, or raise "
        f"CRUX_MOST_BYTES.",
        413,
    )


def answer_error(error: CruxError) -> Response:
    """Return the answer to a request that raised one of our errors."""
    status, retry_after = 500, None
    if isinstance(error, Refused):
        status, retry_after = error.status, error.retry_after
    else:
        status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), status)
    log.warning("%s", error, extra=logs.fields(status=status))
    response = jsonify({"error": str(error)})
    response.status_code = status
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def answer_http_error(error: HTTPException) -> Response:
    """Return Flask's own refusals as JSON, and 500 for an error that no code expects.

    The trace of an unexpected error is in the log alone.
    """
    message = error.description or str(error)
    if error.code == 413:
        message = str(too_large(current_app.config["MOST_BYTES"]))
    if error.code == 500:
        message = (
            f"The backend met an unexpected error. Its log has the details: look there for the "
            f"request id {logs.request_id.get()}."
        )
    response = make_response(error.get_response())
    response.set_data(jsonify({"error": message}).get_data())
    response.content_type = "application/json"
    return response
