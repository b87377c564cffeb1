"""Waiting for what another thread does."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Return as soon as it is true. Raises AssertionError if it is not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not true after {seconds:.0f} s"
        time.sleep(0.01)
