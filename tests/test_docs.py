"""The documentation says what the code does, or these tests fail."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from scripts import architecture
from scripts.settings import page
from selection.command.cli import app

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS = [*GUIDES, *sorted((ROOT / "docs").glob("*.md"))]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_the_settings_page_is_the_one_that_the_code_makes() -> None:
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == page()


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in get_command(app).commands:  # type: ignore[attr-defined]
        assert f"crux {name}" in readme


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_make_target_that_a_document_names_is_in_the_makefile(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^|; )make ([a-z0-9-]+)", text, re.MULTILINE)) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=names(DOCUMENTS))
def test_every_file_that_a_document_links_to_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (document.parent / link).exists(), link


@pytest.mark.parametrize("document", GUIDES, ids=names(GUIDES))
def test_every_path_and_module_that_a_guide_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    folders = "backend|selection|benchmarks|demo|docs|scripts|tests"
    paths = re.findall(rf"(?<![\w/.-])((?:{folders}|\.ci)/[\w./-]*[\w/])", text)
    modules = re.findall(r"python -m ((?:backend|benchmarks|demo)[.\w]*)", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    for module in modules:
        place = ROOT / module.replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module


def test_what_the_guide_for_contributors_calls_five_commands_are_make_targets_with_a_text() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    block = re.search(r"```\n(make .+?)```", guide, re.DOTALL)
    assert block
    commands = re.findall(r"^make ([a-z]+) +# \w", block[1], re.MULTILINE)
    assert commands == ["check", "test", "demo", "up", "pins"]
    for command in commands:
        assert re.search(rf"^{command}:.*## \w", makefile, re.MULTILINE)


def test_the_walk_in_the_readme_has_a_time_for_each_of_its_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## Use it\n")[2]
    block = re.search(r"```\n(make up\n.+?)```", section, re.DOTALL)
    walk = re.search(r"<!-- walk -->\n```\n(.+?)```\n<!-- end of walk -->", section, re.DOTALL)
    assert block and walk
    commands = [line.partition("  #")[0].rstrip() for line in block[1].splitlines()]
    timed = re.findall(r"^(.+?) +\d+ s$", walk[1], re.MULTILINE)
    assert timed == [*commands, "the first verdict, without the time in the browser"]


def test_the_page_of_the_rooms_is_the_one_that_the_code_makes() -> None:
    assert (ROOT / "docs/architecture.md").read_text(encoding="utf-8") == architecture.page()
