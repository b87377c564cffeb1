from pathlib import Path

import pytest

from benchmarks.marks import between
from benchmarks.serving.report import read, readme, written


def test_the_tables_and_the_readme_say_what_the_kept_figures_say() -> None:
    served, trained = read()
    assert written(Path("docs/serving.md").read_text(), served, trained) == Path(
        "docs/serving.md"
    ).read_text()
    assert readme(Path("README.md").read_text(), served, trained) == Path("README.md").read_text()


def test_only_the_text_between_the_marks_is_replaced() -> None:
    text = "before\n<!-- speed -->\nold\n<!-- end of speed -->\nafter"
    assert between(text, "speed", "new") == text.replace("old", "new")


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- end of speed --> are missing"):
        between("<!-- speed -->", "speed", "new")
