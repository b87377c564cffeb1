"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import Any


def wait_for(ready: Callable[[], object], what: str, seconds: float = 600.0) -> Any:
    """Return the first true answer. Raises AssertionError if there is none in so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what}: not after {seconds:.0f} s"
        time.sleep(0.03)
    return found
