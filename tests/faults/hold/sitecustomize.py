"""Runs at the start of a worker under test, so that it can be held at a write.

CRUX_FAULTS names a folder. While a file `hold` is in it, which is a regular expression, a process
that is about to move a file to its place and finds that "PATH\\nCONTENT" matches writes `held` and
waits until `hold` is gone. So kill -9 comes at an exact moment, and to a process of the product.
"""

import os
import re
import time
from pathlib import Path

_FOLDER = Path(os.environ["CRUX_FAULTS"])
_replace = os.replace


def _held(source, target):
    try:
        wanted = (_FOLDER / "hold").read_text()
    except FileNotFoundError:
        return False
    content = Path(source).read_text(errors="replace") if Path(source).is_file() else ""
    return re.search(wanted, f"{target}\n{content}", re.DOTALL) is not None


def _hold(source, target, **more):
    if _held(source, target):
        (_FOLDER / "held").write_text(str(target))
        while (_FOLDER / "hold").exists():
            time.sleep(0.01)
    return _replace(source, target, **more)


os.replace = _hold
