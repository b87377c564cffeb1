import bz2
import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selection.errors import PoolError
from selection.pool import Aside, Reading
from selection.pool_files import read_files

GOOD = "id,text\na,one\nb,two\n"


@pytest.fixture
def put(tmp_path: Path):  # type: ignore[no-untyped-def]
    """put(name, content) -> path of a file with it."""

    def write(name: str, content: str | bytes) -> str:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(file)

    return write


def texts(reading: Reading) -> dict[str, str]:
    return dict(zip(reading.pool.ids, reading.pool.texts, strict=True))


def asides(source: str, **settings: object) -> list[tuple[str, str]]:
    reading = read_files(source, **settings)  # type: ignore[arg-type]
    return [(aside.place, aside.reason) for aside in reading.aside]


def parquet(file: Path, ids: object, some: object) -> str:
    pq.write_table(pa.table({"id": ids, "text": some}), file)
    return str(file)


def refused(source: str, **settings: object) -> str:
    with pytest.raises(PoolError) as error:
        read_files(source, **settings)  # type: ignore[arg-type]
    return str(error.value)


# what is read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", GOOD),
        ("p.CSV", GOOD),
        ("windows.csv", GOOD.replace("\n", "\r\n")),
        ("bom.csv", "\ufeff" + GOOD),
        ("no-last-line-end.csv", GOOD.rstrip()),
        ("blank.csv", "id,text\n\na,one\n\n\nb,two\n\n"),
        ("quoted.csv", '"id","text"\n"a","one"\n"b"," two "\n'),
        ("more.csv", "x,text,id\n1,one,a\n2,two,b\n"),
        ("index.csv", ",id,text\n0,a,one\n1,b,two\n"),  # a data frame written with its index
        ("p.csv.gz", gzip.compress(GOOD.encode())),
        ("p.csv.bz2", bz2.compress(GOOD.encode())),
        ("p.jsonl", '{"id": "a", "text": "one"}\n\n{"text": "two", "id": "b", "x": 1}\n'),
        ("p.ndjson", '\ufeff{"id": "a", "text": "one"}\r\n{"id": "b", "text": "two"}'),
        ("p.jsonl.gz", gzip.compress(b'{"id":"a","text":"one"}\n{"id":"b","text":"two"}')),
    ],
)  # fmt: skip
def test_a_file_of_any_dress_gives_the_same_pool(put, name: str, content: str | bytes) -> None:  # type: ignore[no-untyped-def]
    reading = read_files(put(name, content))
    assert texts(reading) == {"a": "one", "b": "two"}
    assert (reading.aside, reading.duplicates) == ((), 0)


def test_parquet_gives_the_same_pool(tmp_path: Path) -> None:
    some = pa.array(["one", "two"]).dictionary_encode()
    assert texts(read_files(parquet(tmp_path / "p.parquet", ["a", "b"], some))) == {
        "a": "one", "b": "two"
    }  # fmt: skip


def test_the_columns_can_have_other_names(put) -> None:  # type: ignore[no-untyped-def]
    source = put("p.csv", "nr,body\n7,one\n")
    assert texts(read_files(source, id_column="nr", text_column="body")) == {"7": "one"}


def test_a_quoted_text_may_hold_commas_quotes_and_line_ends(put) -> None:  # type: ignore[no-untyped-def]
    source = put("p.csv", 'id,text\na,"one, ""two""\r\nthree"\nb,four\n')
    assert texts(read_files(source)) == {"a": 'one, "two"\r\nthree', "b": "four"}


def test_ids_may_be_numbers(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert texts(read_files(put("p.jsonl", '{"id": 7, "text": "one"}'))) == {"7": "one"}
    source = parquet(tmp_path / "p.parquet", [10, 9], ["one", "two"])
    assert texts(read_files(source)) == {"10": "one", "9": "two"}


def test_every_file_of_a_folder_is_read_in_whatever_format(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    put("pool/2.jsonl", '{"id": "a", "text": "one"}')
    put("pool/sub/1.csv", "id,text\nb,two\nc,\n")
    put("pool/README.md", "not a pool")
    parquet(tmp_path / "pool/3.parquet", ["d"], ["four"])
    reading = read_files(str(tmp_path / "pool"))
    assert texts(reading) == {"a": "one", "b": "two", "d": "four"}
    assert reading.aside == (Aside("sub/1.csv, line 3", "the text is empty"),)


def test_a_url_is_a_pool_too(put) -> None:  # type: ignore[no-untyped-def]
    assert texts(read_files("file://" + put("p.csv", GOOD))) == {"a": "one", "b": "two"}


def test_of_exact_copies_of_a_text_the_smallest_id_stays(put) -> None:  # type: ignore[no-untyped-def]
    reading = read_files(put("p.csv", "id,text\nc,same\na, same\nb,other\n"))
    assert texts(reading) == {"a": "same", "b": "other"}
    assert (reading.duplicates, reading.aside) == (1, ())


# rows that are set aside


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [
        ("x,one,two", "line 3", "the line has more columns than the header"),
        ("x", "line 3", "the text is missing (or the line has too few columns)"),
        (",one", "line 3", "the id is missing"),
        (" ,one", "line 3", "the id is missing"),
        ("x,", "line 3", "the text is empty"),
        ("x, \t ", "line 3", "the text is empty"),
        ("a,fine", "line 3", "the same id and text as p.csv, line 2"),
        ("x,nul\0 character", "line 3", "the text holds a NUL character"),
    ],
)  # fmt: skip
def test_a_bad_row_of_a_csv_does_not_stop_the_others(  # type: ignore[no-untyped-def]
    put, line: str, place: str, reason: str
) -> None:
    source = put("p.csv", f"id,text\na,fine\n{line}\nb,well\n")
    assert list(texts(read_files(source))) == ["a", "b"]
    ((where, why),) = asides(source)
    assert where == f"p.csv, {place}"
    assert why.startswith(reason)


def test_a_line_is_counted_as_an_editor_counts_it(put) -> None:  # type: ignore[no-untyped-def]
    source = put("p.csv", 'id,text\n\n\na,"one\ntwo"\n\nb,\n')
    assert asides(source) == [("p.csv, line 7", "the text is empty")]


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [
        ('{"id": "x", "text": ', "line 2", "the line is not JSON ("),
        ('["x", "one"]', "line 2", "the line is not a JSON object"),
        ('{"id": "x"}', "line 2", "the text is missing"),
        ('{"id": null, "text": "one"}', "line 2", "the id is missing"),
        ('{"id": NaN, "text": "one"}', "line 2", "the id is missing"),
        ('{"id": "x", "text": 5}', "line 2", "the text is 5, not a string"),
        ('{"id": "x", "text": ["one"]}', "line 2", "the text is ['one'], not a string"),
        ('{"id": true, "text": "one"}', "line 2", "the id is True, neither text nor a number"),
        ('{"id": {"n": 1}, "text": "one"}', "line 2", "the id is {'n': 1}, neither text nor"),
        ('{"id": "x", "text": "\\ud83d"}', "line 2", "the text holds half a character"),
        ('{"id": "\\udc00", "text": "one"}', "line 2", "the id holds half a character"),
        ('{"id": "x", "text": "\\u0000"}', "line 2", "the text holds a NUL character"),
        ('{"id": ' + "9" * 5000 + ', "text": "one"}', "line 2", "the line is not JSON ("),
        ("[" * 100_000, "line 2", "the line is not JSON ("),
    ],
)  # fmt: skip
def test_a_bad_line_of_jsonl_does_not_stop_the_others(  # type: ignore[no-untyped-def]
    put, line: str, place: str, reason: str
) -> None:
    source = put("p.jsonl", f'{{"id": "a", "text": "one"}}\n{line}\n{{"id": "b", "text": "two"}}')
    assert texts(read_files(source)) == {"a": "one", "b": "two"}
    ((where, why),) = asides(source)
    assert where.startswith(f"p.jsonl, {place}")
    assert why.startswith(reason)


def test_bad_rows_of_parquet_do_not_stop_the_others(tmp_path: Path) -> None:
    nan = parquet(tmp_path / "p.parquet", [1.0, None, float("nan")], ["one", "two", "three"])
    assert texts(read_files(nan)) == {"1.0": "one"}
    assert asides(nan) == [
        ("p.parquet, row 2", "the id is missing"), ("p.parquet, row 3", "the id is missing")
    ]  # fmt: skip
    numbers = parquet(tmp_path / "n.parquet", ["a", "b"], pa.array(["1", None]))
    assert texts(read_files(numbers)) == {"a": "1"}


def test_a_text_of_a_megabyte_is_set_aside_or_taken_as_the_setting_says(put) -> None:  # type: ignore[no-untyped-def]
    source = put("p.csv", f"id,text\na,{'x' * 1_000_000}\nb,two\n")
    assert asides(source) == [
        ("p.csv, line 2", "the text has 1,000,000 characters, more than max_characters (20,000)")
    ]
    assert len(texts(read_files(source, max_characters=1_000_000))["a"]) == 1_000_000


# what makes the whole file doubtful


def test_one_id_with_two_texts_names_both_places(put, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    put("pool/1.csv", "id,text\na,one\n")
    put("pool/2.csv", "id,text\nb,two\na,other\n")
    assert refused(str(tmp_path / "pool")) == (
        f"{tmp_path / 'pool'}: the id 'a' stands for two different texts "
        "(1.csv, line 2 and 2.csv, line 3). Ids must be unique: correct the file."
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.csv", "key,body\n1,one\n"), ("p.jsonl", '{"key": 1}\n{"key": 2, "body": "two"}')],
)
def test_a_missing_column_names_those_there_are_and_the_setting(put, name, content) -> None:  # type: ignore[no-untyped-def]
    assert refused(put(name, content)) == (
        f"{name} has no column 'id' (it has: key, body). Name the right one with the setting "
        "id_column."
    )
    assert "no column 'text' (it has: key, body)" in refused(put(name, content), id_column="key")
    assert "setting text_column" in refused(put(name, content), id_column="key")


def test_a_missing_column_of_parquet_too(tmp_path: Path) -> None:
    source = parquet(tmp_path / "p.parquet", ["a"], ["one"])
    assert refused(source, text_column="body") == (
        "p.parquet has no column 'body' (it has: id, text). Name the right one with the setting "
        "text_column."
    )


@pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
def test_a_column_that_stands_there_twice_is_not_guessed_at(put, tmp_path, name) -> None:  # type: ignore[no-untyped-def]
    if name == "p.csv":
        put(name, "id,text,text\na,one,two\n")
    else:
        double = pa.table([["a"], ["one"], ["two"]], names=["id", "text", "text"])
        pq.write_table(double, tmp_path / name)
    said = refused(str(tmp_path / name))
    assert said == f"{name} has the column 'text' twice. Rename one of them."


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('id,text\na,one\nb,"two\nc,three\n', 3),
        ('id,text\na,one\nb,"two" three\n', 3),
        ('id,"text\na,one\n', 1),
    ],
)
def test_a_broken_quote_refuses_the_file_and_names_the_line(put, content, line) -> None:  # type: ignore[no-untyped-def]
    said = refused(put("p.csv", content))
    assert said.startswith(f"p.csv, line {line}: the row is broken (")
    assert said.endswith("Fix the quoting; no rows were imported.")


@pytest.mark.parametrize("name", ["p.csv", "p.jsonl"])
@pytest.mark.parametrize("codec", ["latin-1", "utf-16", "cp1252"])
def test_another_encoding_is_named_by_its_first_byte(put, name: str, codec: str) -> None:  # type: ignore[no-untyped-def]
    good = GOOD if name == "p.csv" else '{"id": "a", "text": "one"}'
    content = good.replace("one", "Grüße").encode(codec)
    byte = "0xff" if codec == "utf-16" else "0xfc"
    said = refused(put(name, content))
    assert said.startswith(f"{name} is not UTF-8: byte {byte} cannot be decoded")
    assert said.endswith("Save the file as UTF-8.")


def test_parquet_with_texts_that_are_not_utf_8_is_refused(tmp_path: Path) -> None:
    raw = pa.array([b"one", b"Gr\xfc\xdfe"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    source = parquet(tmp_path / "p.parquet", ["a", "b"], broken)
    assert refused(source).startswith("p.parquet is not UTF-8: byte 0xfc")


@pytest.mark.parametrize("name", ["p.csv.gz", "p.jsonl.gz", "p.parquet"])
def test_a_file_cut_in_half_is_refused(put, tmp_path: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    numbers = np.random.default_rng(0).integers(0, 10**12, 2_000).tolist()
    if name == "p.parquet":
        file = Path(parquet(tmp_path / name, list(range(2_000)), [f"text {n}" for n in numbers]))
    elif name == "p.csv.gz":
        rows = "".join(f"{i},text {n}\n" for i, n in enumerate(numbers))
        file = Path(put(name, gzip.compress(("id,text\n" + rows).encode())))
    else:
        rows = "".join(f'{{"id": {i}, "text": "text {n}"}}\n' for i, n in enumerate(numbers))
        file = Path(put(name, gzip.compress(rows.encode())))
    whole = file.read_bytes()
    assert len(texts(read_files(str(file)))) == 2_000
    file.write_bytes(whole[: len(whole) // 2])
    assert refused(str(file)).startswith(f"{name} ")
    file.write_bytes(whole[: len(whole) // 2] + b"\0" * 100 + whole[len(whole) // 2 + 100 :])
    assert refused(str(file)).startswith(f"{name} ")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "", "p.csv has no column 'id' (it has: none)"),
        ("p.csv", "id,text\n", "holds no usable text (0 rows set aside)."),
        ("p.jsonl", "\n \n", "holds no usable text (0 rows set aside)."),
        ("p.jsonl", "{\n{", "(2 rows set aside). First reason: p.jsonl, line 1: the line is"),
        ("p.csv", "id,text\na,\n", "(1 rows set aside). First reason: p.csv, line 2: the text"),
        ("p.parquet", "", "p.parquet is not a Parquet file that can be read"),
        ("p.txt", GOOD, "p.txt: Crux reads .csv, .jsonl and .parquet"),
        ("pool", GOOD, "pool: Crux reads .csv, .jsonl and .parquet"),
        ("p.csv.gz", GOOD, "p.csv.gz cannot be read: "),
        ("p.csv.zip", GOOD, "p.csv.zip: Crux reads"),
    ],
)
def test_a_file_without_a_pool_says_what_is_wrong(put, name, content, message) -> None:  # type: ignore[no-untyped-def]
    assert message in refused(put(name, content))


def test_an_empty_folder_and_a_missing_file_say_so(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    folder, file = str(tmp_path / "pool"), str(tmp_path / "none.csv")
    assert refused(folder) == f"The folder {folder!r} holds no CSV, JSONL or Parquet file."
    assert refused(file) == f"There is no pool at {file!r}. Give a file or a folder."


@pytest.mark.parametrize("source", ["foo://bucket/p.csv", "http://127.0.0.1/p.csv", "a" * 5_000])
def test_an_address_that_cannot_be_opened_is_named(source: str) -> None:
    assert refused(source).startswith(f"The pool {source!r} cannot be opened: ")


# whatever is written is read again

LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(LETTERS, min_size=1).filter(str.strip)
POOLS = st.dictionaries(TEXTS.map(str.strip), TEXTS, min_size=1, max_size=8)


def as_csv(rows: dict[str, str], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "text"])
        writer.writerows(rows.items())


def as_jsonl(rows: dict[str, str], file: Path) -> None:
    bodies = [{"id": name, "text": text} for name, text in rows.items()]
    lines = [json.dumps(b, ensure_ascii=i % 2 == 0) for i, b in enumerate(bodies)]
    file.write_bytes("\n".join(lines).encode())


def as_parquet(rows: dict[str, str], file: Path) -> None:
    parquet(file, list(rows), list(rows.values()))


@pytest.mark.parametrize(
    ("write", "suffix"), [(as_csv, "csv"), (as_jsonl, "jsonl"), (as_parquet, "parquet")]
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=POOLS)
def test_what_was_written_is_read_again(tmp_path, write, suffix, rows) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / f"p.{suffix}"
    write(rows, file)
    reading = read_files(str(file))
    kept: dict[str, str] = {}
    for name in sorted(rows):
        if rows[name].strip() not in kept.values():
            kept[name] = rows[name].strip()
    assert texts(reading) == kept
    assert list(texts(reading)) == sorted(kept)
    assert (reading.aside, reading.duplicates) == ((), len(rows) - len(kept))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), suffix=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_any_bytes_at_all_give_a_pool_or_an_error_for_people(tmp_path, content, suffix) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / f"p.{suffix}"
    head = {"csv": b"id,text\n", "jsonl": b'{"id": 1, "text": "a"}\n', "parquet": b"PAR1"}
    file.write_bytes(head[suffix] + content)
    try:
        reading = read_files(str(file))
    except PoolError as error:
        assert str(error)
    else:
        json.dumps(texts(reading), ensure_ascii=False).encode("utf-8")
