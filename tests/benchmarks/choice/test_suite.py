from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.choice import suite
from benchmarks.choice.datasets import SETS
from benchmarks.choice.strategies import VARIANTS, by_name


def test_the_documentation_says_what_each_part_is() -> None:
    lines = (suite.__doc__ or "").splitlines()
    said = [line.split()[0] for line in lines if line[:4] == " " * 4 and line[4:5].strip()]
    assert said[1:] == list(suite.PARTS)  # the first is the command


def test_a_part_compares_existing_strategies() -> None:
    of = {name: list(by_name(part.strategies)) for name, part in suite.PARTS.items()}
    assert of["useless"] == ["crux", "random", "stratified", "margin"]
    assert of["noise20"] == [*of["useless"], "margin spread", "uncertainty herding"]
    assert set(of["noise20"]) < set(of["efficiency"]) < set(of["everyone"])
    assert of["variants"] == ["crux", *VARIANTS]


def test_parts_that_share_their_runs_have_the_same_terms() -> None:
    parts = suite.PARTS
    for name in ("everyone", "variants"):
        assert parts[name].runs == parts["efficiency"].runs
        assert replace(parts[name].terms, seeds=5) == parts["efficiency"].terms


def test_an_unknown_set_or_part_is_named_with_the_existing_ones() -> None:
    with pytest.raises(SystemExit, match=f"no set 'tweet'. There are: {', '.join(SETS)}."):
        suite.main(only="clickbait,tweet")
    with pytest.raises(SystemExit, match=f"no part 'noise'. There are: {', '.join(suite.PARTS)}."):
        suite.main(part="noise")


def test_a_missing_set_is_left_out_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "RESULTS", tmp_path / "results")
    suite.main(only="edos, davidson", folder=tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "edos is left out", "davidson is left out",
    ]  # fmt: skip
    assert not (tmp_path / "results").exists()
