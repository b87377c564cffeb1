from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from selection.config import Settings, load
from selection.errors import SettingError

TOKEN = "0123456789abcdef-not-to-be-seen"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of this machine, and an empty folder to stand in."""
    for field in Settings.model_fields:
        monkeypatch.delenv(f"CRUX_{field.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def write(content: str, name: str = "crux.toml") -> Path:
    file = Path(name)
    file.write_text(content)
    return file


def refused(**flags: Any) -> str:
    with pytest.raises(SettingError) as error:
        load(**flags)
    assert TOKEN not in str(error.value)
    cause: BaseException | None = error.value
    while cause is not None and not cause.__suppress_context__:
        cause = cause.__cause__ or cause.__context__
        assert TOKEN not in str(cause)
    return str(error.value)


def test_without_anything_the_defaults_hold() -> None:
    settings = load()
    assert (settings.studio_url, settings.project) == ("http://127.0.0.1:8080", 0)
    assert (settings.per_round, settings.home) == (64, Path(".crux"))


def test_the_environment_wins_over_the_file_and_flags_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('project = 1\nper_round = 10\npool = "file.csv"')
    assert (load().project, load().per_round, load().pool) == (1, 10, "file.csv")
    monkeypatch.setenv("CRUX_PROJECT", "2")
    monkeypatch.setenv("CRUX_PER_ROUND", "20")
    assert (load().project, load().per_round, load().pool) == (2, 20, "file.csv")
    settings = load(project=3)
    assert (settings.project, settings.per_round, settings.pool) == (3, 20, "file.csv")


def test_a_flag_that_was_not_given_leaves_the_setting_alone() -> None:
    write("project = 1")
    assert load(project=None, pool=None).project == 1


def test_the_file_can_have_another_name_and_then_must_be_there() -> None:
    write("project = 1")
    write("project = 5", "other.toml")
    assert load(Path("other.toml")).project == 5
    assert refused(config=Path("none.toml")) == (
        "There is no settings file none.toml. Give the path of a TOML file."
    )


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_can_come_from_every_place(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = getattr(Settings.model_construct(), name)
    value = default + 1 if isinstance(default, int) else 0.37
    if isinstance(default, (str, Path, SecretStr)):
        value = "another"
    from_flag = load(**{name: value})
    assert getattr(from_flag, name) != default
    write(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
    assert getattr(load(), name) == getattr(from_flag, name)
    Path("crux.toml").unlink()
    monkeypatch.setenv(f"CRUX_{name.upper()}", str(value))
    assert getattr(load(), name) == getattr(from_flag, name)
    assert Settings.model_fields[name].description


def test_a_key_that_is_not_known_is_named() -> None:
    write("project = 1\nper_runde = 5")
    assert refused() == "There is no setting 'per_runde' (in crux.toml or a flag)."


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("evaluation_share = 0.35", "no pair is held back any more, since each tests the version "
         "that chose it before it teaches: delete the line"),
        ("patience = 3", "the backend measures the gain, so set CRUX_PATIENCE in its environment "
         "alone"),
    ],
)  # fmt: skip
def test_a_setting_of_an_older_crux_that_is_gone_says_why(line: str, why: str) -> None:
    write(f"project = 1\n{line}")
    name = line.split(" ")[0]
    assert refused() == f"Setting '{name}' (in crux.toml) is gone: {why}."
    assert name not in Settings.model_fields


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("project", '"seven"', "'seven': Input should be a valid integer"),
        ("project", "-1", "-1: Input should be greater than or equal to 0"),
        ("per_round", "1", "1: Input should be greater than or equal to 2"),
        ("audit_reserve", "1.0", "1.0: Input should be less than 1"),
        ("audit_reserve", "0", "0: Input should be greater than 0"),
        ("blind_share", "1.5", "1.5: Input should be less than or equal to 1"),
        ("blind_share", "nan", "nan: Input should be"),
        ("experts_width", "0", "0: Input should be greater than 0"),
        ("experts_width", "2.5", "2.5: Input should be less than or equal to 2"),
        ("audit_per_round", "-1", "-1: Input should be greater than or equal to 0"),
        ("delta", "nan", "nan: Input should be"),
        ("experts", "0", "0: Input should be greater than or equal to 1"),
        ("pool", "[1, 2]", "[1, 2]: Input should be a valid string"),
        ("seed", "99999999999999999999", "99999999999999999999: Input should be less than"),
    ],
)
def test_a_bad_value_is_named_with_what_is_wanted(key: str, value: str, wanted: str) -> None:
    write(f"{key} = {value}")
    assert refused().startswith(f"Setting '{key}' (CRUX_{key.upper()}) is {wanted}")


def test_a_bad_value_in_the_environment_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUX_PROJECT", "seven")
    assert refused().startswith("Setting 'project' (CRUX_PROJECT) is 'seven': ")


def test_every_bad_setting_has_its_line() -> None:
    write("project = -1\nexperts = 0\nnonsense = 1")
    lines = refused().splitlines()
    assert [line.split("'")[1] for line in sorted(lines)] == ["experts", "project", "nonsense"]


@pytest.mark.parametrize("content", ["project 1", "project = ", "[[", "project = 1\nproject = 2"])
def test_a_file_that_is_not_toml_is_named(content: str) -> None:
    write(content)
    assert refused().startswith("The settings file crux.toml is not valid TOML: ")


def test_a_file_that_is_not_utf_8_is_named() -> None:
    Path("crux.toml").write_bytes(b'pool = "Gr\xfc\xdfe.csv"')
    assert refused().startswith("The settings file crux.toml is not valid TOML: ")


@pytest.mark.parametrize(
    "content",
    [
        f'studio_token = ["{TOKEN}"]',
        f'webhook_secret = {{ value = "{TOKEN}" }}',
        f'studio_token = "{TOKEN}"\nproject = -1',
        f'studio_tokn = "{TOKEN}"',
        f'studio_token = "{TOKEN}',
        f'studio_token = "{TOKEN}"\n[[',
        f"studio_token = {TOKEN}",
        f'[studio]\ntoken = "{TOKEN}"',
    ],
)
def test_no_message_shows_a_secret(content: str) -> None:
    write(content)
    assert refused()


def test_no_print_of_the_settings_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUX_STUDIO_TOKEN", TOKEN)
    settings = load(webhook_secret=TOKEN)
    assert TOKEN not in f"{settings} {settings!r} {settings.model_dump()}"
    assert settings.studio_token.get_secret_value() == TOKEN


def test_settings_do_not_change_once_they_are_read() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().project = 5  # type: ignore[misc]
