"""Requests to a model server: what may be temporary is tried again, the rest is one sentence.

The server's own words are never repeated: they may contain a text.
"""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import tenacity
from pydantic import SecretStr

from selection.errors import ModelError, SettingError
from selection.http import retry_after

log = logging.getLogger(__name__)

_FIRST, _LONGEST = 0.25, 10.0  # seconds between attempts
_CONNECT = 5.0  # seconds


class _Again(Exception):
    """Worth another attempt, after at least `seconds`."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class LlmServer:
    """One server, asked from many threads.

    url: with or without /v1. key: sent as a bearer token, empty for none. deadline: seconds until
    there must be an answer, for all attempts together.

    Raises SettingError for an address or a key that cannot be used.
    """

    def __init__(self, url: str, key: SecretStr, deadline: float) -> None:
        self._deadline = deadline
        self._lock = threading.Lock()
        self._failing = False
        secret = key.get_secret_value()
        if not (secret.isascii() and secret.isprintable()) or " " in secret:
            raise SettingError(
                "CRUX_LLM_KEY holds a blank or a character that no key has. Copy the key again."
            )
        try:
            address = httpx.URL(url.strip().rstrip("/").removesuffix("/v1"))
        except httpx.InvalidURL:
            address = httpx.URL("")
        if address.scheme not in ("http", "https") or not address.host:
            raise SettingError(
                "CRUX_LLM_URL is not the address of a server. One looks like http://127.0.0.1:8000."
            )
        shown = address.copy_with(userinfo=b"", query=None, fragment=None)
        self.shown = str(shown)
        basic = (address.username, address.password) if address.userinfo and not secret else None
        self._http = httpx.Client(
            base_url=shown,  # without the password: httpx logs it
            auth=basic,
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            limits=httpx.Limits(max_connections=None),  # callers limit what is in flight
        )
        weakref.finalize(self, self._http.close)

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        final: Callable[[httpx.Response], bool] = lambda reply: False,
    ) -> httpx.Response:
        """Return the server's answer, after further attempts where the first ones failed.

        final: whether an answer is not tried again though its status is 429 or 5xx.

        Raises ModelError if there is no answer, none but 429 or 5xx, or if the key is refused.
        """
        began = time.monotonic()
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            wait=_pause,
            stop=tenacity.stop_before_delay(self._deadline),
            before_sleep=self._log_failure,
            reraise=True,
        )
        try:
            reply = attempts(self._once, method, path, body, final, began + self._deadline)
        except httpx.TimeoutException:
            # the server is at work on it; asking again would only make it work twice
            raise ModelError(
                f"The model server at {self.shown} did not answer within {self._deadline:g} "
                "seconds. It has too much to do: set fewer CRUX_LLM_REQUESTS, or look at its log."
            ) from None
        except _Again as error:
            raise ModelError(
                f"The model server at {self.shown} did not answer for "
                f"{time.monotonic() - began:.0f} seconds ({error}). Start it or look at its log, "
                "or unset CRUX_LLM_URL to run the model in the backend."
            ) from None
        self._log_recovery()
        if reply.status_code in (401, 403):
            raise ModelError(
                f"The model server at {self.shown} refuses the key ({reply.status_code}). Set "
                "CRUX_LLM_KEY to the key that it was started with."
            )
        return reply

    def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        final: Callable[[httpx.Response], bool],
        until: float,
    ) -> httpx.Response:
        left = max(until - time.monotonic(), 0.1)
        timeout = httpx.Timeout(left, connect=min(left, _CONNECT))
        try:
            reply = self._http.request(method, path, json=body, timeout=timeout)
            if reply.status_code == 200 and path.startswith("/v1/completions"):
                reply.json()
        except httpx.ConnectTimeout:
            raise _Again("no connection") from None
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as error:
            raise _Again(f"{type(error).__name__}: its connection broke or was refused") from None
        except ValueError:
            raise _Again("its answer was cut off") from None
        if (reply.status_code == 429 or reply.status_code >= 500) and not final(reply):
            raise _Again(f"it answers {reply.status_code}", retry_after(reply) or 0.0)
        return reply

    def _log_failure(self, state: tenacity.RetryCallState) -> None:
        with self._lock:
            first, self._failing = not self._failing, True
        if first and state.outcome is not None:
            log.warning(
                "the model server at %s fails (%s); its requests are tried again for %g seconds",
                *(self.shown, state.outcome.exception(), self._deadline),
            )

    def _log_recovery(self) -> None:
        with self._lock:
            was, self._failing = self._failing, False
        if was:
            log.warning("the model server at %s answers again", self.shown)


_backoff = tenacity.wait_random_exponential(multiplier=_FIRST, max=_LONGEST)


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt, at random: callers must not all return at once."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.seconds if isinstance(error, _Again) else 0.0
    return asked + _backoff(state)
