"""`crux connect`: is everything there that the loop needs, and are the two servers connected?

Each check says what it found or what to do. They build on each other, so the first failure ends
the list. What connecting itself sets is set again at every run: running it twice changes nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from selection.client import SECRET_HEADER, Backend
from selection.config import Settings
from selection.errors import CruxError, ProjectError, SettingError, StudioError
from selection.studio import Project, Studio

TITLE = "Crux"
SWITCHES = "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"


@dataclass(frozen=True)
class Check:
    """One line of the list. message: what was found, or what is wrong and what to do."""

    name: str
    ok: bool
    message: str


def connect(settings: Settings, studio: Studio, backend: Backend) -> Iterator[Check]:
    """Check and connect, one line at a time; ends after the first line that is not ok."""
    found: dict[str, Project] = {}
    steps: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Label Studio", lambda: _studio(settings, studio)),
        ("project", lambda: _project(settings, studio, found)),
        ("policy", lambda: _policy(found["project"])),
        ("backend", lambda: _backend(settings, backend)),
        ("connection", lambda: _connection(settings, studio)),
        ("webhook", lambda: _webhook(settings, studio)),
        ("model", lambda: _model(settings, backend)),
        ("project settings", lambda: _settings(settings, studio, found["project"])),
    )
    for name, step in steps:
        try:
            yield Check(name, True, step())
        except CruxError as error:
            yield Check(name, False, str(error))
            return


def _studio(settings: Settings, studio: Studio) -> str:
    if not settings.studio_token.get_secret_value():
        raise SettingError(
            "No token is set. Copy one from Label Studio (Account & Settings, Access Token) into "
            "CRUX_STUDIO_TOKEN."
        )
    return f"{settings.studio_url} answers; the token is {studio.me().email}'s"


def _project(settings: Settings, studio: Studio, found: dict[str, Project]) -> str:
    if not settings.project:
        raise SettingError("No project is set. Give its number: --project N or CRUX_PROJECT.")
    project = found["project"] = studio.project(settings.project)
    labels = ", ".join(project.schema.labels)
    return f"'{project.title}' asks for {labels} about '{project.schema.text_field}'"


def _policy(project: Project) -> str:
    if not project.policy.strip():
        raise ProjectError(
            f"Project {project.id} has no policy. Write it into the labeling instructions "
            f"(Settings, Annotation, Instructions): experts and model read the same text."
        )
    return f"{len(project.policy.split())} words of labeling instructions, read by both sides"


def _backend(settings: Settings, backend: Backend) -> str:
    backend.health()
    return f"{settings.backend_url} answers"


def _connection(settings: Settings, studio: Studio) -> str:
    """Connect the backend in Label Studio, with the secret as basic auth for what LS sends."""
    secret = settings.webhook_secret.get_secret_value()
    made = studio.connect_backend(
        settings.project, _seen_at(settings), TITLE, ("crux", secret) if secret else None
    )
    if made.error:
        raise StudioError(f"Label Studio cannot use the backend: {made.error}")
    return f"Label Studio reaches the backend ({made.state.lower()})"


def _seen_at(settings: Settings) -> str:
    """Between containers Label Studio knows the backend by another name than this machine."""
    return (settings.backend_seen_at or settings.backend_url).rstrip("/")


def _webhook(settings: Settings, studio: Studio) -> str:
    """Put a webhook with our secret in place of the bare one that Label Studio makes."""
    secret = settings.webhook_secret.get_secret_value()
    headers = {SECRET_HEADER: secret} if secret else {}
    url = f"{_seen_at(settings)}/webhook"
    kept = None
    for hook in studio.webhooks(settings.project):
        if hook.url.rstrip("/") != url or hook.project != settings.project:
            continue
        if kept is None and hook.active and dict(hook.headers) == headers and hook.actions:
            kept = hook.id
        else:
            studio.delete_webhook(hook.id)
    if kept is None:
        studio.create_webhook(settings.project, url, headers)
    there = [h for h in studio.webhooks(settings.project) if h.url.rstrip("/") == url and h.active]
    if not there:
        raise StudioError(
            f"Label Studio made no webhook to {url}: predictions would work and training would "
            f"never start. Start Label Studio with both {SWITCHES}, then run crux connect again."
        )
    return f"events go to {url}" + (" with the secret" if secret else " WITHOUT a secret")


def _model(settings: Settings, backend: Backend) -> str:
    state = backend.project(settings.project)
    return f"{state['current']} is the current version"


def _settings(settings: Settings, studio: Studio, project: Project) -> str:
    """Order of import is order of work; the model's answers are shown; one expert by default."""
    wanted = {
        "sampling": "Sequential sampling",
        "show_instruction": True,
        "show_collab_predictions": True,
    }
    studio.update_project(settings.project, **wanted)
    return "tasks come in our order, with pre-annotations (never on blind tasks)"
