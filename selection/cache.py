"""Rows of numbers on disk, keyed by content, safe to delete at any time.

One folder holds Parquet parts with two columns, `key` (16 bytes) and `row` (width floats). A part
is written under another name and then renamed, so that no reader ever sees half a part.
"""

import hashlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from selection.errors import CruxError
from selection.types import Bools, Floats
from selection.whole_file import whole_file


def key(text: str) -> bytes:
    """Return 16 bytes that stand for the text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Cache:
    """What is known about texts: `get` what is there, compute the rest, `put` it."""

    def __init__(self, folder: Path, width: int | None = None) -> None:
        """Read all parts of the folder. Raises CruxError if one is there and cannot be read.

        width: of the rows; parts of another width are passed over. None: any.
        """
        self.folder = folder
        self.width = width
        self._rows: dict[bytes, Floats] = {}
        for part in sorted(folder.glob("part-*.parquet")):
            self._load(part)

    def _load(self, part: Path) -> None:
        try:
            keys, rows = _read(part)
        except FileNotFoundError:  # deleted meanwhile
            return
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise CruxError(
                    f"Cannot read {part}: {os.strerror(error.errno)}. Run the command again; if "
                    f"that does not help, delete the file: its rows are computed again."
                ) from None
            part.unlink(missing_ok=True)  # damaged: its rows are computed again
            return
        if self.width in (None, rows.shape[1]):
            self._rows.update(zip(keys, rows, strict=True))

    def known(self, texts: Sequence[str]) -> Bools:
        """Return (n,) True for the texts whose row is known."""
        return np.array([key(text) in self._rows for text in texts], dtype=np.bool_)

    def get(self, texts: Sequence[str]) -> Floats:
        """Return (n, width) rows of texts that are all known. Raises KeyError otherwise."""
        return np.stack([self._rows[key(text)] for text in texts])

    def put(self, texts: Sequence[str], rows: Floats) -> None:
        """Keep rows (n, width) in memory and in one new part. Raises CruxError on a full disk."""
        keys = [key(text) for text in texts]
        self._rows.update(zip(keys, rows.astype(np.float32), strict=True))
        table = pa.table(
            {
                "key": pa.array(keys, pa.binary(16)),
                "row": pa.FixedSizeListArray.from_arrays(
                    pa.array(rows.astype(np.float32).ravel()), rows.shape[1]
                ),
            }
        )
        try:
            with whole_file(self.folder / f"part-{uuid.uuid4().hex}.parquet") as file:
                pq.write_table(table, file)
        except OSError as error:
            raise CruxError(
                f"Cannot write to {self.folder}: {error.strerror or error}. Free some space (or "
                f"choose another folder with the setting home) and run the command again; "
                f"what was computed before is kept."
            ) from None


def answers(home: Path, project: int, version: str, labels: int) -> Cache:
    """Open the beliefs of one model version, which the command line and the worker share.

    labels: number of the version's labels. A version's name is made of all that goes into it, so
    what it says of a text never changes.
    """
    return Cache(home / "beliefs" / str(project) / version, width=labels)


def _read(part: Path) -> tuple[list[bytes], Floats]:
    """Return keys and rows of a part. Raises what pyarrow raises, or ValueError for other content.

    Of OSErrors those of the operating system have an errno, those about damaged content have none.
    """
    table = pq.read_table(part, partitioning=None)
    keys: list[bytes] = table.column("key").to_pylist()
    column = table.column("row").combine_chunks()
    if not pa.types.is_fixed_size_list(column.type):
        raise ValueError(f"rows of {column.type}")
    flat = column.flatten().to_numpy(zero_copy_only=False)
    return keys, flat.reshape(len(keys), column.type.list_size).astype(np.float32)
