"""Rows of any source -> Pool.

A bad row never stops the others: it is set aside with its place and the reason, and the caller
shows and keeps that list. One id with two texts is an error, since the whole source is doubtful.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from selection.errors import PoolError
from selection.types import Pool

_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Aside:
    """A row that cannot be used: where it is and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The pool, and what was left out of it. duplicates: number of exact copies of a text."""

    pool: Pool
    aside: tuple[Aside, ...]
    duplicates: int


@dataclass(frozen=True)
class Row:
    """A row of a source before it is checked.

    fault: why it could not be parsed; it has neither id nor text then.
    """

    place: str
    id: object
    text: object
    fault: str = ""


def check(rows: Iterable[Row], *, source: str, max_characters: int = 20_000) -> Reading:
    """Check every row, sort by id, and of exact duplicates of a text keep the smallest id.

    Texts lose the white space at both ends, nothing else. Ids may be numbers or text. Raises
    PoolError if an id has two texts or no row can be used.
    """
    aside: list[Aside] = []
    found: dict[str, tuple[str, str]] = {}  # id -> text, place
    for row in rows:
        reason = _fault(row, max_characters)
        if reason:
            aside.append(Aside(row.place, reason))
            continue
        name, text = str(row.id).strip(), str(row.text).strip()
        if name in found and found[name][0] != text:
            raise PoolError(
                f"{source}: the id {name!r} stands for two different texts "
                f"({found[name][1]} and {row.place}). Ids must be unique: correct the file."
            )
        if name in found:
            aside.append(Aside(row.place, f"the same id and text as {found[name][1]}"))
        else:
            found[name] = (text, row.place)
    if not found:
        first = f" First reason: {aside[0].place}: {aside[0].reason}." if aside else ""
        raise PoolError(f"{source} holds no usable text ({len(aside)} rows set aside).{first}")
    kept, seen = [], set()
    for name in sorted(found):
        text = found[name][0]
        if text not in seen:
            seen.add(text)
            kept.append((name, text))
    ids, texts = (np.array(column, dtype=object) for column in zip(*kept, strict=True))
    return Reading(Pool(ids, texts), tuple(aside), len(found) - len(kept))


def keep_aside(reading: Reading, file: Path) -> None:
    """Write the rows that were set aside, one JSON object a line; no file if there are none.

    Raises PoolError if the file cannot be written.
    """
    lines = [json.dumps({"place": a.place, "reason": a.reason}) + "\n" for a in reading.aside]
    try:
        if lines:
            file.write_text("".join(lines), encoding="utf-8")
        else:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise PoolError(
            f"Cannot write {file}: {error.strerror or error}. Free some space and run crux round "
            f"again; nothing was pushed."
        ) from None


def _fault(row: Row, max_characters: int) -> str:
    """Return why the row cannot be used, "" if it can."""
    if row.fault:
        return row.fault
    if row.id is None or row.id != row.id or not str(row.id).strip():  # NaN is unlike itself
        return "the id is missing"
    if isinstance(row.id, bool) or not isinstance(row.id, (str, int, float)):
        return f"the id is {row.id!r}, neither text nor a number"
    if row.text is None:
        return "the text is missing (or the line has too few columns)"
    if not isinstance(row.text, str):
        return f"the text is {row.text!r}, not a string"
    if not row.text.strip():
        return "the text is empty"
    if len(row.text) > max_characters:
        return (
            f"the text has {len(row.text):,} characters, more than max_characters "
            f"({max_characters:,})"
        )
    return _unsendable("id", str(row.id)) or _unsendable("text", row.text)


def _unsendable(what: str, text: str) -> str:
    """Return what neither UTF-8 nor a PostgreSQL below Label Studio can hold, "" if nothing."""
    found = _UNSENDABLE.search(text)
    if found is None:
        return ""
    if found.group() == "\0":
        return f"the {what} holds a NUL character"
    return f"the {what} holds half a character (a lone surrogate)"
