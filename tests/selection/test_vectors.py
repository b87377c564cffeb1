"""Vectors on disk beside the same vectors in memory."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from selection import vectors as module
from selection.cache import Cache
from selection.errors import CruxError
from selection.types import Floats
from selection.vectors import OnDisk, vectors_in

N, WIDTH = 700, 12


@pytest.fixture
def texts() -> list[str]:
    return [f"text {i}" for i in range(N)]


@pytest.fixture
def rows() -> Floats:
    return np.random.default_rng(0).normal(size=(N, WIDTH)).astype(np.float32)


@pytest.fixture
def disk(
    tmp_path: Path, texts: list[str], rows: Floats, monkeypatch: pytest.MonkeyPatch
) -> OnDisk:
    """The rows in parts of 64, in another order than that of the texts."""
    order = np.random.default_rng(1).permutation(N)
    cache = Cache(tmp_path / "vectors")
    for start in range(0, N, 64):
        part = order[start : start + 64]
        cache.put([texts[i] for i in part], rows[part])
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    found = vectors_in(cache, texts)
    assert isinstance(found, OnDisk)
    return found


def test_few_vectors_are_an_array_and_many_stay_on_disk(
    disk: OnDisk, texts: list[str], rows: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 4 * N * WIDTH)
    few = vectors_in(disk.cache, texts)
    assert isinstance(few, np.ndarray)
    assert few.tolist() == rows.tolist()
    assert (disk.shape, len(disk)) == (few.shape, len(few))
    with pytest.raises(KeyError):
        vectors_in(disk.cache, [*texts, "another"])


def test_rows_are_fetched_as_an_array_gives_them(disk: OnDisk, rows: Floats) -> None:
    rng = np.random.default_rng(2)
    for asked in (
        rng.integers(N, size=300), np.arange(N)[::-1], np.zeros(0, dtype=np.int64),
        np.array([5, 5, 5]), rng.random(N) < 0.1, np.zeros(N, dtype=np.bool_),
    ):  # fmt: skip
        assert disk[asked].tolist() == rows[asked].tolist()
        assert disk[asked].shape == rows[asked].shape


def test_a_product_is_that_of_the_whole_matrix(disk: OnDisk, rows: Floats) -> None:
    columns = np.random.default_rng(3).normal(size=(WIDTH, 5)).astype(np.float32)
    assert disk @ columns == pytest.approx(rows @ columns, abs=1e-5)


def test_what_was_fetched_is_remembered_up_to_a_number_of_rows(
    disk: OnDisk, rows: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 100)
    shutil.copytree(disk.cache.folder, disk.cache.folder.with_name("kept"))
    assert disk[np.arange(150)].tolist() == rows[:150].tolist()
    shutil.rmtree(disk.cache.folder)
    assert disk[np.arange(50, 150)].tolist() == rows[50:150].tolist()
    with pytest.raises(CruxError, match="was deleted. Run the command again"):
        disk[np.arange(50)]
