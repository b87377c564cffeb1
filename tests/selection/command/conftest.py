"""What the tests of `crux doctor` share."""

from pathlib import Path

import pytest

from tests.selection.command.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
