"""The checks that `crux connect` and `crux doctor` share.

Each returns what it found in a sentence, or raises a CruxError that says what to do. None changes
anything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from selection.backend_client import BackendClient
from selection.config import Settings
from selection.errors import (
    BackendError,
    ProjectError,
    SettingError,
    StudioError,
    VersionError,
)
from selection.http import LOOPBACK, Reply
from selection.policy import CHOICES, policy_hash
from selection.record import ProjectState
from selection.studio.api import MlBackend, Project, Studio
from selection.studio.transport import token_page

TITLE = "Crux"
SHOWN = 5  # people named in a sentence
SWITCHES = "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false"

Get = Callable[[str, str], Reply]


@dataclass(frozen=True)
class Check:
    """One line of the list. message: what was found, or what is wrong and what to do.

    ok: None if it could not be checked, since something that it needs is not ok.
    """

    name: str
    ok: bool | None
    message: str


def seen_at(settings: Settings) -> str:
    """Return the backend's address as Label Studio knows it: between containers it is another."""
    return (settings.backend_seen_at or settings.backend_url).rstrip("/")


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
            f"(Settings, Annotation, Labeling Instructions): experts and model read the same text."
        )
    named = policy_hash(project.policy, project.schema.labels)
    return f"{len(project.policy.split())} words of labeling instructions (policy {named})"


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


def made_under(project: Project, state: ProjectState, pushed: Callable[[], str]) -> str:
    """Check that the version in force was made under the project's present words and labels.

    pushed: returns the policy of the newest round; asked only where the two differ.
    """
    made = next((one for one in state.versions if one.version == state.current), None)
    if made is None:
        raise VersionError(
            f"The backend does not list {state.current}, which is in force. Is it of the same "
            f"version as crux?"
        )
    labels = project.schema.labels
    differ = []
    if made.policy.strip() != project.policy.strip():
        differ.append("the words of the labeling instructions")
    if made.labels != labels:
        differ.append(f"the labels ({', '.join(made.labels)} then, {', '.join(labels)} now)")
    if differ:
        then, now = policy_hash(made.policy, made.labels), policy_hash(project.policy, labels)
        if pushed() == now:
            return (
                f"{made.version} was made under policy {then}; the newest round asks under the "
                f"present one, {now}, and the next version will be made under it"
            )
        raise VersionError(
            f"{made.version} was made under policy {then}, and the project has {now} now. What "
            f"differs: {' and '.join(differ)}. {CHOICES}"
        )
    return f"{made.version} was made under the project's present words and labels"


def usable(backend: MlBackend) -> str:
    """Check that Label Studio reaches the backend and that the backend accepts it."""
    if backend.state == "Disconnected":
        raise StudioError(
            f"Label Studio cannot use the backend: {backend.url}/health does not answer it within "
            f"a second (disconnected). The address must lead to the backend from where Label "
            f"Studio runs: setting backend_seen_at."
        )
    if backend.error or backend.state != "Connected":
        raise StudioError(
            f"Label Studio cannot use the backend: {backend.error or backend.state.lower()}"
        )
    return "Label Studio reaches the backend (connected)"


def other_backends(ours: Sequence[MlBackend], connected: Sequence[MlBackend]) -> str:
    """Check that no other backend takes the place of ours or makes people wait; name each.

    Label Studio asks the first of its list for predictions, and whenever somebody opens the
    project it asks every one whether it is there: three times, a second each, if nothing answers.
    """
    others = [one for one in connected if one not in ours]
    named = ", ".join(f"{one.url} ({_state(one)})" for one in others)
    delete = "Delete it in Label Studio (Settings, Model, the menu of its card)"
    if others and connected[0] == others[0]:
        raise StudioError(
            f"Also connected: {named}. Label Studio asks only the first of its backends for "
            f"predictions, which is {others[0].url}, so its answers would come in place of ours, "
            f"even on blind tasks. {delete}."
        )
    if any(one.state == "Disconnected" for one in others):
        raise StudioError(
            f"Also connected: {named}. Whoever opens the project may wait 3 s for a backend that "
            f"does not answer, and whoever answers a task 1 s. {delete}, then run crux doctor "
            f"again: its webhook stays."
        )
    return f"also connected: {named}" if named else "none"


def _state(backend: MlBackend) -> str:
    """Label Studio keeps the error of an earlier time when a backend does not answer at all."""
    if backend.state == "Disconnected":
        return "disconnected: nothing answers"
    return f"{backend.state.lower()}{f': {backend.error}' if backend.error else ''}"


def people(settings: Settings, studio: Studio) -> str:
    """Check that there are as many people as a blind text needs."""
    emails = sorted(studio.people().values())
    if len(emails) < settings.experts:
        raise StudioError(
            f"Every blind text asks {settings.experts} people (setting experts), and Label Studio "
            f"has only {len(emails)}: {', '.join(emails)}. Invite another (page Organization, "
            f"button Add Members, Copy link), or set experts = 1 and live without the experts' "
            f"kappa."
        )
    some = f"{', '.join(emails[:SHOWN])}{', ...' if len(emails) > SHOWN else ''}"
    return f"{len(emails)} can label ({some}), and a blind text asks {settings.experts}"
