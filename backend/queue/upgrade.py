"""Flags that a Crux with Huey as its queue left behind, taken over once at the worker's start."""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from backend.queue.broker import Broker
from backend.queue.flags import Flags

_MARK = re.compile(r"(pending|forced)-(\d{1,18})", re.ASCII)
_REDIS = ("huey.results.crux", "huey.redis.crux", "huey.schedule.crux")


def take_over(flags: Flags, home: Path, broker: Broker | None) -> None:
    """Raise the flags that an older queue held, then remove that queue.

    Its messages are passed over: the worker looks at every project when it starts. Raises
    BackendError if the flags cannot be written.
    """
    if broker is not None:
        redis: Any = broker.redis
        with broker.reached():
            _raise(flags, (key.decode(errors="replace") for key in redis.hkeys(_REDIS[0])))
            redis.delete(*_REDIS)
        return
    file = home / "queue.db"
    if not file.is_file():
        return
    try:
        with closing(sqlite3.connect(file)) as database:
            _raise(flags, [key for (key,) in database.execute("select key from kv")])
    except sqlite3.Error:
        pass  # damaged: only presses of Start Training are lost with it
    for left in (file, *home.glob("queue.db-*")):
        left.unlink(missing_ok=True)


def _raise(flags: Flags, marks: Iterable[str]) -> None:
    for match in filter(None, map(_MARK.fullmatch, marks)):
        flags.set(int(match[2]), "train" if match[1] == "forced" else "look")
