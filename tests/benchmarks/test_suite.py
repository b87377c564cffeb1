from pathlib import Path

import pytest

from benchmarks import suite
from benchmarks.datasets import SETS
from benchmarks.strategies import named


def test_the_documentation_says_what_each_part_is() -> None:
    said = [line.split()[0] for line in (suite.__doc__ or "").splitlines() if line[:4] == " " * 4]
    assert said[1:] == list(suite.PARTS)  # the first is the command


def test_a_part_compares_strategies_that_there_are() -> None:
    assert list(named(suite.PARTS["useless"][1])) == ["crux", "random", "margin", "stratified"]
    assert list(named(suite.PARTS["noise20"][1]))[-1] == "margin spread"


def test_a_set_or_part_that_nobody_has_is_named_with_those_that_there_are() -> None:
    with pytest.raises(SystemExit, match=f"no set 'tweet'. There are: {', '.join(SETS)}."):
        suite.main(only="clickbait,tweet")
    with pytest.raises(SystemExit, match=f"no part 'noise'. There are: {', '.join(suite.PARTS)}."):
        suite.main(part="noise")


def test_a_set_that_is_absent_is_left_out_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "RESULTS", tmp_path / "results")
    suite.main(only="edos, davidson", folder=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "edos is left out", "davidson is left out",
    ]  # fmt: skip
    assert not (tmp_path / "results").exists()
