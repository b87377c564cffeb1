"""The end of a failed CI run names what failed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.failures import LINES, summary

ROOT = Path(__file__).parent.parent

TESTS = """
import pytest

@pytest.fixture
def broken():
    raise OSError("no disk")

def test_passes(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_compares(n): assert n == 2, "long\\n" * 40

def test_cannot_begin(broken): pass
"""


def results(folder: Path, code: str) -> Path:
    (folder / "test_some.py").write_text(code)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder),
         "-o", "junit_family=xunit1", f"--junitxml={folder}/results.xml", str(folder)],
        cwd=folder, check=False, capture_output=True, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip
    return folder / "results.xml"


def test_each_failed_test_is_named_with_the_last_lines_of_its_failure(tmp_path: Path) -> None:
    said = summary(results(tmp_path, TESTS))
    failed, error, count = said.split("\n\n")
    assert failed.splitlines()[0] == "FAILURE test_some.py::test_compares[1]"
    assert len(failed.splitlines()) == 1 + LINES
    assert failed.endswith("test_some.py:11: AssertionError")
    assert error.splitlines()[0] == "ERROR test_some.py::test_cannot_begin"
    assert "OSError: no disk" in error
    assert count == "2 failed."


def test_a_file_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    said = summary(results(tmp_path, "import no_such_package"))
    assert said.splitlines()[0] == "ERROR test_some.py"
    assert "No module named 'no_such_package'" in said


def test_where_no_test_failed_or_none_ran_it_says_where_to_look(tmp_path: Path) -> None:
    assert summary(results(tmp_path, "def test(): pass")).startswith("No test failed: ruff or mypy")
    assert summary(tmp_path / "none.xml").startswith("No test has a result")


def ci(folder: Path, make: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/run in a copy of its surroundings, in which `make` is this shell script."""
    for name in (".ci/run", "scripts/python.sh", "scripts/failures.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("make", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\n{make}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        [folder / ".ci/run"], env={"PATH": f"{folder}:{Path(sys.executable).parent}:{os.defpath}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_ci_run_fails_with_make_and_ends_with_the_names_of_the_failed_tests(
    tmp_path: Path,
) -> None:
    kept = results(tmp_path, TESTS)
    done = ci(tmp_path, f"mkdir -p build; cp {kept} build/test-results.xml; exit 2")
    assert done.returncode == 2
    assert done.stderr == summary(kept) + "\n"
    assert (ci(tmp_path, "true").returncode, ci(tmp_path, "true").stderr) == (0, "")


@pytest.mark.slow
def test_a_process_that_outlives_the_tests_is_killed_and_fails_a_ci_run(tmp_path: Path) -> None:
    done = ci(tmp_path, "nohup sleep 3217 > /dev/null 2>&1 &")
    assert done.returncode == 1
    assert "outlived the tests and are killed now:" in done.stderr
    assert "sleep 3217" in done.stderr
