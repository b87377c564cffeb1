"""The backend as the choice sees it: probabilities, versions and rounds over HTTP."""

import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from selection.errors import BackendError
from selection.http import SECRET_HEADER, retry_after
from selection.record import ProjectState
from selection.types import Doubles

BUSY = 600.0  # seconds for which a backend may say that it has no room
SOONEST, LATEST = 0.5, 30.0  # seconds after which it is asked again, whatever it says


@dataclass(frozen=True)
class Scores:
    """version: the model version that answered. probability: (n, k), columns as labels."""

    version: str
    labels: tuple[str, ...]
    probability: Doubles


class Backend:
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
        """Probabilities of the project's labels for texts, by its current version or this one."""
        asked = {"project": project, "texts": list(texts), "version": version}
        body = self._ask("POST", "/score", asked)
        try:
            matrix = np.array(body["probabilities"], dtype=np.float64).reshape(len(texts), -1)
            return Scores(str(body["model_version"]), tuple(body["labels"]), matrix)
        except (KeyError, ValueError, TypeError):
            raise BackendError(
                f"{self.url} answered /score with something else than probabilities. "
                f"Is this a Crux backend of the same version?"
            ) from None

    def project(self, project: int) -> ProjectState:
        """Current version, versions, rounds and the state of training."""
        body = self._ask("GET", f"/projects/{project}")
        try:
            return ProjectState.from_json(body)
        except (KeyError, ValueError, TypeError) as error:
            raise BackendError(
                f"{self.url} tells project {project} in a form that is not known here ({error}). "
                f"Is this a Crux backend of the same version?"
            ) from None

    def promote(self, project: int, version: str) -> str:
        """Make a version the current one; return the name of the version in force."""
        body = self._ask("POST", f"/projects/{project}/current", {"version": version})
        return str(body.get("current", ""))

    def sample(self, project: int, texts: Sequence[str]) -> None:
        """Give the backend random texts of the pool, to fit new versions to the pool's balance."""
        self._ask("POST", f"/projects/{project}/sample", {"texts": list(texts)})

    def check(self, project: int) -> None:
        """Ask the worker to look whether the project has a round to train on."""
        self._ask("POST", f"/projects/{project}/check", {})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        reply = self._let_in(method, path, body)
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

    def _let_in(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        """Come again when a backend that has no room says so: a pool is not given up for that."""
        deadline = time.monotonic() + BUSY
        while True:
            reply = self._send(method, path, body)
            again = retry_after(reply)
            if reply.status_code != 503 or again is None or time.monotonic() > deadline:
                return reply
            time.sleep(min(max(again, SOONEST), LATEST))

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        for wait in (0.5, 2.0, 8.0, None):
            try:
                return self._http.request(method, path, json=body)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol):
                raise BackendError(
                    f"{self.url!r} is no address of a backend. It looks like "
                    f"http://127.0.0.1:9090; correct the setting backend_url."
                ) from None
            except httpx.TimeoutException:
                # it works on it; asking again would only make it work twice
                raise BackendError(
                    f"The backend at {self.url} did not answer {path} in time. Look at its log, "
                    f"and run the command again: what it has answered is kept."
                ) from None
            except httpx.TransportError as error:
                if wait is None:
                    raise BackendError(
                        f"The backend at {self.url} does not answer ({error or type(error)}). "
                        f"Start it (make up), or correct the setting backend_url."
                    ) from None
                time.sleep(wait)  # a restart of the backend takes seconds: do not lose a round
        raise AssertionError("unreachable")
