"""Whose a project's webhooks are, and whether the events of Label Studio reach the backend once."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from selection.command.checks import SWITCHES, seen_at
from selection.config import Settings
from selection.errors import StudioError
from selection.http import SECRET_HEADER, same_address
from selection.studio.api import Webhook

NEEDED = "ANNOTATION_CREATED"  # without it nothing tells the worker of a verdict


@dataclass(frozen=True)
class Hooks:
    """A project's webhooks.

    ours: to our address and of use. stale: to our address, but of no use. theirs: of another
    connected backend. left_over: of a backend that is no longer connected. others: of other
    programs.
    """

    ours: tuple[Webhook, ...]
    stale: tuple[Webhook, ...]
    theirs: tuple[Webhook, ...]
    left_over: tuple[Webhook, ...]
    others: tuple[Webhook, ...]


def hook_url(settings: Settings) -> str:
    """Return the address to which Label Studio's events go."""
    return f"{seen_at(settings)}/webhook"


def hook_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of our own webhook, by which the backend recognises Label Studio."""
    secret = settings.webhook_secret.get_secret_value()
    return {SECRET_HEADER: secret} if secret else {}


def sorted_hooks(settings: Settings, hooks: Sequence[Webhook], connected: Sequence[str]) -> Hooks:
    """Tell whose webhooks they are. connected: addresses of the connected backends."""
    backends = [f"{one.rstrip('/')}/webhook" for one in connected]
    found = Hooks((), (), (), (), ())
    sorts: dict[str, list[Webhook]] = {name: [] for name in vars(found)}
    for hook in hooks:
        if _mine(hook, settings):
            kind = "stale" if fault(hook, settings) else "ours"
        elif any(same_address(hook.url, url) for url in backends):
            kind = "theirs"
        elif _of_a_backend(hook):
            kind = "left_over"
        else:
            kind = "others"
        sorts[kind].append(hook)
    return Hooks(**{name: tuple(kind) for name, kind in sorts.items()})


def fault(hook: Webhook, settings: Settings) -> str:
    """Say why a webhook to our address is of no use; "" if it is."""
    if not same_address(hook.url, hook_url(settings)):
        return f"Label Studio reaches the backend at {seen_at(settings)}"
    if urlsplit(hook.url).path.endswith("/"):
        return "there is nothing at this address with a slash at its end"
    if not hook.active:
        return "it is not active"
    if dict(hook.headers) != hook_headers(settings):
        return "its headers are not those with our secret"
    return "" if NEEDED in hook.actions else f"it does not say that it sends {NEEDED}"


def _mine(hook: Webhook, settings: Settings) -> bool:
    """Whether it leads to our backend, however the address is written, or has done so."""
    if hook.project != settings.project:
        return False
    before = f"{settings.backend_url.rstrip('/')}/webhook"  # before backend_seen_at was set
    return same_address(hook.url, hook_url(settings)) or (
        same_address(hook.url, before) and SECRET_HEADER in hook.headers
    )


def _of_a_backend(hook: Webhook) -> bool:
    """Whether Label Studio created it for a backend (without headers), or some Crux did."""
    bare = not hook.headers or SECRET_HEADER in hook.headers
    return bare and urlsplit(hook.url).path.rstrip("/").endswith("/webhook")


def check_webhook(settings: Settings, hooks: Hooks) -> str:
    """Check that events go to the backend, once each, with the secret."""
    url = hook_url(settings)
    useless = ", ".join(f"{one.id} to {one.url} ({fault(one, settings)})" for one in hooks.stale)
    if not hooks.ours and not useless:
        raise StudioError(
            f"No webhook of the project goes to {url}: predictions would work and training would "
            f"never start. Start Label Studio with both {SWITCHES}, then run crux connect."
        )
    if not hooks.ours:
        raise StudioError(
            f"No webhook of the project that goes to {url} is of use: {useless}. Predictions would "
            f"work and training would never start. crux connect replaces them by one."
        )
    if len(hooks.ours) > 1:
        raise StudioError(
            f"{len(hooks.ours)} webhooks bring every event to {url}, and whoever answers a task "
            f"waits for each: {', '.join(str(one.id) for one in hooks.ours)}. crux connect keeps "
            f"one of them."
        )
    if useless:
        raise StudioError(
            f"Whoever answers a task waits also for webhooks that are of no use: {useless}. "
            f"crux connect removes them."
        )
    how = "with the secret" if hooks.ours[0].headers else "WITHOUT a secret"
    return f"events go to {url} {how}"


def check_left_over(hooks: Hooks, project: int) -> str:
    """Check that no click waits for a backend that is gone; name what else gets events."""
    left_over = hooks.left_over
    if left_over:
        named = ", ".join(f"{hook.id} ({hook.url})" for hook in left_over)
        raise StudioError(
            f"Of backends that are no longer connected there are still webhooks: {named}. "
            f"Every click of an expert waits for them. Remove each: crux connect "
            f"--project {project} --remove-webhook {left_over[0].id}"
        )
    found = ["none"]
    for who, theirs in (("connected backends", hooks.theirs), ("other programs", hooks.others)):
        if theirs:
            found.append(f"{who} have {', '.join(hook.url for hook in theirs)}")
    return "; ".join(found)
