"""What the serving process asks of the worker: to look at a project, and whether it is there."""

from backend.config import BackendSettings
from backend.queue.broker import open_broker
from backend.queue.flags import Flags, FolderFlags, Kind, RedisFlags
from backend.queue.lease import HomeLock, Lease, RedisLease
from selection.errors import BackendError

MOST_WAITING = 1_000  # projects without a folder that may wait; a real one gets a folder soon


class Jobs:
    """The queue of one installation, in the home or in Redis."""

    def __init__(self, settings: BackendSettings) -> None:
        """Connect to nothing yet.

        Raises BackendError for a home that cannot be written, SettingError for a queue URL that
        is none.
        """
        broker = open_broker(settings.queue_url)
        self.flags: Flags = (
            RedisFlags(broker) if broker else FolderFlags(settings.home / "queue")
        )
        self.lease: Lease = RedisLease(broker) if broker else HomeLock(settings.home)
        self._projects = settings.home / "projects"

    def look(self, project: int, forced: bool = False, last: bool = False) -> None:
        """Ask the worker to look at the project. Takes milliseconds.

        forced: train on the verdicts that are there (Start Training). last: make the loop's last
        version. Raises BackendError if the queue cannot be written, or if too many unknown projects
        wait.
        """
        kind: Kind = "last" if last else "train" if forced else "look"
        known = (self._projects / str(int(project))).is_dir()
        if not known and not self.flags.has(project, kind) and self.waiting() >= MOST_WAITING:
            raise BackendError(
                f"{MOST_WAITING} projects wait for the worker already, and project {project} is "
                f"not known here. Is the worker running (python -m backend.worker)?"
            )
        self.flags.set(project, kind)

    def waiting(self) -> int:
        """Return how many projects wait for the worker. Raises BackendError."""
        return len(set().union(*self.flags.raised().values()))

    def alive(self) -> bool:
        """Return whether a worker is at work on this queue. Raises BackendError."""
        return self.lease.held()
