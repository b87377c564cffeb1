"""How long a server asks us to stay away: the header Retry-After, in seconds or as a date."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

LONGEST = 86_400.0  # seconds: a server whose clock is wrong by years stops nobody for years


def retry_after(reply: httpx.Response) -> float | None:
    """Seconds from now, 0 for a moment that has passed; None where it names none."""
    named = reply.headers.get("Retry-After", "").strip()
    if named.isdecimal():
        return min(float(named), LONGEST)
    try:
        moment = parsedate_to_datetime(named)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:  # a date of HTTP is in UTC, whether it says so or not
        moment = moment.replace(tzinfo=UTC)
    left = (moment - datetime.now(UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST)
