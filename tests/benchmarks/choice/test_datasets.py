import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.choice.datasets import SETS, Data, make, read
from selection.errors import PoolError


def table(tmp_path: Path, lines: list[str], name: str = "data.csv") -> Path:
    file = tmp_path / name
    body = "\n".join(["text,kind", *lines]) + "\n"
    if name.endswith(".gz"):
        file.write_bytes(gzip.compress(body.encode()))
    else:
        file.write_text(body)
    return file


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz"])
def test_a_file_is_read_with_the_positive_value_as_label_1(tmp_path: Path, name: str) -> None:
    file = table(tmp_path, ["one,a", "two,b", '"three, too",c'], name)
    data = read(file, "text", "kind", positive="b", describe=("about b", "others"))
    assert dict(zip(data.texts, data.labels.tolist(), strict=True)) == {
        "one": 0,
        "two": 1,
        "three, too": 0,
    }
    assert (data.names, data.describe) == (("other", "b"), ("others", "about b"))


def test_without_a_positive_value_all_values_are_labels() -> None:
    data = make([("one", "b"), ("two", "a"), ("three", "c")], "x")
    assert data.names == data.describe == ("a", "b", "c")
    assert {t: data.names[i] for t, i in zip(data.texts, data.labels, strict=True)}["one"] == "b"


def test_a_text_that_occurs_twice_is_kept_once_with_its_first_label() -> None:
    data = make([("one", "a"), ("one ", "b"), ("two", "b"), ("", "a")], "x")
    assert sorted(zip(data.texts, data.labels.tolist(), strict=True)) == [("one", 0), ("two", 1)]


def rows(n: int, share: float) -> list[tuple[str, str]]:
    return [(f"text {i}", "yes" if i < n * share else "no") for i in range(n)]


def test_positives_are_thinned_to_the_share_and_the_others_stay() -> None:
    data = make(rows(4_000, 0.5), "x", "yes", 0.05)
    assert data.prevalence[1] == pytest.approx(0.05, abs=0.0005)
    assert int((data.labels == 0).sum()) == 2_000
    assert data.made == "positives thinned to 5.0%"


def test_a_limit_keeps_the_share_of_the_positives() -> None:
    data = make(rows(20_000, 0.5), "x", "yes", 0.05, limit=3_000)
    assert len(data) == 3_000
    assert data.prevalence[1] == pytest.approx(0.05, abs=0.012)


def test_rarer_positives_than_asked_for_are_left_as_they_are() -> None:
    data = make(rows(1_000, 0.02), "x", "yes", 0.05)
    assert (len(data), data.prevalence[1], data.made) == (1_000, 0.02, "")


def test_the_order_of_the_file_changes_nothing() -> None:
    one, two = rows(500, 0.3), rows(500, 0.3)[::-1]
    a, b = (make(r, "x", "yes", 0.1, limit=200) for r in (one, two))
    assert a.texts == b.texts
    assert np.array_equal(a.labels, b.labels)


def test_a_missing_file_column_or_label_is_named(tmp_path: Path) -> None:
    file = table(tmp_path, ["one,a", "two,b"])
    with pytest.raises(PoolError, match="There is no file"):
        read(tmp_path / "other.csv", "text", "kind")
    with pytest.raises(PoolError, match="has no column 'label'; its columns: text, kind"):
        read(file, "text", "label")
    with pytest.raises(PoolError, match="has no text labelled 'z'; its labels: a, b"):
        read(file, "text", "kind", positive="z")
    with pytest.raises(PoolError, match="1 descriptions for 2 labels"):
        read(file, "text", "kind", describe=("only one",))
    with pytest.raises(PoolError, match="one label only"):
        make([("one", "a")], "x")


def test_a_set_is_read_from_the_given_folder(tmp_path: Path) -> None:
    lines = ["text,label", "one,1", "two,0", '"three, too",0']
    (tmp_path / "davidson_hate.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    data = SETS["davidson"].load(tmp_path)
    assert dict(zip(data.texts, data.labels.tolist(), strict=True)) == {
        "one": 1,
        "two": 0,
        "three, too": 0,
    }
    assert (data.name, data.names) == ("davidson", ("other", "1"))
    assert len(SETS["davidson"].load(tmp_path, limit=2)) == 2


def test_a_missing_set_says_how_to_name_its_folder_and_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "edos_sexism.csv.gz"
    told = f"no file {file}. Name .* --folder; .* from Kirk et al. 2023"
    with pytest.raises(PoolError, match=told):
        SETS["edos"].load(tmp_path)


def test_every_set_has_a_source_and_a_licence() -> None:
    for name, one in SETS.items():
        assert name == one.name
        assert one.source and one.licence


def test_a_data_set_checks_its_arrays() -> None:
    with pytest.raises(ValueError, match="1 texts, 2 labels"):
        Data("x", ("one",), np.zeros(2, dtype=np.int64), ("a", "b"), ("a", "b"))
    with pytest.raises(ValueError, match="texts occur twice"):
        Data("x", ("one", "one"), np.zeros(2, dtype=np.int64), ("a", "b"), ("a", "b"))
