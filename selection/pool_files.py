"""A file or a folder of texts -> Pool.

CSV, JSONL and Parquet, plain or compressed, on this machine or at any address that pyarrow knows
(s3://, gs://). What makes a whole file doubtful (a column is missing, it is not UTF-8) is an error;
single bad rows are left to selection/pool.py.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from selection.errors import PoolError
from selection.pool import Reading, Row, check

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSED = {".gz", ".bz2", ".zst"}
_CELL = 64 * 1024 * 1024  # characters in one field of a CSV


def read_files(
    source: str,
    *,
    id_column: str = "id",
    text_column: str = "text",
    max_characters: int = 20_000,
) -> Reading:
    """Read every file of `source` and check every row. Raises PoolError."""
    rows = _rows(source, id_column, text_column)
    return check(rows, source=source, max_characters=max_characters)


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
    csv.field_size_limit(_CELL)
    lines = _csv_lines(text, name)
    _, header = next(lines, ("", []))
    _columns(header, name, (id_column, text_column))
    one, other = header.index(id_column), header.index(text_column)
    for place, values in lines:
        if len(values) > len(header):
            yield Row(place, None, None, "the line has more columns than the header")
        else:
            cells = dict(enumerate(values))
            yield Row(place, cells.get(one), cells.get(other))


def _csv_lines(text: io.TextIOWrapper, name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (place, values) of every line that is not blank, the header too."""
    reader = csv.reader(text, strict=True)
    while True:
        place = f"{name}, line {reader.line_num + 1}"
        try:
            values = next(reader, None)
        except csv.Error as error:
            # after a broken quote csv cannot tell where the next row begins
            raise PoolError(
                f"{place}: the row is broken ({error}). Fix the quoting; no rows were imported."
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
