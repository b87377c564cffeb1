import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.choice.datasets import FOLDER, SETS
from benchmarks.loop import __main__ as command
from benchmarks.loop import sets
from benchmarks.loop.ground import split
from benchmarks.loop.race import axis_until
from demo.ratings import ARCHIVE
from selection.errors import PoolError

HAS_SETS = pytest.mark.skipif(not FOLDER.is_dir(), reason="the sets are not there")
HAS_RATINGS = pytest.mark.skipif(not ARCHIVE.is_file(), reason="the ratings are not there")


def table(file: Path, rows: Sequence[tuple[str, str]], label: str = "label") -> Path:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("text", label), *rows])
    return file


def test_the_positive_label_of_a_file_comes_first_and_is_asked_for(tmp_path: Path) -> None:
    file = table(tmp_path / "mails.csv", [("buy now", "spam"), ("hello", "ham"), ("hi", "eggs")])

    found = sets.from_file(file, "text", "label", "spam", None, None, None)

    assert (found.name, found.names) == ("mails", ("spam", "other"))
    assert found.policy.startswith("Is this text an example of 'spam'?")
    said = dict(zip(found.texts, found.truth.tolist(), strict=True))
    assert said == {"buy now": 0, "hello": 1, "hi": 1}
    assert found.experts.tolist() == [[label, label] for label in found.truth]


@pytest.mark.parametrize(
    ("column", "positive", "name"),
    [("label", "1", "positive"), ("is_toxic", "1", "toxic"), ("hate", "True", "hate"),
     ("label", "hate", "hate")],
)  # fmt: skip
def test_a_bare_1_is_no_name_of_a_label(
    tmp_path: Path, column: str, positive: str, name: str
) -> None:
    file = table(tmp_path / "some.csv", [("one", positive), ("two", "0")], column)

    found = sets.from_file(file, "text", column, positive, None, None, None)

    assert found.names == (name, "other")
    assert f"'{name}'" in found.policy


def test_without_a_positive_value_every_value_is_a_label(tmp_path: Path) -> None:
    file = table(tmp_path / "three.csv", [("a", "x"), ("b", "y"), ("c", "z")])

    found = sets.from_file(file, "text", "label", None, "Which one?", None, None)

    assert (found.names, found.policy) == (("x", "y", "z"), "Which one?")


def test_an_unknown_set_is_named_with_those_that_there_are() -> None:
    with pytest.raises(PoolError, match="remorse"):
        sets.load("nothing", Path())


@HAS_SETS
@pytest.mark.parametrize("name", sets.QUESTIONS)
def test_every_named_set_has_the_labels_that_its_question_names(name: str) -> None:
    found = sets.load(name, FOLDER, limit=3_000)

    assert all(f"'{label}'" in found.policy for label in found.names)
    assert set(found.policy.split("'")) & set(found.names) == set(found.names)
    described = SETS[sets.QUESTIONS[name].source].describe
    assert not any(words in found.policy for words in described), "no hidden description"
    assert found.shares.argmax() == len(found.names) - 1, "the rule is the last label"


@HAS_RATINGS
@pytest.mark.parametrize(
    ("name", "labels"), [("tweets", ("harsh", "fine")), ("rare", ("extreme", "ordinary"))]
)
def test_experts_and_truth_of_the_ratings_are_three_different_voices(
    name: str, labels: tuple[str, str]
) -> None:
    found = sets.load(name, FOLDER)

    assert found.names == labels
    first, second = found.experts.T
    for one, other in ((first, second), (first, found.truth), (second, found.truth)):
        assert 0.9 < np.mean(one == other) < 1.0


@HAS_SETS
def test_the_rare_set_keeps_its_share_in_a_pool_of_36000() -> None:
    found = split(sets.load("remorse", FOLDER))

    assert len(found.texts) == 35_997
    assert found.positive == pytest.approx(0.0124, abs=1e-4)
    assert np.mean(found.experts[:, 0] != found.commonest) == pytest.approx(0.0119, abs=1e-4)


def test_the_axis_ends_at_the_budget() -> None:
    assert axis_until(400) == (50, 100, 200, 300, 400)
    assert axis_until(150) == (50, 100, 150)
    assert axis_until(20) == (20,)
    assert axis_until(600) == (50, 100, 200, 300, 400, 600)


def test_the_command_says_in_a_sentence_what_is_wrong(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command.main)

    def fails(*argv: str) -> str:
        found = CliRunner().invoke(app, list(argv))
        assert found.exit_code
        return str(found.exception) if str(found.exception) != "1" else found.output

    assert "--set" in fails()
    assert "random 80/20" in fails("--set", "tweets", "--systems", "magic")
    assert "There is no file" in fails("--data", str(tmp_path / "no.csv"))
    assert json.dumps(sets.NAMES)
