"""One `crux round` at a time on this machine and project."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from selection.errors import RoundError, SettingError


@contextmanager
def alone(folder: Path, project: int) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process.

    Raises RoundError if another process holds it, SettingError if the folder cannot be written.
    """
    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise RoundError(
            f"Another crux round is at work on project {project}. Wait for it, or end it."
        ) from None
    except OSError as error:
        raise SettingError(
            f"Cannot write to {folder}: {error.strerror or error}. Choose another folder with the "
            f"setting home."
        ) from None
    try:
        yield
    finally:
        lock.release()
