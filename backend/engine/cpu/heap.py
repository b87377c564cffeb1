"""Freed memory that stays at hand.

glibc hands large blocks back to the system at once and gets them again page by page, zeroed: in
reading on a CPU that was 23,000 page faults a batch, a few percent of its time. What is kept was
in use already, so the most that a process holds stays as it was.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)
KEPT = 256 * 2**20  # bytes that may lie free at the heap's end
PADDED = 64 * 2**20  # bytes by which it grows
LARGEST = 32 * 2**20  # bytes of a block that the heap gives; the most that glibc takes


def keep_freed() -> bool:
    """Whether this process keeps what it frees from now on: where its allocator is glibc's."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another allocator, or musl
        return False
    settings = (_MMAP_THRESHOLD, LARGEST), (_TRIM_THRESHOLD, KEPT), (_TOP_PAD, PADDED)
    return all(mallopt(what, size) == 1 for what, size in settings)
