"""The command on a file of somebody's own, with a model that learns words."""

import csv
import gzip
import json
from functools import partial
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.loop import __main__ as command
from benchmarks.loop.race import race
from tests.fakes import FakeScorer, fake_train

SYSTEM = {
    "true_kappa", "true_kappa_se", "true_kappa_by_seed", "reported_kappa", "covered", "taught",
    "positives", "seconds",
}  # fmt: skip


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vectors: Path) -> typer.Typer:
    scorer = FakeScorer()
    (tmp_path / "build").mkdir()
    (tmp_path / "build/vectors").symlink_to(vectors)
    monkeypatch.setattr(command, "BUILD", tmp_path / "build")
    monkeypatch.setattr(command, "one_scorer", lambda *_: lambda: scorer)
    monkeypatch.setattr(command, "race", partial(race, train=fake_train))
    made = typer.Typer()
    made.command()(command.main)
    return made


@pytest.fixture
def spam(tmp_path: Path) -> Path:
    """600 mails, half of them spam, in a compressed file."""
    file = tmp_path / "mails.csv.gz"
    with gzip.open(file, "wt", newline="") as out:
        rows = [
            (f"mail {i} says {'buy now' if i % 2 else 'see you'}", "spam" if i % 2 else "ham")
            for i in range(600)
        ]
        csv.writer(out).writerows([("body", "kind"), *rows])
    return file


def test_the_command_writes_the_figures_of_every_system(
    app: typer.Typer, spam: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "result.json"
    argv = [
        "--data", str(spam), "--text", "body", "--label", "kind", "--positive", "spam",
        "--prevalence", "0.2", "--systems", "crux,random 80/20,random", "--seeds", "2",
        "--verdicts", "150", "--limit", "350", "--json", str(out),
    ]  # fmt: skip

    done = CliRunner().invoke(app, argv)

    assert done.exit_code == 0, done.output
    assert "crux less random 80/20" in done.output
    found = json.loads(out.read_text())
    assert (found["data"], found["rows"], found["seeds"]) == ("mails", 350, 2)
    assert found["prevalence"] == pytest.approx(0.2, abs=0.03)
    assert found["verdicts"] == [50, 100, 150]
    assert list(found["systems"]) == ["crux", "random 80/20", "random"]
    for system in found["systems"].values():
        assert set(system) >= SYSTEM
        assert len(system["true_kappa"]) == len(system["reported_kappa"]) == 3
        assert [len(row) for row in system["true_kappa_by_seed"]] == [3, 3]
    assert found["best_other"] == "random 80/20", "random tells no figure: it is a bound"
    assert set(found["difference"]) == {"mean", "low", "high"}


def test_a_run_on_a_file_of_ones_own_is_no_result_of_the_project(
    app: typer.Typer, spam: Path, tmp_path: Path
) -> None:
    before = sorted(Path("benchmarks/results").rglob("*"))
    argv = ["--data", str(spam), "--text", "body", "--label", "kind", "--positive", "spam",
            "--systems", "random", "--seeds", "1", "--verdicts", "20"]  # fmt: skip

    assert CliRunner().invoke(app, argv).exit_code == 0

    assert sorted(Path("benchmarks/results").rglob("*")) == before
    assert (tmp_path / "build/loop/results/mails.jsonl").is_file()


def test_the_probe_alone_learns_a_plain_word_and_asks_for_a_tag(
    app: typer.Typer, spam: Path, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    argv = ["--data", str(spam), "--text", "body", "--label", "kind", "--positive", "spam",
            "--systems", "crux", "--seeds", "1", "--verdicts", "100", "--probe-alone"]  # fmt: skip

    refused = CliRunner().invoke(app, argv)
    done = CliRunner().invoke(app, [*argv, "--tag", "tried", "--json", str(out)])

    assert "give a --tag" in refused.output
    assert done.exit_code == 0, done.output
    assert json.loads(out.read_text())["systems"]["crux"]["true_kappa"][-1] > 0.9
