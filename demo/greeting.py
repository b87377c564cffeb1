"""What `make up` says when all runs: where everything is, and the next command to type."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from demo.services import State


def greeting(
    state: State, config: Path, theirs: list[str], projects: Mapping[int, str], pool: Path
) -> str:
    """Return the lines, with commands that work in the folder in which `make up` was called.

    config: the settings file. theirs: its keys that a person set. projects: number -> title, the
    newest first. pool: texts to try.
    """
    crux = command()
    kept = f"; {', '.join(theirs)} as you set it" if theirs else ""
    number = next(iter(projects), 1)
    return "\n".join(
        [
            f"Label Studio  {state.studio_url}",
            f"              e-mail {state.email}, password {state.password}",
            f"Backend       {state.backend_url}, and its worker",
            f"Settings      {config} has addresses, token and secret{kept}",
            f"Command       {crux}",
            "",
            *_project(state, projects),
            "",
            f"  {crux} connect --project {number}",
            f"  {crux} round --project {number} --pool {pool}",
            "",
            "`make down` ends all of it, and `make up` starts it again at the same addresses.",
        ]
    )


def command() -> str:
    """Return how to call `crux` from the current folder."""
    return os.path.relpath(Path(sys.executable).parent / "crux")


def _project(state: State, projects: Mapping[int, str]) -> list[str]:
    if not projects:
        return [
            f"Next, make a project at {state.studio_url}/projects (the README has one to paste).",
            "The first one is number 1, as its address shows. Then run, one after the other:",
        ]
    number, title = next(iter(projects.items()))
    others = ", the newest of several" if len(projects) > 1 else ""
    return [f"Next, for project {number} ({title}){others}, run one after the other:"]
