"""A Label Studio that is asked what connecting would run into, without connecting anything."""

from typing import Any

from selection.studio.api import Studio
from selection.studio.transport import LOCAL_ADDRESS, checked

NO_PROJECT = 0  # no database gives this number away
DOORS = {
    "ML_BLOCK_LOCAL_IP": "api/ml/",
    "SSRF_PROTECTION_ENABLED": "api/webhooks/",
}


class Probe(Studio):
    """Studio with the questions of `crux doctor`; see Caller for what every call can raise."""

    def blocking(self, url: str) -> tuple[str, ...]:
        """Names of the switches by which Label Studio keeps itself from calling `url`.

        Each is told by the refusal of a request for no project: a blocked address is refused
        with 403 before the missing project is, with 400, so nothing is ever made.
        """
        return tuple(name for name, path in DOORS.items() if self._blocked(path, url))

    def _blocked(self, path: str, url: str) -> bool:
        http = self._sdk._client_wrapper.httpx_client
        body: dict[str, Any] = {"project": NO_PROJECT, "url": url, "title": "?"}
        answer = self._ask(
            f"the address {url}", lambda: http.request(path, method="POST", json=body)
        )
        if answer.status_code == 400:
            return False
        if answer.status_code == 403 and LOCAL_ADDRESS in answer.text:
            return True
        self._ask(f"the address {url}", lambda: checked(answer))
        raise AssertionError(f"Label Studio made something for project {NO_PROJECT}")
