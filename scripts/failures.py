"""Print every failed test of a JUnit file with the end of its failure, as the end of a CI log.

usage: python scripts/failures.py FILE
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

LINES = 15  # of each failure


def failures(file: Path) -> list[str]:
    """Return a paragraph for each test that failed: its id and the last lines of its failure."""
    found = []
    for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314  (pytest wrote it)
        test = case.get("file", "")
        if case.get("classname"):  # else the file could not be imported
            test += f"::{case.get('name')}"
        for kind in ("failure", "error"):
            for told in case.findall(kind):
                lines = (told.text or told.get("message") or "").rstrip().splitlines()[-LINES:]
                found.append("\n    ".join([f"{kind.upper()} {test}", *lines]))
    return found


def summary(file: Path) -> str:
    """Return what failed, as text."""
    if not file.is_file():
        return f"No test has a result ({file}): an earlier step or pytest itself failed, see above."
    found = failures(file)
    if not found:
        return "No test failed: ruff or mypy did, or a process was left behind, see above."
    return "\n\n".join([*found, f"{len(found)} failed."])


if __name__ == "__main__":
    print(summary(Path(sys.argv[1])))
