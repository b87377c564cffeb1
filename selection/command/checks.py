"""The checks that `crux connect` and `crux doctor` share.

Each returns what it found in a sentence, or raises a CruxError that says what to do. None changes
anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from selection.backend_client import BackendClient
from selection.config import Settings
from selection.errors import BackendError, ProjectError, SettingError, StudioError
from selection.http import SECRET_HEADER, Reply
from selection.record import ProjectState
from selection.studio.api import MlBackend, Project, Studio, Webhook
from selection.studio.transport import token_page

TITLE = "Crux"
SWITCHES = "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"
# Tasks are served in order of import; the model's answers are shown.
WANTED = {
    "sampling": "Sequential sampling",
    "show_instruction": True,
    "show_collab_predictions": True,
}
LOOPBACK = {"localhost", "127.0.0.1", "::1"}

Get = Callable[[str, str], Reply]


@dataclass(frozen=True)
class Check:
    """One line of the list. message: what was found, or what is wrong and what to do.

    ok: None if it could not be checked, since something that it needs is not ok.
    """

    name: str
    ok: bool | None
    message: str


@dataclass(frozen=True)
class Hooks:
    """A project's webhooks.

    ours: to our address, active, with the secret. stale: to our address, but not so. left_over: of
    a backend that is no longer connected. others: of other programs.
    """

    ours: tuple[Webhook, ...]
    stale: tuple[Webhook, ...]
    left_over: tuple[Webhook, ...]
    others: tuple[Webhook, ...]


def seen_at(settings: Settings) -> str:
    """Return the backend's address as Label Studio knows it: between containers it is another."""
    return (settings.backend_seen_at or settings.backend_url).rstrip("/")


def hook_url(settings: Settings) -> str:
    """Return the address to which Label Studio's events go."""
    return f"{seen_at(settings)}/webhook"


def hook_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of our own webhook, by which the backend recognises Label Studio."""
    secret = settings.webhook_secret.get_secret_value()
    return {SECRET_HEADER: secret} if secret else {}


def token(settings: Settings, studio: Studio) -> str:
    """Check that Label Studio answers and accepts the token."""
    return f"{settings.studio_url} answers; the token is {studio.me().email}'s"


def require_token(settings: Settings) -> None:
    """Raise SettingError if no token is set."""
    if not settings.studio_token.get_secret_value():
        raise SettingError(
            "No token is set. Run crux in the folder of your crux.toml, or copy a token from "
            f"{token_page(settings.studio_url)}, into CRUX_STUDIO_TOKEN."
        )


def chosen_project(settings: Settings) -> int:
    """Return the project's number. Raises SettingError if none is set."""
    if not settings.project:
        raise SettingError("No project is set. Give its number: --project N or CRUX_PROJECT.")
    return settings.project


def label_config(project: Project) -> str:
    """Say what the project asks for: its label config fits, or it could not have been read."""
    labels = ", ".join(project.schema.labels)
    return f"'{project.title}' asks for {labels} about '{project.schema.text_field}'"


def policy(project: Project) -> str:
    """Check that there is a policy for experts and model to read."""
    if not project.policy.strip():
        raise ProjectError(
            f"Project {project.id} has no policy. Write it into the labeling instructions "
            f"(Settings, Annotation, Instructions): experts and model read the same text."
        )
    return f"{len(project.policy.split())} words of labeling instructions, read by both sides"


def backend_up(settings: Settings, backend: BackendClient) -> str:
    """Check that the backend answers."""
    backend.health()
    return f"{settings.backend_url} answers"


def secret(settings: Settings, get: Get) -> str:
    """Check that the backend accepts our secret, and refuses callers without it."""
    guarded = f"{settings.backend_url.rstrip('/')}/versions?project={settings.project}"
    ours = settings.webhook_secret.get_secret_value()
    if get(guarded, ours).status == 401:
        raise BackendError(
            "The backend has another secret than CRUX_WEBHOOK_SECRET here: give both the same one."
            if ours
            else "The backend wants a secret, and none is set here. Set CRUX_WEBHOOK_SECRET to the "
            "one that the backend was started with."
        )
    if ours and get(guarded, "").status != 401:
        raise BackendError(
            "The backend lets in callers without the secret. Start it with the CRUX_WEBHOOK_SECRET "
            "that is set here, or everybody who reaches its port can train and promote."
        )
    if not ours and urlsplit(guarded).hostname not in LOOPBACK:
        raise BackendError(
            "The backend has no secret, so everybody who reaches its port is let in. Start it with "
            "a CRUX_WEBHOOK_SECRET, and set the same one here."
        )
    return "the backend lets in those with our secret alone" if ours else "there is NO secret"


def version(state: ProjectState) -> str:
    """Say which version is current: the backend can read the project."""
    return f"{state.current} is the current version"


def usable(backend: MlBackend) -> str:
    """Check that Label Studio reaches the backend and that the backend accepts it."""
    if backend.error or backend.state != "Connected":
        raise StudioError(
            f"Label Studio cannot use the backend: {backend.error or backend.state.lower()}"
        )
    return "Label Studio reaches the backend (connected)"


def sorted_hooks(settings: Settings, hooks: Sequence[Webhook], connected: Sequence[str]) -> Hooks:
    """Tell whose webhooks they are. connected: addresses of the connected backends."""
    url, headers = hook_url(settings), hook_headers(settings)
    backends = {f"{one.rstrip('/')}/webhook" for one in connected}
    ours, stale, left_over, others = [], [], [], []
    for hook in hooks:
        mine = hook.url.rstrip("/") == url and hook.project == settings.project
        if mine and hook.active and dict(hook.headers) == headers and hook.actions:
            ours.append(hook)
        elif mine:
            stale.append(hook)
        elif _of_a_backend(hook) and hook.url.rstrip("/") not in backends:
            left_over.append(hook)
        else:
            others.append(hook)
    return Hooks(tuple(ours), tuple(stale), tuple(left_over), tuple(others))


def _of_a_backend(hook: Webhook) -> bool:
    """Whether Label Studio created it for a backend (without headers), or some Crux did."""
    bare = not hook.headers or SECRET_HEADER in hook.headers
    return bare and urlsplit(hook.url).path.rstrip("/").endswith("/webhook")


def webhook(settings: Settings, hooks: Hooks) -> str:
    """Check that events go to the backend, once each, with the secret."""
    url = hook_url(settings)
    if not hooks.ours:
        why = "none that is active and carries the secret" if hooks.stale else "none"
        raise StudioError(
            f"Of the project's webhooks {why} goes to {url}: predictions would work and training "
            f"would never start. Start Label Studio with both {SWITCHES}, then run crux connect."
        )
    if len(hooks.ours) + len(hooks.stale) > 1:
        raise StudioError(
            f"{len(hooks.ours) + len(hooks.stale)} webhooks go to {url}, so every event comes as "
            f"often. crux connect keeps one of them."
        )
    how = "with the secret" if hooks.ours[0].headers else "WITHOUT a secret"
    return f"events go to {url} {how}"
