"""What comes true in a moment, by another thread."""

import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Asks until it is true. Raises AssertionError if it never is."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
