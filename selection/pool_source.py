"""The setting `pool` -> the pool: files, a folder, or another Label Studio project."""

from collections.abc import Callable
from pathlib import Path

from selection.config import Settings
from selection.errors import SettingError
from selection.pool import keep_aside
from selection.pool_files import read_files
from selection.pool_project import read_project_pool
from selection.studio.api import Project, Studio
from selection.types import Pool


def read_pool(
    settings: Settings,
    studio: Studio,
    project: Project,
    aside: Path,
    on_progress: Callable[[str, int, int], None],
) -> Pool:
    """Read every row of the pool as it is now, so that rows added later are seen.

    aside: file of the rows that cannot be used. Raises SettingError, PoolError or StudioError.
    """
    source = settings.pool
    if not source:
        raise SettingError("No pool is set. Give a file or folder: --pool PATH or CRUX_POOL.")
    if source.startswith("project:"):
        number = source.removeprefix("project:")
        reading = read_project_pool(studio, number, project, settings.max_characters)
    else:
        reading = read_files(
            source,
            id_column=settings.id_column,
            text_column=settings.text_column,
            max_characters=settings.max_characters,
        )
    keep_aside(reading, aside)
    if reading.aside:
        first = reading.aside[0]
        on_progress(
            f"{len(reading.aside)} rows of the pool cannot be used, first {first.place}: "
            f"{first.reason}; all of them: {aside}",
            0,
            0,
        )
    return reading.pool
