"""The backend as the choice sees it: probabilities, versions and rounds over HTTP."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import tenacity

from selection.errors import BackendError
from selection.http import SECRET_HEADER, retry_after
from selection.pool_sample import PoolSample
from selection.record import ProjectState
from selection.types import Doubles

PAUSES = (0.5, 2.0, 8.0)  # seconds before a lost connection is tried again: time for a restart
BUSY = 600.0  # seconds for which a backend may answer that it has no room
SOONEST, LATEST = 0.5, 30.0  # bounds of the pause in seconds that a backend without room asks for


@dataclass(frozen=True)
class Scores:
    """version: the model version that answered. probability: (n, k), columns as labels."""

    version: str
    labels: tuple[str, ...]
    probability: Doubles


def _lost(error: BaseException) -> bool:
    """Whether asking again can help; after a time-out it would only make the backend work twice."""
    if isinstance(error, (httpx.TimeoutException, httpx.UnsupportedProtocol)):
        return False
    return isinstance(error, httpx.TransportError)


def _no_room(reply: httpx.Response) -> bool:
    return reply.status_code == 503 and retry_after(reply) is not None


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds that a backend without room asks for, within bounds."""
    asked = retry_after(state.outcome.result()) if state.outcome else None
    return min(max(asked or 0.0, SOONEST), LATEST)


class BackendClient:
    """A running Crux backend. Every failure is a BackendError that says what to do."""

    def __init__(self, url: str, secret: str = "", timeout: float = 300.0) -> None:
        self.url = url.rstrip("/")
        headers = {SECRET_HEADER: secret} if secret else {}
        self._http = httpx.Client(base_url=self.url, timeout=timeout, headers=headers)
        weakref.finalize(self, self._http.close)

    def health(self) -> None:
        """Raise BackendError unless the backend answers."""
        self._ask("GET", "/health")

    def score(self, project: int, texts: Sequence[str], version: str | None = None) -> Scores:
        """Return probabilities of the project's labels, by `version` or the current version."""
        body = {"project": project, "texts": list(texts), "version": version}
        answer = self._ask("POST", "/score", body)
        try:
            matrix = np.array(answer["probabilities"], dtype=np.float64).reshape(len(texts), -1)
            return Scores(str(answer["model_version"]), tuple(answer["labels"]), matrix)
        except (KeyError, ValueError, TypeError):
            raise BackendError(
                f"{self.url} answered /score with something else than probabilities. "
                f"Is this a Crux backend of the same version?"
            ) from None

    def project(self, project: int) -> ProjectState:
        """Return the current version, the versions, the rounds and the state of training."""
        answer = self._ask("GET", f"/projects/{project}")
        try:
            return ProjectState.from_json(answer)
        except (KeyError, ValueError, TypeError) as error:
            raise BackendError(
                f"{self.url} tells project {project} in a form that is not known here ({error}). "
                f"Is this a Crux backend of the same version?"
            ) from None

    def version_names(self, project: int) -> tuple[str, ...]:
        """Return the names of the versions, oldest first, also while Label Studio is away."""
        answer = self._ask("GET", f"/versions?project={project}")
        return tuple(map(str, answer.get("versions", ())))

    def promote(self, project: int, version: str) -> str:
        """Make a version the current one; return the name of the version in force."""
        answer = self._ask("POST", f"/projects/{project}/current", {"version": version})
        return str(answer.get("current", ""))

    def sample(self, project: int, sample: PoolSample) -> None:
        """Give the backend drawn texts of the pool, to fit new versions to the pool's balance."""
        self._ask("POST", f"/projects/{project}/sample", sample.as_json())

    def check(self, project: int) -> None:
        """Ask the worker to look whether the project has a round to train on."""
        self._ask("POST", f"/projects/{project}/check", {})

    def last(self, project: int) -> None:
        """Ask the worker for the loop's last version, which learns from every verdict."""
        self._ask("POST", f"/projects/{project}/check", {"last": True})

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, Any]:
        reply = self._reply(method, path, body)
        try:
            answer = reply.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BackendError(
                f"{self.url}{path} answered {reply.status_code} without JSON. Is this the address "
                f"of the Crux backend? (setting backend_url)"
            )
        if reply.status_code >= 400:
            raise BackendError(
                f"The backend refused {path}: {answer.get('error', reply.status_code)}"
            )
        return answer

    def _reply(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        try:
            return self._send(method, path, body)
        except tenacity.RetryError as error:  # it still has no room: pass on what it says
            last: httpx.Response = error.last_attempt.result()
            return last
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise BackendError(
                f"{self.url!r} is no address of a backend. It looks like "
                f"http://127.0.0.1:9090; correct the setting backend_url."
            ) from None
        except httpx.TimeoutException:
            raise BackendError(
                f"The backend at {self.url} did not answer {path} in time. Look at its log, "
                f"and run the command again: what it has answered is kept."
            ) from None
        except httpx.TransportError as error:
            raise BackendError(
                f"The backend at {self.url} does not answer ({error or type(error)}). "
                f"Start it (make up), or correct the setting backend_url."
            ) from None

    @tenacity.retry(
        retry=tenacity.retry_if_result(_no_room),
        wait=_pause,
        stop=tenacity.stop_after_delay(BUSY),
    )
    @tenacity.retry(
        retry=tenacity.retry_if_exception(_lost),
        wait=tenacity.wait_chain(*map(tenacity.wait_fixed, PAUSES)),
        stop=tenacity.stop_after_attempt(1 + len(PAUSES)),
        reraise=True,
    )
    def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        """Send until the connection holds and there is room: a round is not lost for either."""
        return self._http.request(method, path, json=body)
