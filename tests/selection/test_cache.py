import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection import cache as module
from selection.cache import Cache, key
from selection.errors import CruxError

TEXTS = ["one", "two", "three", "Grüße ☃", "NUL \0", "half \ud83d"]
ROWS = np.arange(18, dtype=np.float32).reshape(6, 3) / 7


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def leftovers(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if not file.name.startswith("part-")]


def test_what_was_put_is_there_in_any_order_and_after_a_restart(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new" / "folder")
    assert cache.known(TEXTS).tolist() == [False] * 6
    cache.put(TEXTS[:4], ROWS[:4])
    cache.put(TEXTS[4:], ROWS[4:])
    for reader in (cache, Cache(tmp_path / "new" / "folder"), Cache(tmp_path / "new/folder", 3)):
        assert reader.known([*TEXTS, "four"]).tolist() == [True] * 6 + [False]
        assert reader.get(TEXTS[::-1]).tolist() == ROWS[::-1].tolist()
    assert leftovers(tmp_path / "new" / "folder") == []


def test_what_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        Cache(tmp_path).get(["one"])


@given(st.lists(st.text(), unique=True, max_size=20))
def test_different_texts_have_different_keys_of_16_bytes(some: list[str]) -> None:
    assert len({key(text) for text in some}) == len(some)
    assert {len(key(text)) for text in some} <= {16}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.99])
def test_a_part_that_was_cut_off_is_dropped_and_its_texts_are_unknown(
    tmp_path: Path, share: float
) -> None:
    Cache(tmp_path).put(TEXTS[:2], ROWS[:2])
    (broken,) = parts(tmp_path)
    Cache(tmp_path).put(TEXTS[2:], ROWS[2:])
    content = broken.read_bytes()
    broken.write_bytes(content[: int(share * len(content))])
    again = Cache(tmp_path)
    assert again.known(TEXTS).tolist() == [False, False, True, True, True, True]
    assert not broken.exists()
    again.put(TEXTS[:2], ROWS[:2])
    assert Cache(tmp_path).get(TEXTS).tolist() == ROWS.tolist()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"a": [1]}),
        pa.table({"key": [b"x" * 16], "row": ["not numbers"]}),
        pa.table({"key": [b"x" * 16], "row": [1.5]}),
        pa.table({"key": [b"x" * 16] * 2, "row": pa.array([[1.0], [1.0, 2.0]])}),
        pa.table({"key": pa.array([], pa.binary(16)), "row": pa.array([], pa.list_(pa.float32()))}),
    ],
)
def test_a_part_that_holds_something_else_is_dropped(tmp_path: Path, table: pa.Table) -> None:
    pq.write_table(table, tmp_path / "part-x.parquet")
    Cache(tmp_path).put(TEXTS, ROWS)
    assert Cache(tmp_path).get(TEXTS).tolist() == ROWS.tolist()
    assert Cache(tmp_path, width=3).get(TEXTS).tolist() == ROWS.tolist()


def test_parts_of_an_older_crux_whose_rows_are_lists_are_read(tmp_path: Path) -> None:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(ROWS[:2].ravel()), 3)
    older = pa.table({"key": pa.array([key(t) for t in TEXTS[:2]], pa.binary(16)), "row": lists})
    pq.write_table(older, tmp_path / "part-older.parquet")
    cache = Cache(tmp_path, width=3)
    cache.put(TEXTS[2:], ROWS[2:])
    assert cache.get(TEXTS).tolist() == ROWS.tolist()


def test_rows_of_another_width_are_not_mixed_in(tmp_path: Path) -> None:
    Cache(tmp_path).put(["one", "two"], np.ones((2, 5), dtype=np.float32))
    cache = Cache(tmp_path, width=3)
    assert cache.known(["one", "two"]).tolist() == [False, False]
    cache.put(["one"], ROWS[:1])
    assert cache.get(["one"]).tolist() == ROWS[:1].tolist()


def test_two_caches_on_one_folder_keep_what_both_put(tmp_path: Path) -> None:
    one, two = Cache(tmp_path), Cache(tmp_path)
    one.put(TEXTS[:4], ROWS[:4])
    two.put(TEXTS[2:], ROWS[2:])
    assert Cache(tmp_path).get(TEXTS).tolist() == ROWS.tolist()


def test_the_folder_can_be_deleted_at_any_time(tmp_path: Path) -> None:
    """Who reads meanwhile is told to run again, and finds that nothing is known."""
    cache = Cache(tmp_path / "cache")
    cache.put(TEXTS[:2], ROWS[:2])
    for part in parts(tmp_path / "cache"):
        part.unlink()
    (tmp_path / "cache").rmdir()
    cache.put(TEXTS[2:], ROWS[2:])
    assert cache.get(TEXTS[2:]).tolist() == ROWS[2:].tolist()
    with pytest.raises(CruxError, match=r"part-\w+.parquet was deleted. Run the command again"):
        cache.get(TEXTS)
    assert Cache(tmp_path / "cache").known(TEXTS).tolist() == [False] * 2 + [True] * 4


def test_a_part_that_is_damaged_while_it_is_in_use_is_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put(TEXTS, ROWS)
    (part,) = parts(tmp_path)
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(CruxError, match="is damaged. Run the command again"):
        cache.get(TEXTS)
    assert not part.exists()
    assert not Cache(tmp_path).known(TEXTS).any()


def test_rows_of_many_parts_come_in_the_order_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of them sorted in already, some put a moment ago, some by an earlier process."""
    monkeypatch.setattr(module, "RECENT", 150)
    rng = np.random.default_rng(0)
    texts = [f"text {i}" for i in range(1_000)]
    rows = rng.normal(size=(1_000, 4)).astype(np.float32)
    earlier = Cache(tmp_path)
    cache = earlier
    for start in range(0, 1_000, 40):
        if start == 400:
            cache = Cache(tmp_path)
        cache.put(texts[start : start + 40], rows[start : start + 40])
    asked = rng.integers(1_000, size=3_000)
    assert cache.get([texts[i] for i in asked]).tolist() == rows[asked].tolist()
    assert cache.known([*texts, "another"]).tolist() == [True] * 1_000 + [False]
    assert earlier.known(texts).tolist() == [True] * 400 + [False] * 600


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from selection.cache import Cache
from selection.errors import CruxError
folder = Path(sys.argv[1])
cache = Cache(folder)
cache.put(["small"], np.ones((1, 3), dtype=np.float32))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
rows = np.random.default_rng(0).normal(size=(1000, 8)).astype(np.float32)
try:
    cache.put([str(i) for i in range(1000)], rows)
except CruxError as error:
    print(error)
"""


def test_a_disk_that_fills_up_leaves_the_parts_before_and_nothing_half(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: both fail in the middle of a write."""
    said = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith(f"Cannot write to {tmp_path}: ")
    assert "File too large" in said.stdout
    assert "what was computed before is kept" in said.stdout
    assert leftovers(tmp_path) == []
    assert len(parts(tmp_path)) == 1
    assert Cache(tmp_path).known(["small", "0"]).tolist() == [True, False]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk_is_an_error_for_people(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine mounts nothing")
    try:
        Cache(tmp_path).put(["small"], np.ones((1, 3), dtype=np.float32))
        rows = np.random.default_rng(0).normal(size=(5_000, 8)).astype(np.float32)
        with pytest.raises(CruxError, match="No space left on device"):
            Cache(tmp_path).put([str(i) for i in range(5_000)], rows)
        assert leftovers(tmp_path) == []
        assert Cache(tmp_path).known(["small", "0"]).tolist() == [True, False]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


FEW_FILES = """
import resource, sys
from pathlib import Path
import numpy as np
import pyarrow.parquet
from selection.cache import Cache
from selection.errors import CruxError
folder = Path(sys.argv[1])
Cache(folder).put(["one"], np.ones((1, 3), dtype=np.float32))
Cache(folder)  # imports are lazy, and need files too
parts = list(folder.glob("part-*"))
Path.glob = lambda *_: parts  # looking into the folder takes a file, too
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(open("/dev/null"))
except OSError:
    pass
try:
    Cache(folder)
except CruxError as error:
    print(error)
"""


def test_a_part_that_cannot_be_opened_is_an_error_and_stays(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", FEW_FILES, str(tmp_path)], capture_output=True, text=True, check=True
    )
    (part,) = parts(tmp_path)
    assert told.stdout == (
        f"Cannot read {part}: Too many open files. Run the command again; if that does not help, "
        "delete the file: its rows are computed again.\n"
    )
    assert Cache(tmp_path).known(["one"]).tolist() == [True]


@pytest.mark.parametrize("seed", range(20))
def test_a_part_with_wrong_bytes_is_read_or_dropped(tmp_path: Path, seed: int) -> None:
    """Damage inside of a file is an OSError too, but not of the operating system."""
    Cache(tmp_path).put([str(i) for i in range(500)], np.ones((500, 16), dtype=np.float32))
    (part,) = parts(tmp_path)
    content = bytearray(part.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(len(content), size=50):
        content[place] = rng.integers(256)
    part.write_bytes(content)
    known = Cache(tmp_path).known(["0"]).tolist() == [True]
    assert part.exists() or not known


def test_a_part_that_was_deleted_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Cache(tmp_path).put(TEXTS[:2], ROWS[:2])
    found = [*parts(tmp_path), tmp_path / "part-gone.parquet"]
    monkeypatch.setattr(Path, "glob", lambda *_: found)
    assert Cache(tmp_path).known(TEXTS[:2]).tolist() == [True, True]


def test_a_place_where_no_folder_can_be_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CruxError, match="Cannot write to .*file/cache: Not a directory"):
        Cache(tmp_path / "file" / "cache").put(["one"], ROWS[:1])
