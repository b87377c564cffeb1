"""What the formats share; test_pool_files.py checks rows that come from files."""

import json
from pathlib import Path

import pytest

from selection.errors import PoolError
from selection.pool import Aside, Row, check, keep_aside

ROWS = [Row("line 2", "b", " one "), Row("line 3", None, "two"), Row("Zeile 4", "a", "")]


def test_rows_are_sorted_by_id_stripped_and_checked_one_by_one() -> None:
    reading = check([*ROWS, Row("line 5", 7, "two")], source="pool")
    assert reading.pool.ids.tolist() == ["7", "b"]
    assert reading.pool.texts.tolist() == ["two", "one"]
    assert reading.aside == (
        Aside("line 3", "the id is missing"), Aside("Zeile 4", "the text is empty")
    )  # fmt: skip


def test_a_source_without_a_usable_row_says_the_first_reason() -> None:
    with pytest.raises(PoolError) as error:
        check(ROWS[1:], source="project:12")
    assert str(error.value) == (
        "project:12 holds no usable text (2 rows set aside). First reason: line 3: the id is "
        "missing."
    )


def test_what_was_set_aside_is_kept_in_a_file_and_the_file_goes_when_nothing_is(
    tmp_path: Path,
) -> None:
    kept = tmp_path / "aside.jsonl"
    keep_aside(check(ROWS, source="pool"), kept)
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        {"place": "line 3", "reason": "the id is missing"},
        {"place": "Zeile 4", "reason": "the text is empty"},
    ]
    keep_aside(check(ROWS[:1], source="pool"), kept)
    assert not kept.exists()


def test_a_place_where_the_list_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoolError, match="Cannot write .*aside.jsonl: Is a directory. Free some"):
        (tmp_path / "aside.jsonl").mkdir()
        keep_aside(check(ROWS, source="pool"), tmp_path / "aside.jsonl")
