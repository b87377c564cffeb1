"""Writes docs/architecture.md: the rooms by the modules' own docstrings, and the two walks.

    python scripts/architecture.py
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILE = ROOT / "docs/architecture.md"
ROOMS = (
    "selection", "selection/studio", "selection/report", "selection/command",
    "backend", "backend/web", "backend/engine", "backend/engine/stream", "backend/engine/cpu",
    "backend/engine/remote", "backend/versions", "backend/queue",
)  # fmt: skip
TOP = Path(__file__).with_suffix(".md")  # what is written by hand


def sentence(file: Path) -> str:
    """Return the first sentence of a module's docstring."""
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = " ".join(said.partition("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z])", first)[0].rstrip(".")


def room(folder: Path) -> str:
    """Return a folder's chapter: its own sentence, then a line a file."""
    name = folder.relative_to(ROOT).as_posix()
    files = [file for file in sorted(folder.glob("*.py")) if file.stem != "__init__"]
    widest = max(len(file.name) for file in files)
    lines = [f"{file.name:<{widest}}  {sentence(file)}" for file in files]
    listed = "\n".join(lines)
    return f"## {name}/\n\n{sentence(folder / '__init__.py')}.\n\n```\n{listed}\n```\n"


def page() -> str:
    """Return the whole page."""
    return TOP.read_text(encoding="utf-8") + "\n" + "\n".join(room(ROOT / name) for name in ROOMS)


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
