"""How the Label Studio SDK is called: with one token, its exceptions translated into ours.

The SDK repeats failed requests by itself, even writes. That is switched off, since a write that
timed out may have happened: only reads are repeated, here.
"""

import json
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import tenacity
from label_studio_sdk import LabelStudio
from label_studio_sdk.core.api_error import ApiError
from label_studio_sdk.core.parse_error import ParsingError

from selection.errors import SettingError, StudioDown, StudioError, StudioLacks, StudioRefused
from selection.studio.instruction import plain_text
from selection.studio.task import Json

T = TypeVar("T")
PAUSES = (0.2, 1.0)  # seconds before a read is repeated
IMPORT_CHUNK = 1000  # tasks or predictions in one request
LOCAL_ADDRESS = "reserved network address"  # what Label Studio says of an address that it blocks


class Caller:
    """A Label Studio server, called with one user's token, a legacy or a personal access one.

    Every call raises StudioDown (no answer in `timeout` seconds, half of one, 429 or 5xx; reads
    are tried three times), StudioRefused (401, 403), StudioLacks (404) or StudioError (anything
    else). No message and no repr holds the token.
    """

    def __init__(self, url: str, token: str, timeout: float = 30.0) -> None:
        """Raise SettingError for a URL or a token that cannot be one. Nothing is requested yet."""
        self.url = url.strip().rstrip("/")
        token = token.strip()
        if not self.url.startswith(("http://", "https://")):
            raise SettingError(f"Label Studio's URL {url!r} must start with http:// or https://.")
        if not token or not token.isascii() or any(character.isspace() for character in token):
            raise SettingError(
                "The Label Studio token (CRUX_STUDIO_TOKEN) is empty, or has blanks or other signs "
                f"that no token has; copy it again from {token_page(self.url)}."
            )
        client = httpx.Client(timeout=timeout, follow_redirects=True)
        weakref.finalize(self, client.close)
        # The trailing slash keeps a path prefix alive when the SDK refreshes a personal token.
        self._sdk: LabelStudio = self._ask(
            "the token",
            lambda: LabelStudio(  # type: ignore[no-untyped-call]
                base_url=self.url + "/",
                api_key=token,
                timeout=timeout,
                max_retries=0,
                httpx_client=client,
            ),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def _action(self, name: str, project_id: int, body: Json) -> Json:
        """Run a Data Manager action. The SDK's own actions.create throws the answer away."""
        what = f"project {project_id}"
        target: Json = {"id": name, "project": project_id}
        answer: Any = self._ask(
            what, lambda: checked(self._post("api/dm/actions/", body, target)).json()
        )
        if not isinstance(answer, dict):
            raise self._no_json(what, answer)
        return answer

    def _post(self, path: str, body: Json, params: Json | None = None) -> httpx.Response:
        """Send what the SDK has no call for, with its token."""
        http = self._sdk._client_wrapper.httpx_client
        return http.request(path, method="POST", params=params, json=body)

    def _read(self, what: str, call: Callable[[], T]) -> T:
        """Ask up to three times while the server is down: reading changes nothing."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(StudioDown),
            wait=tenacity.wait_chain(*map(tenacity.wait_fixed, PAUSES)),
            stop=tenacity.stop_after_attempt(1 + len(PAUSES)),
            reraise=True,
        )
        answer: T = attempts(self._ask, what, call)
        return answer

    def _ask(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except httpx.TimeoutException as error:
            raise StudioDown(
                f"Label Studio at {self.url} did not answer in time about {what}."
            ) from error
        except httpx.HTTPError as error:
            raise StudioDown(
                f"Label Studio at {self.url} cannot be reached ({type(error).__name__}); "
                "check the URL and that it runs."
            ) from error
        except json.JSONDecodeError as error:
            raise self._no_json(what, error.doc) from error
        except UnicodeDecodeError as error:
            raise self._no_json(what, None) from error
        except (ApiError, ParsingError) as error:
            # Its text holds the answer's headers, a session cookie among them: not for logs.
            raise self._translated(what, error) from None

    def _translated(self, what: str, error: ApiError | ParsingError) -> StudioError:
        status, detail = error.status_code or 0, _detail(error.body)
        if status >= 500 or status == 429:
            return StudioDown(f"Label Studio at {self.url} answered {status} about {what}.")
        if status == 401:
            return StudioRefused(
                f"Label Studio at {self.url} refuses the token ({detail}); copy it again, or make "
                f"a new one, at {token_page(self.url)}."
            )
        if status == 403 and LOCAL_ADDRESS in detail:
            return StudioRefused(
                f"Label Studio at {self.url} blocks {what}: that address is in a local network. "
                "Start Label Studio with both ML_BLOCK_LOCAL_IP=false and "
                "SSRF_PROTECTION_ENABLED=false in its environment."
            )
        if status == 403:
            return StudioRefused(f"Label Studio at {self.url} does not allow {what}: {detail}")
        if status == 404 and isinstance(error.body, dict):
            return StudioLacks(f"Label Studio at {self.url} does not have {what}: {detail}")
        if status < 300 or status == 404:
            return self._no_json(what, error.body)
        return StudioError(f"Label Studio at {self.url} answered {status} about {what}: {detail}")

    def _no_json(self, what: str, body: Any) -> StudioError:
        """Tell half of a JSON document (the server was cut off) from the page of another server."""
        if isinstance(body, str) and body.lstrip().startswith(("{", "[")):
            return StudioDown(f"Label Studio at {self.url} was cut off in its answer about {what}.")
        return StudioError(f"{self.url} does not answer like Label Studio; check the URL.")


def token_page(url: str) -> str:
    """Say where a person finds a token. The two pages below it have no addresses of their own.

    Label Studio shows a page only if the organization allows its kind of token.
    """
    return f"{url.rstrip('/')}/user/account, 'Personal Access Token' or 'Legacy Token'"


def checked(response: httpx.Response) -> httpx.Response:
    """Return a successful response; raise the SDK's own error for any other."""
    if response.is_success:
        return response
    try:
        body: Any = response.json()
    except ValueError:
        body = response.text
    raise ApiError(status_code=response.status_code, body=body)


def _detail(body: Any) -> str:
    """Return the server's own words on what is wrong, without headers and the echo of input."""
    if not isinstance(body, dict):
        return plain_text(str(body))[:300]
    errors = body.get("validation_errors")
    if isinstance(errors, dict) and errors:
        detail = "; ".join(
            f"{key}: {' '.join(map(str, value)) if isinstance(value, list) else value}"
            for key, value in errors.items()
        )
    else:
        detail = str(errors or body.get("detail") or body)
    return plain_text(detail.replace("non_field_errors: ", ""))[:600]
