"""A file or a folder of texts -> Pool.

CSV, JSONL and Parquet, plain or compressed, on this machine or at any address that pyarrow
knows (s3://, gs://). A bad row never stops the others: it is set aside with its line and the
reason, and the caller shows and keeps that list. What makes the whole file doubtful (no such
column, not UTF-8, one id with two texts) is an error.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from selection.errors import PoolError
from selection.types import Pool

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSED = {".gz", ".bz2", ".zst"}
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class Aside:
    """A row that cannot be used: where it stands and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The pool, and what was left out of it. duplicates: exact copies of another row's text."""

    pool: Pool
    aside: tuple[Aside, ...]
    duplicates: int


@dataclass(frozen=True)
class Row:
    """A row as it stands in a source, before it is checked. fault: why it could not be taken
    apart, and then it has neither id nor text."""

    place: str
    id: Any
    text: Any
    fault: str = ""


def read(
    source: str,
    *,
    id_column: str = "id",
    text_column: str = "text",
    max_characters: int = 20_000,
) -> Reading:
    """Read every file of `source` and check every row. Raises PoolError.

    Texts lose the white space at both ends, nothing else. Ids may be numbers or text.
    """
    rows = _rows(source, id_column, text_column)
    return check(rows, source=source, max_characters=max_characters)


def check(rows: Iterable[Row], *, source: str, max_characters: int = 20_000) -> Reading:
    """Checked rows, sorted by id, exact duplicates of a text left out (the smallest id stays)."""
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
    """Write the rows that were set aside, one JSON object a line; no file if there are none."""
    if not reading.aside:
        file.unlink(missing_ok=True)
        return
    lines = (json.dumps({"place": a.place, "reason": a.reason}) for a in reading.aside)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _fault(row: Row, max_characters: int) -> str:
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
    """Why neither UTF-8 nor a PostgreSQL below Label Studio can hold the text, if so."""
    found = _UNSENDABLE.search(text)
    if found is None:
        return ""
    if found.group() == "\0":
        return f"the {what} holds a NUL character"
    return f"the {what} holds half a character (a lone surrogate)"


def _rows(source: str, id_column: str, text_column: str) -> Iterator[Row]:
    system, path = _locate(source)
    files = _files(system, path, source)
    for file in files:
        kind = _kind(file)
        name = file.removeprefix(path).lstrip("/") or PurePosixPath(file).name
        if kind == "parquet":
            yield from _parquet(system, file, name, id_column, text_column)
            continue
        try:
            with (
                system.open_input_stream(file, compression="detect") as stream,
                io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
            ):
                reader = _csv if kind == "csv" else _jsonl
                yield from reader(text, name, id_column, text_column)
        except UnicodeDecodeError as error:
            raise _not_utf8(name, error) from None
        except OSError as error:
            raise PoolError(f"{name} cannot be read: {error}.") from None


def _not_utf8(name: str, error: UnicodeDecodeError) -> PoolError:
    return PoolError(
        f"{name} is not UTF-8: byte {error.object[error.start]:#04x} cannot be decoded "
        f"({error.reason}). Save the file as UTF-8."
    )


def _locate(source: str) -> tuple[fs.FileSystem, str]:
    try:
        if "://" in source:
            system, path = fs.FileSystem.from_uri(source)
            return system, str(path)
        return fs.LocalFileSystem(), source
    except (pa.ArrowException, OSError) as error:
        raise _unopened(source, error) from None


def _unopened(source: str, error: Exception) -> PoolError:
    return PoolError(f"The pool {source!r} cannot be opened: {error}.")


def _files(system: fs.FileSystem, path: str, source: str) -> list[str]:
    try:
        info = system.get_file_info(path)
        if info.type == fs.FileType.File:
            return [path]
        if info.type != fs.FileType.Directory:
            raise PoolError(f"There is no pool at {source!r}. Give a file or a folder.")
        inside = system.get_file_info(fs.FileSelector(path, recursive=True))
    except (pa.ArrowException, OSError) as error:
        raise _unopened(source, error) from None
    files = sorted(i.path for i in inside if i.type == fs.FileType.File and _known(i.path))
    if not files:
        raise PoolError(f"The folder {source!r} holds no CSV, JSONL or Parquet file.")
    return files


def _suffix(file: str) -> str:
    parts = PurePosixPath(file).suffixes
    if parts and parts[-1] in COMPRESSED:
        parts = parts[:-1]
    return parts[-1].lower() if parts else ""


def _known(file: str) -> bool:
    return _suffix(file) in FORMATS


def _kind(file: str) -> str:
    if not _known(file):
        raise PoolError(
            f"{PurePosixPath(file).name}: Crux reads .csv, .jsonl and .parquet "
            f"(also .gz, .bz2, .zst of the first two)."
        )
    return FORMATS[_suffix(file)]


def _columns(have: Iterable[str], name: str, wanted: tuple[str, str]) -> None:
    columns = list(have)
    for column, setting in zip(wanted, ("id_column", "text_column"), strict=True):
        if column not in columns:
            raise PoolError(
                f"{name} has no column '{column}' (it has: {', '.join(columns) or 'none'}). "
                f"Name the right one with the setting {setting}."
            )
        if columns.count(column) > 1:
            raise PoolError(f"{name} has the column '{column}' twice. Rename one of them.")


def _csv(text: io.TextIOWrapper, name: str, id_column: str, text_column: str) -> Iterator[Row]:
    csv.field_size_limit(64 * 1024 * 1024)
    lines = _csv_lines(text, name)
    _, header = next(lines, ("", []))
    _columns(header, name, (id_column, text_column))
    one, other = header.index(id_column), header.index(text_column)
    for place, values in lines:
        if len(values) > len(header):
            yield Row(place, None, None, "the line has more columns than the header")
        else:
            values += [None] * (len(header) - len(values))
            yield Row(place, values[one], values[other])


def _csv_lines(text: io.TextIOWrapper, name: str) -> Iterator[tuple[str, list[Any]]]:
    """(place, values) of every line that is not blank, the header too."""
    reader = csv.reader(text, strict=True)
    while True:
        place = f"{name}, line {reader.line_num + 1}"
        try:
            values = next(reader, None)
        except csv.Error as error:
            # csv cannot find the next row's start after a broken quote: nothing behind it is sure
            raise PoolError(
                f"{place}: the row is broken ({error}). Mend its quotes; nothing was taken over."
            ) from None
        if values is None:
            return
        if values:
            yield place, values


def _jsonl(text: io.TextIOWrapper, name: str, id_column: str, text_column: str) -> Iterator[Row]:
    seen: dict[str, None] = {}  # every key of the file, in order
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            body = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of 5,000 digits
            yield Row(place, None, None, f"the line is not JSON ({error})")
            continue
        if not isinstance(body, dict):
            yield Row(place, None, None, "the line is not a JSON object")
            continue
        seen.update(dict.fromkeys(body))
        yield Row(place, body.get(id_column), body.get(text_column))
    if seen:
        _columns(seen, name, (id_column, text_column))


def _parquet(
    system: fs.FileSystem, file: str, name: str, id_column: str, text_column: str
) -> Iterator[Row]:
    try:
        with system.open_input_file(file) as handle, pq.ParquetFile(handle) as table:
            _columns(table.schema_arrow.names, name, (id_column, text_column))
            number = 0
            for batch in table.iter_batches(columns=[id_column, text_column]):
                ids, texts = (batch.column(c).to_pylist() for c in (id_column, text_column))
                for one, text in zip(ids, texts, strict=True):
                    number += 1
                    yield Row(f"{name}, row {number}", one, text)
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error) from None
    except (pa.ArrowException, OSError) as error:
        raise PoolError(f"{name} is not a Parquet file that can be read: {error}.") from None
