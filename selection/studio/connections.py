"""What connects Label Studio with a backend: ML backends, webhooks, and what may block both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selection.errors import StudioRefused
from selection.http import same_address
from selection.studio.task import Json
from selection.studio.transport import LOCAL_ADDRESS, Caller, checked

HOOK_ACTIONS = (
    "ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED",
    "PROJECT_UPDATED",
)  # fmt: skip
NO_PROJECT = 0  # no project ever has this number
BLOCKED_BY = {  # switch -> a route that it guards
    "ML_BLOCK_LOCAL_IP": "api/ml/",
    "SSRF_PROTECTION_ENABLED": "api/webhooks/",
}


@dataclass(frozen=True)
class Webhook:
    """project: None if it fires for the whole organization. headers may hold a secret."""

    id: int
    url: str
    project: int | None
    active: bool
    actions: tuple[str, ...]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class MlBackend:
    """A backend as Label Studio knows it.

    state: 'Connected', 'Disconnected', 'Error', ... error: the reason.
    """

    id: int
    url: str
    title: str
    state: str
    version: str
    error: str


class Connections(Caller):
    """The calls about webhooks and ML backends."""

    def webhooks(self, project_id: int) -> list[Webhook]:
        """Return the project's webhooks."""
        found = self._read(
            f"the webhooks of project {project_id}",
            lambda: self._sdk.webhooks.list(project=str(project_id)),
        )
        return [_read_webhook(hook) for hook in found]

    def create_webhook(self, project_id: int, url: str, headers: Mapping[str, str]) -> int:
        """Send annotations and changes of the project to `url`; return the webhook's id.

        Raises StudioRefused, which names the switches, if Label Studio blocks local addresses.
        """
        actions: Any = HOOK_ACTIONS
        made = self._ask(
            f"the webhook {url}",
            lambda: self._sdk.webhooks.create(
                url=url,
                project=project_id,
                headers=dict(headers),
                actions=actions,
                send_for_all_actions=False,
                send_payload=True,
            ),
        )
        return int(made.id or 0)

    def delete_webhook(self, webhook_id: int) -> None:
        """Delete a webhook. The webhook of a backend outlives the backend."""
        self._ask(f"webhook {webhook_id}", lambda: self._sdk.webhooks.delete(webhook_id))

    def backends(self, project_id: int) -> list[MlBackend]:
        """Return the connected backends; Label Studio asks each for /health and /setup first."""
        found = self._read(
            f"the ML backends of project {project_id}",
            lambda: self._sdk.ml.list(project=project_id),
        )
        return [_read_backend(backend) for backend in found]

    def connect_backend(
        self, project_id: int, url: str, title: str, basic_auth: tuple[str, str] | None = None
    ) -> MlBackend:
        """Connect a backend, or update the one at this address, also if that is written otherwise.

        Raises StudioRefused, which names the switch, if Label Studio blocks local addresses. With
        ML_BLOCK_LOCAL_IP=false alone, Label Studio refuses and yet stays connected, without the
        webhook that it creates for a new backend: the message says so.
        """
        user, password = basic_auth or (None, None)
        body: Json = {"project": project_id, "url": url, "title": title}
        if basic_auth:
            body |= {"auth_method": "BASIC_AUTH"}
            body |= {"basic_auth_user": user, "basic_auth_pass": password}
        there = [b for b in self.backends(project_id) if same_address(b.url, url)]
        known = min(there, key=lambda b: b.url != url, default=None)
        what = f"the ML backend {url}"
        if known:
            return _read_backend(self._ask(what, lambda: self._sdk.ml.update(known.id, **body)))
        try:
            return _read_backend(self._ask(what, lambda: self._sdk.ml.create(**body)))
        except StudioRefused:
            if all(backend.url != url for backend in self.backends(project_id)):
                raise
        raise StudioRefused(
            f"Label Studio at {self.url} connected {what} but blocks its webhook, so predictions "
            "would come and no training would ever start: start Label Studio with "
            "SSRF_PROTECTION_ENABLED=false in its environment, and connect again."
        )

    def disconnect_backend(self, backend_id: int) -> None:
        """Disconnect a backend. Its webhook stays."""
        self._ask(f"ML backend {backend_id}", lambda: self._sdk.ml.delete(backend_id))

    def train_backend(self, backend_id: int) -> None:
        """Do what the Start Training button does."""
        self._ask(f"ML backend {backend_id}", lambda: self._sdk.ml.train(backend_id))

    def blocking(self, url: str) -> tuple[str, ...]:
        """Return the switches that keep Label Studio from calling `url`. Nothing is connected.

        A request for a project that does not exist tells: a blocked address is refused with 403
        before the missing project is refused with 400, so nothing is ever created.
        """
        return tuple(switch for switch, path in BLOCKED_BY.items() if self._blocked(path, url))

    def _blocked(self, path: str, url: str) -> bool:
        what = f"the address {url}"
        body: Json = {"project": NO_PROJECT, "url": url, "title": "?"}
        answer = self._ask(what, lambda: self._post(path, body))
        if answer.status_code == 400:
            return False
        if answer.status_code == 403 and LOCAL_ADDRESS in answer.text:
            return True
        self._ask(what, lambda: checked(answer))
        raise AssertionError(f"Label Studio created something for project {NO_PROJECT}")


def _read_backend(found: Any) -> MlBackend:
    return MlBackend(
        id=found.id,
        url=found.url,
        title=found.title or "",
        state=found.readable_state or "",
        version=found.model_version or "",
        error=found.error_message or "",
    )


def _read_webhook(found: Any) -> Webhook:
    return Webhook(
        id=found.id,
        url=found.url,
        project=found.project,
        active=bool(found.is_active),
        actions=tuple(map(str, found.actions or ())),
        headers=dict(found.headers or {}),
    )
