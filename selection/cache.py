"""Rows of numbers on disk, keyed by content, safe to delete at any time.

One folder holds Parquet parts with two columns, `key` (16 bytes) and `row` (the bytes of width
32-bit floats, which Arrow reads four times as fast as a list of them; older parts hold lists). A
part is written under another name and then renamed, so that no reader ever sees half a part. In
memory there is only where each row lies: 24 bytes a row, whatever its width.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from selection.errors import CruxError
from selection.types import Bools, Floats, Ints
from selection.whole_file import whole_file

KEY, FLOAT = 16, 4  # bytes
ROWS = 2**32  # a place is ROWS times the number of a part, plus the position in it
RECENT = 65_536  # rows that were put and are not sorted in yet
Keys = NDArray[np.bytes_]


def key(text: str) -> bytes:
    """Return 16 bytes that stand for the text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY).digest()


class Cache:
    """What is known about texts: `get` what is there, compute the rest, `put` it."""

    def __init__(self, folder: Path, width: int | None = None) -> None:
        """Read where each row lies. Raises CruxError if a part is there and cannot be read.

        width: of the rows; parts of another width are passed over. None: any.
        """
        self.folder = folder
        self.width = width
        self._parts: list[Path] = []
        self.row_width = width or 0
        self._recent: dict[bytes, int] = {}  # key -> place, of what was put
        found = [one for part in sorted(folder.glob("part-*.parquet")) for one in self._load(part)]
        self._keys = np.concatenate([np.zeros(0, f"S{KEY}"), *(keys for keys, _ in found)])
        self._places = np.concatenate([np.zeros(0, np.int64), *(places for _, places in found)])
        self._sort()

    def _load(self, part: Path) -> Iterator[tuple[Keys, Ints]]:
        try:
            keys, width = _read_keys(part)
        except FileNotFoundError:  # deleted meanwhile
            return
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise _unread(part, error) from None
            part.unlink(missing_ok=True)  # damaged: its rows are computed again
            return
        if self.width in (None, width):
            yield keys, ROWS * len(self._parts) + np.arange(len(keys))
            self._parts.append(part)
            self.row_width = width

    def _sort(self) -> None:
        order = np.argsort(self._keys, kind="stable")
        self._keys, self._places = self._keys[order], self._places[order]

    def known(self, texts: Sequence[str]) -> Bools:
        """Return (n,) True for the texts whose row is known."""
        return self._place(texts) >= 0

    def get(self, texts: Sequence[str]) -> Floats:
        """Return (n, width) rows of texts that are all known. Raises KeyError otherwise, CruxError
        if a part has been deleted or damaged since the cache was opened."""
        return self.at(self.find(texts))

    def find(self, texts: Sequence[str]) -> Ints:
        """Return (n,) places of the rows of texts that are all known. Raises KeyError otherwise."""
        place = self._place(texts)
        for unknown in np.flatnonzero(place < 0)[:1]:
            raise KeyError(texts[unknown])
        return place

    def at(self, place: Ints) -> Floats:
        """Return (n, width) the rows at these places. Raises CruxError as `get`."""
        found = np.empty((len(place), self.row_width), dtype=np.float32)
        for where, rows in self.by_part(place):
            found[where] = rows
        return found

    def by_part(self, place: Ints) -> Iterator[tuple[Ints, Floats]]:
        """Yield, part by part, positions in (n,) `place` and the rows that lie there. Raises
        CruxError as `get`."""
        order = np.argsort(place, kind="stable")
        part, position = np.divmod(place[order], ROWS)
        for one in np.unique(part):
            its = slice(*np.searchsorted(part, [one, one + 1]))
            yield order[its], self._rows(self._parts[one])[position[its]]

    def put(self, texts: Sequence[str], rows: Floats) -> None:
        """Keep rows (n, width) in one new part. Raises CruxError on a full disk."""
        keys = [key(text) for text in texts]
        flat = pa.py_buffer(rows.astype(np.float32).tobytes())
        kind = pa.binary(FLOAT * rows.shape[1])
        table = pa.table(
            {
                "key": pa.array(keys, pa.binary(KEY)),
                "row": pa.FixedSizeBinaryArray.from_buffers(kind, len(keys), [None, flat]),
            }
        )
        part = self.folder / f"part-{uuid.uuid4().hex}.parquet"
        try:
            with whole_file(part) as file:
                pq.write_table(table, file, use_dictionary=False, compression="none")
        except OSError as error:
            raise CruxError(
                f"Cannot write to {self.folder}: {error.strerror or error}. Free some space (or "
                f"choose another folder with the setting home) and run the command again; "
                f"what was computed before is kept."
            ) from None
        first = ROWS * len(self._parts)
        self._parts.append(part)
        self.row_width = rows.shape[1]
        self._recent.update(zip(keys, range(first, first + len(keys)), strict=True))
        if len(self._recent) >= RECENT:
            self._keys = np.append(self._keys, np.array(list(self._recent), f"S{KEY}"))
            self._places = np.append(self._places, np.array(list(self._recent.values())))
            self._recent = {}
            self._sort()

    def _place(self, texts: Sequence[str]) -> Ints:
        """Return (n,) where each row lies, -1 for one that is not known."""
        keys = np.fromiter((key(text) for text in texts), f"S{KEY}", len(texts))
        at = np.minimum(np.searchsorted(self._keys, keys), max(len(self._keys) - 1, 0))
        place: Ints = np.full(len(texts), -1, dtype=np.int64)
        if len(self._keys):
            place = np.where(self._keys[at] == keys, self._places[at], place)
        for missing in np.flatnonzero(place < 0) if self._recent else ():
            place[missing] = self._recent.get(key(texts[missing]), -1)
        return place

    def _rows(self, part: Path) -> Floats:
        """Return all rows of a part."""
        try:
            return _read_rows(part)
        except FileNotFoundError:
            reason = "was deleted"
        except (pa.ArrowException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise _unread(part, error) from None
            part.unlink(missing_ok=True)
            reason = "is damaged"
        raise CruxError(f"{part} {reason}. Run the command again: its rows are computed again.")


def answers(home: Path, project: int, version: str, labels: int) -> Cache:
    """Open the beliefs of one model version, which the command line and the worker share.

    labels: number of the version's labels. A version's name is made of all that goes into it, so
    what it says of a text never changes.
    """
    return Cache(home / "beliefs" / str(project) / version, width=labels)


def _unread(part: Path, error: OSError) -> CruxError:
    return CruxError(
        f"Cannot read {part}: {os.strerror(error.errno or 0)}. Run the command again; if that does "
        f"not help, delete the file: its rows are computed again."
    )


# Of OSErrors those of the operating system have an errno, those about damaged content have none.


def _read_keys(part: Path) -> tuple[Keys, int]:
    """Return the keys of a part and the width of its rows. Raises what pyarrow raises, or
    ValueError for other content."""
    with pq.ParquetFile(part) as file:
        have = file.schema_arrow
        if have.names != ["key", "row"] or have.types[0] != pa.binary(KEY):
            raise ValueError(f"columns {have.names} of {have.types}")
        width = _width(have.types[1])
        column = file.read(["key"]).column("key").combine_chunks()
    return np.frombuffer(column.buffers()[1], f"S{KEY}", len(column), KEY * column.offset), width


def _width(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_binary(kind) and kind.byte_width % FLOAT == 0:
        return int(kind.byte_width // FLOAT)
    if pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32():
        return int(kind.list_size)
    raise ValueError(f"rows of {kind}")


def _read_rows(part: Path) -> Floats:
    """Return (n, width) rows. Raises as _read_keys."""
    column = pq.read_table(part, columns=["row"], partitioning=None).column("row").combine_chunks()
    n, width = len(column), _width(column.type)
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
    else:
        flat = np.frombuffer(
            column.buffers()[1], np.float32, n * width, FLOAT * width * column.offset
        )
    return np.asarray(flat, dtype=np.float32).reshape(n, width)
