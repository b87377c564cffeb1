"""`crux connect`: check everything that the loop needs, and connect the two servers.

The checks build on each other, so the first failure ends the list. What connecting sets is set
again at every run: running it twice changes nothing.
"""

from collections.abc import Callable, Iterator

from selection.backend_client import BackendClient
from selection.command import checks
from selection.command.checks import TITLE, Check, Get
from selection.command.hooks import check_webhook, hook_headers, hook_url, sorted_hooks
from selection.command.project_settings import RULES, set_settings
from selection.config import Settings
from selection.errors import CruxError, SettingError, StudioError, StudioLacks
from selection.http import get, same_address
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
        ("connection", lambda: _connection(settings, studio, found["project"])),
        ("webhook", lambda: _webhook(settings, studio)),
        ("model", lambda: checks.version(backend.project(settings.project))),
        ("project settings", lambda: set_settings(found["project"], studio)),
        ("labelling", lambda: f"tell the annotators: {RULES} (docs/labelling.md says why)"),
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
        raise StudioError(f"Project {settings.project} has no webhook {number}; it has {numbers}.")
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


def _connection(settings: Settings, studio: Studio, project: Project) -> str:
    """Connect the backend in Label Studio, which sends the secret as the password of basic auth.

    Where it was connected already under other ways of writing its address, one entry stays.
    """
    url, secret = checks.seen_at(settings), settings.webhook_secret.get_secret_value()
    made = studio.connect_backend(project.id, url, TITLE, ("crux", secret) if secret else None)
    found = checks.usable(made)
    twice = [
        one
        for one in studio.backends(project.id)
        if one.id != made.id and same_address(one.url, url)
    ]
    for one in twice:
        studio.disconnect_backend(one.id)
    if twice and project.model_version == TITLE:
        # Label Studio empties it when a backend of this title is disconnected
        studio.set_model_version(project.id, TITLE)
    return found


def _webhook(settings: Settings, studio: Studio) -> str:
    """Replace the webhook of Label Studio, which has no headers, by one with our secret."""
    url = hook_url(settings)
    hooks = sorted_hooks(settings, studio.webhooks(settings.project), ())
    exact = [hook for hook in hooks.ours if hook.url == url][:1]
    for hook in (*hooks.ours, *hooks.stale):
        if hook not in exact:
            studio.delete_webhook(hook.id)
    if not exact:
        studio.create_webhook(settings.project, url, hook_headers(settings))
    hooks = sorted_hooks(settings, studio.webhooks(settings.project), ())
    return check_webhook(settings, hooks)
