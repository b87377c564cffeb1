"""`crux connect`: check everything that the loop needs, and connect the two servers.

The checks build on each other, so the first failure ends the list. What connecting sets is set
again at every run: running it twice changes nothing.
"""

from collections.abc import Callable, Iterator

from selection.backend_client import BackendClient
from selection.command import checks
from selection.command.checks import TITLE, WANTED, Check, Get
from selection.config import Settings
from selection.errors import CruxError, SettingError, StudioError, StudioLacks
from selection.http import get
from selection.studio.api import Project, Studio


def connect(
    settings: Settings, studio: Studio, backend: BackendClient, get: Get = get
) -> Iterator[Check]:
    """Check and connect, one line at a time, until a line is not ok."""
    found: dict[str, Project] = {}
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Label Studio", lambda: _studio(settings, studio)),
        ("project", lambda: _project(settings, studio, found)),
        ("policy", lambda: checks.policy(found["project"])),
        ("backend", lambda: checks.backend_up(settings, backend)),
        ("secret", lambda: checks.secret(settings, get)),
        ("connection", lambda: _connection(settings, studio)),
        ("webhook", lambda: _webhook(settings, studio)),
        ("model", lambda: checks.version(backend.project(settings.project))),
        ("project settings", lambda: _settings(settings, studio)),
    )
    for name, step in steps:
        try:
            yield Check(name, True, step())
        except CruxError as error:
            yield Check(name, False, str(error))
            return


def remove_webhook(settings: Settings, studio: Studio, number: int) -> str:
    """Delete the project's webhook of this number. Raises StudioError if there is none."""
    known = {hook.id: hook.url for hook in studio.webhooks(checks.chosen_project(settings))}
    if number not in known:
        numbers = ", ".join(map(str, sorted(known))) or "none at all"
        raise StudioError(
            f"Project {settings.project} has no webhook {number}; it has {numbers}."
        )
    studio.delete_webhook(number)
    return f"Webhook {number} to {known[number]} is removed."


def _studio(settings: Settings, studio: Studio) -> str:
    checks.require_token(settings)
    return checks.token(settings, studio)


def _project(settings: Settings, studio: Studio, found: dict[str, Project]) -> str:
    if not settings.project:
        raise SettingError(f"No project is set. {_choice(settings, studio)}")
    try:
        found["project"] = studio.project(settings.project)
    except StudioLacks as error:
        raise StudioLacks(f"{error.args[0].rstrip('.')}. {_choice(settings, studio)}") from None
    return checks.label_config(found["project"])


def _choice(settings: Settings, studio: Studio) -> str:
    """Name the projects that there are, by the numbers with which to choose one."""
    titles = studio.projects()
    if not titles:
        return (
            f"Label Studio has none yet: make one at {settings.studio_url}/projects, then give the "
            "number in its address: --project N."
        )
    listed = ", ".join(f"{number} '{title}'" for number, title in titles.items())
    return f"Label Studio has {listed}. Give one: --project N."


def _connection(settings: Settings, studio: Studio) -> str:
    """Connect the backend in Label Studio, which sends the secret as the password of basic auth."""
    secret = settings.webhook_secret.get_secret_value()
    made = studio.connect_backend(
        settings.project, checks.seen_at(settings), TITLE, ("crux", secret) if secret else None
    )
    return checks.usable(made)


def _webhook(settings: Settings, studio: Studio) -> str:
    """Replace the webhook of Label Studio, which has no headers, by one with our secret."""
    hooks = checks.sorted_hooks(settings, studio.webhooks(settings.project), ())
    for hook in (*hooks.ours[1:], *hooks.stale):
        studio.delete_webhook(hook.id)
    if not hooks.ours:
        studio.create_webhook(
            settings.project, checks.hook_url(settings), checks.hook_headers(settings)
        )
    hooks = checks.sorted_hooks(settings, studio.webhooks(settings.project), ())
    return checks.webhook(settings, hooks)


def _settings(settings: Settings, studio: Studio) -> str:
    studio.update_project(settings.project, **WANTED)
    return "tasks come in our order, with pre-annotations (never on blind tasks)"
