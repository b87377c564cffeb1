"""The shape of the two packages; [tool.importlinter] in pyproject.toml says who may import whom."""

import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for package in ("backend", "selection")
    for file in sorted((ROOT / package).rglob("*.py"))
}
LENGTHS = {name: len(text.splitlines()) for name, text in FILES.items() if text}


def test_the_modules_import_each_other_as_agreed() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_has_more_than_300_lines_and_half_of_them_at_most_120() -> None:
    assert {name: length for name, length in LENGTHS.items() if length > 300} == {}
    assert statistics.median(LENGTHS.values()) <= 120


def test_untyped_dictionaries_are_few() -> None:
    found = Counter({name: text.count("dict[str, Any]") for name, text in FILES.items()})
    assert found.total() <= 15, str(+found)


def test_the_environment_is_read_by_the_two_config_files_alone() -> None:
    found = {name for name, text in FILES.items() if re.search(r"os\.(environ|getenv)", text)}
    assert found <= {"backend/config.py", "selection/config.py"}
