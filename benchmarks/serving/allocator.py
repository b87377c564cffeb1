"""The product's settings of glibc's malloc, for a benchmark that runs models in its own process."""

import os
import sys

from demo.services import ALLOCATOR


def use_products_allocator() -> None:
    """Begin this program anew with these settings, unless it has them: they count from its start.

    So what is measured here beside the product has the same allocator.
    """
    if not ALLOCATOR.items() <= os.environ.items():
        os.execve(sys.executable, sys.orig_argv, {**os.environ, **ALLOCATOR})  # noqa: S606
