"""One GET at a server's door: does it answer, whom does it let in, what time does it have?"""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from selection.backend_client import SECRET_HEADER
from selection.errors import BackendError

PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Reply:
    """status: of HTTP. ahead: seconds by which the server's clock is ahead of ours, to a second
    or so; None where it tells no time."""

    status: int
    ahead: float | None


def knock(url: str, secret: str = "") -> Reply:
    """Ask once, with the secret or as a stranger. Raises BackendError where nobody answers."""
    headers = {SECRET_HEADER: secret} if secret else {}
    try:
        reply = httpx.get(url, headers=headers, timeout=PATIENCE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BackendError(f"{url} does not answer ({type(error).__name__}).") from None
    return Reply(reply.status_code, _ahead(reply.headers.get("Date", "")))


def _ahead(date: str) -> float | None:
    """A Date header is cut to whole seconds, so half a second is what it says on average."""
    try:
        said = parsedate_to_datetime(date)
    except ValueError:
        return None
    if said.tzinfo is None:
        return None
    return said.timestamp() + 0.5 - datetime.now(UTC).timestamp()
