"""`crux doctor`: check everything that the loop needs, and change nothing.

Unlike connecting it goes on after a failure: only what cannot be checked without the thing that
failed is left out, and says so.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from selection.backend_client import BackendClient
from selection.command import checks
from selection.command.checks import TITLE, Check, Get
from selection.command.hooks import Hooks, check_left_over, check_webhook, hook_url, sorted_hooks
from selection.command.project_settings import check_settings
from selection.config import Settings
from selection.errors import (
    BackendError,
    CruxError,
    SettingError,
    StudioError,
    VersionError,
)
from selection.http import get, same_address
from selection.preannotation import earned
from selection.record import ProjectState
from selection.studio.api import MlBackend, Project, Studio, Task

SKEW = 60.0  # seconds between two clocks; a personal token of Label Studio lives for minutes
ROOM = 1 << 30  # bytes; the vectors of 700,000 texts

Step = tuple[str, tuple[str, ...], Callable[[], str]]


class Doctor:
    """Checks one thing after another. What several checks need is read once."""

    def __init__(
        self,
        settings: Settings,
        studio: Callable[[], Studio],
        backend: Callable[[], BackendClient],
        get: Get = get,
    ) -> None:
        """studio, backend: create the clients, or raise CruxError for a wrong setting."""
        self.settings = settings
        self._make_studio, self._make_backend = studio, backend
        self._get = get

    def look(self) -> Iterator[Check]:
        """Run every check in turn, but none whose needs are not ok."""
        cause: dict[str, str] = {}  # check that is not ok -> the first one that it depends on
        for name, needs, step in self._steps():
            root = next((cause[one] for one in needs if one in cause), None)
            if root is not None:
                check = Check(name, None, f"not looked at, since '{root}' is not ok")
            else:
                try:
                    check = Check(name, True, step())
                except CruxError as error:
                    check = Check(name, False, str(error))
            if not check.ok:
                cause[name] = root or name
            yield check

    def _steps(self) -> tuple[Step, ...]:
        settings = self.settings
        return (
            ("Label Studio", (), self._token),
            ("project", ("Label Studio",), lambda: checks.label_config(self._project)),
            ("policy", ("project",), lambda: checks.policy(self._project)),
            ("project settings", ("project",), lambda: check_settings(self._project)),
            ("people", ("Label Studio",), lambda: checks.people(settings, self._studio)),
            ("backend", (), lambda: checks.backend_up(settings, self._backend)),
            ("secret", ("backend",), lambda: checks.secret(settings, self._get)),
            ("connection", ("project", "backend"), self._connection),
            ("other backends", ("connection",), self._other_backends),
            ("webhook", ("project",), lambda: check_webhook(settings, self._hooks)),
            ("left-over webhooks", ("project",), self._left_over),
            ("switches", ("Label Studio",), self._switches),
            ("model", ("project", "secret"), lambda: checks.version(self._state)),
            ("model's policy", ("model",), self._policy_of_model),
            ("predictions", ("model",), self._predictions),
            ("worker", ("model",), self._worker),
            ("training", ("model",), self._training),
            ("clocks", ("Label Studio", "backend"), self._clocks),
            ("disk", (), self._disk),
        )

    # what several checks read

    @cached_property
    def _studio(self) -> Studio:
        return self._make_studio()

    @cached_property
    def _backend(self) -> BackendClient:
        return self._make_backend()

    @cached_property
    def _project(self) -> Project:
        return self._studio.project(checks.chosen_project(self.settings))

    @cached_property
    def _tasks(self) -> Sequence[Task]:
        return self._studio.tasks(self.settings.project, self._project.schema)

    @cached_property
    def _connected(self) -> Sequence[MlBackend]:
        return self._studio.backends(self.settings.project)

    @cached_property
    def _ours(self) -> Sequence[MlBackend]:
        url = checks.seen_at(self.settings)
        return [one for one in self._connected if same_address(one.url, url)]

    @cached_property
    def _hooks(self) -> Hooks:
        hooks = self._studio.webhooks(self.settings.project)
        return sorted_hooks(self.settings, hooks, [one.url for one in self._connected])

    @cached_property
    def _state(self) -> ProjectState:
        return self._backend.project(self.settings.project)

    # Label Studio

    def _token(self) -> str:
        checks.require_token(self.settings)
        return checks.token(self.settings, self._studio)

    def _connection(self) -> str:
        if not self._ours:
            raise StudioError(
                f"No backend at {checks.seen_at(self.settings)} is connected in Label Studio. Run "
                f"crux connect."
            )
        found = checks.usable(self._ours[0])
        if len(self._ours) > 1:
            urls = " and ".join(one.url for one in self._ours)
            raise StudioError(
                f"The backend is connected {len(self._ours)} times, as {urls}, so Label Studio "
                f"asks it as often. crux connect keeps one of them."
            )
        return found

    def _other_backends(self) -> str:
        return checks.other_backends(self._ours, self._connected)

    def _switches(self) -> str:
        url = hook_url(self.settings)
        blocking = self._studio.blocking(url)
        if blocking:
            raise StudioError(
                f"Label Studio does not call {url}: {' and '.join(blocking)} must be false. Start "
                f"Label Studio with both {checks.SWITCHES}, then run crux connect."
            )
        return f"Label Studio may call {url}"

    # the model

    def _left_over(self) -> str:
        return check_left_over(self._hooks, self.settings.project)

    def _policy_of_model(self) -> str:
        def pushed() -> str:
            """Return the hash of the policy under which the newest round was pushed."""
            cards = [task.crux for task in self._tasks if task.crux is not None]
            newest = max(cards, key=lambda card: int(card.get("round", -1)), default={})
            return str(newest.get("policy", ""))

        return checks.made_under(self._project, self._state, pushed)

    def _predictions(self) -> str:
        """Check that tasks which wait for an expert show the answers of the current version."""
        shown, current = self._project.model_version, self._state.current
        if shown == current:
            return f"experts see the answers of {current}, but none on blind tasks"
        if shown == TITLE:
            return "experts see what the backend answers when a task is opened"
        waiting = [task for task in self._tasks if task.open]
        versions = [
            {one.version for one in task.predictions} for task in waiting if not task.blind
        ]
        if not shown and any(current in those for those in versions):
            raise VersionError(
                f"Tasks wait with answers of {current}, and experts see none, since no model "
                f"version is chosen. Choose it in Label Studio (Settings, Annotation, Prelabeling)."
            )
        old = [those for those in versions if shown in those]
        if old and all(current in those for those in old):
            raise VersionError(
                f"{current} is in force, and {_waits(old)} with answers of {shown} shown, although "
                f"its own are there. Choose {current} in Label Studio (Settings, Annotation, "
                f"Prelabeling)."
            )
        if old:
            raise VersionError(
                f"{current} is in force, and {_waits(old)} with answers of {shown}. A "
                f"worker that runs brings the new ones within a minute; if it does not, run "
                f"crux models promote {current} --project {self.settings.project}"
            )
        if not waiting:
            seen = earned(self._state, self.settings.preannotate_above)
            return "no task waits for an expert; the next round comes " + (
                f"with answers of {current}" if seen else f"blind: {current} has not earned trust"
            )
        return (
            f"{_waits(waiting)} for experts ({len(waiting) - len(versions)} blind), without an "
            f"answer of a model"
        )

    def _worker(self) -> str:
        alive = self._state.worker
        if alive is None:
            raise BackendError(
                "The backend does not say whether a worker runs. Is it of the same version?"
            )
        if not alive:
            raise BackendError(
                "No worker runs, so nothing is trained. Start it with python -m backend.worker and "
                "the backend's environment (docker compose up --detach worker)."
            )
        return "a worker runs"

    def _training(self) -> str:
        training = self._state.training
        if training.state == "failed":
            raise BackendError(f"The last training failed: {training.message}")
        if training.state == "waiting":
            raise BackendError(f"The worker waits: {training.message}")
        if training.state == "idle":
            return "nothing is under way, nothing has failed"
        return f"{training.state}: {training.message}"

    # the machines

    def _clocks(self) -> str:
        replies = {
            "Label Studio": self._get(f"{self.settings.studio_url.rstrip('/')}/health", ""),
            "the backend": self._get(f"{self.settings.backend_url.rstrip('/')}/health", ""),
        }
        ahead = {name: reply.ahead for name, reply in replies.items() if reply.ahead is not None}
        wrong = [f"{name}'s by {one:+.0f} s" for name, one in ahead.items() if abs(one) > SKEW]
        if wrong:
            raise SettingError(
                f"The clocks differ from this machine's: {', '.join(wrong)}. Personal access "
                f"tokens are then refused. Let each machine set its clock by NTP."
            )
        if not ahead:
            return "neither server tells the time, so it was not compared"
        named = " and ".join(ahead)
        return f"{named}: within {SKEW:.0f} s of this machine's"

    def _disk(self) -> str:
        home = self.settings.home.absolute()
        existing = next(folder for folder in (home, *home.parents) if folder.is_dir())
        free = shutil.disk_usage(existing).free
        if free < ROOM:
            raise SettingError(
                f"The disk of {home} has {free / ROOM:.2f} GiB left. Free some space, or choose "
                f"another folder with CRUX_HOME."
            )
        return f"{free / ROOM:.0f} GiB are free at {home}"


def _waits(which: Sequence[object]) -> str:
    return "1 task waits" if len(which) == 1 else f"{len(which)} tasks wait"
