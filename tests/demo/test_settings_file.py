import tomllib
from pathlib import Path

import pytest

from demo.settings_file import keep_settings
from selection.errors import SettingError

VALUES = {"studio_url": "http://127.0.0.1:8080", "studio_token": "t0ken"}
MOVED = VALUES | {"studio_url": "http://127.0.0.1:8081"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "crux.toml"


def settings(file: Path) -> dict[str, object]:
    return tomllib.loads(file.read_text())


def test_a_new_file_has_the_values_and_is_readable_by_its_owner_alone(file: Path) -> None:
    assert keep_settings(file, VALUES) == []
    assert settings(file) == VALUES
    assert file.stat().st_mode & 0o777 == 0o600


def test_writing_it_again_changes_nothing(file: Path) -> None:
    keep_settings(file, VALUES)
    before = file.read_text()
    keep_settings(file, VALUES)
    assert file.read_text() == before


def test_new_values_replace_those_that_it_wrote(file: Path) -> None:
    keep_settings(file, VALUES)
    assert keep_settings(file, MOVED) == []
    assert settings(file) == MOVED


def test_lines_that_a_person_added_stay_with_their_comments(file: Path) -> None:
    keep_settings(file, VALUES)
    added = '# the pilot\nproject = 3\npool = "ads.csv"  # make up more\n\n'
    file.write_text(file.read_text() + added)
    assert keep_settings(file, MOVED) == []
    assert file.read_text().endswith(added)
    assert settings(file) == MOVED | {"project": 3, "pool": "ads.csv"}


def test_a_value_that_a_person_changed_in_place_stays_and_is_named(file: Path) -> None:
    keep_settings(file, VALUES)
    file.write_text(file.read_text().replace("t0ken", "my-own"))
    for _ in range(2):
        assert keep_settings(file, MOVED) == ["studio_token"]
        assert settings(file) == MOVED | {"studio_token": "my-own"}


def test_a_line_that_a_person_removed_comes_back(file: Path) -> None:
    keep_settings(file, VALUES)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "studio_token" not in line))
    keep_settings(file, VALUES)
    assert settings(file) == VALUES


def test_a_file_that_others_could_read_is_closed_to_them(file: Path) -> None:
    file.write_text("project = 3\n")
    file.chmod(0o644)
    keep_settings(file, VALUES)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_not_toml_is_named_and_left_as_it_is(file: Path) -> None:
    file.write_text("project: 3\n")
    with pytest.raises(SettingError, match=r"crux\.toml is not valid TOML"):
        keep_settings(file, VALUES)
    assert file.read_text() == "project: 3\n"
