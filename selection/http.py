"""What both sides need of HTTP: the header of the secret, one GET, addresses, when to come back."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from selection.errors import BackendError

SECRET_HEADER = "X-Crux-Secret"  # noqa: S105  (the name of the header, not its value)
TIMEOUT = 10.0  # seconds for one GET
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST = 86_400.0  # seconds: a server whose clock is years off must not stop us for years


@dataclass(frozen=True)
class Reply:
    """The answer to one GET.

    status: of HTTP. ahead: seconds by which the server's clock is ahead of ours, to about a
    second; None if the server sends no date.
    """

    status: int
    ahead: float | None


def get(url: str, secret: str = "") -> Reply:
    """Ask `url` once, with the secret if one is given. Raises BackendError if nobody answers."""
    headers = {SECRET_HEADER: secret} if secret else {}
    try:
        reply = httpx.get(url, headers=headers, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise BackendError(f"{url} does not answer ({type(error).__name__}).") from None
    return Reply(reply.status_code, _ahead(reply.headers.get("Date", "")))


def same_address(one: str, other: str) -> bool:
    """Whether two URLs lead to the same place however they are written.

    localhost is 127.0.0.1, capitals in the host, the scheme's own port and a slash at the end do
    not count.
    """
    return _address(one) == _address(other)


def _address(url: str) -> tuple[object, ...]:
    try:
        read = httpx.URL(url.strip())
    except httpx.InvalidURL:
        return (url,)
    host = "localhost" if read.host in LOOPBACK else read.host
    return read.scheme, host, read.port, read.path.rstrip("/"), read.query


def retry_after(reply: httpx.Response) -> float | None:
    """Return the seconds that the header Retry-After asks for, which may name a date.

    0 for a moment that has passed, None if the header is missing or cannot be read.
    """
    named = reply.headers.get("Retry-After", "").strip()
    if named.isdecimal():
        return min(float(named), LONGEST)
    try:
        moment = parsedate_to_datetime(named)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # an HTTP date is in UTC, whether it says so or not
        moment = moment.replace(tzinfo=UTC)
    left = (moment - datetime.now(UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST)


def _ahead(date: str) -> float | None:
    try:
        theirs = parsedate_to_datetime(date)
    except ValueError:
        return None
    if theirs.tzinfo is None:
        return None
    # a Date header is cut to whole seconds: half a second is the mean of what is cut off
    return theirs.timestamp() + 0.5 - datetime.now(UTC).timestamp()
