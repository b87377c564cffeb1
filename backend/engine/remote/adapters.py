"""Adapters of trained versions on a vLLM, loaded by its API under the versions' names.

On a server an adapter changes how the whole prompt is read, with the policy, and not the text alone
as in llm.py: servers know no other way. The engine that serves a version also measures its offsets
and kappas, so these are right for it.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import httpx

from backend.engine.remote.http import LlmServer
from backend.engine.served import Served
from backend.versions.manifest import ADAPTER_CONFIG
from selection.errors import ModelError, VersionError

KEPT = 4  # adapters that stay on the server


class RemoteAdapters:
    """What this process has loaded there. Other processes may load and unload at the same time.

    versions: folder of the versions. seen_as: the path of this folder on the server, empty for the
    same path.
    """

    def __init__(self, server: LlmServer, versions: Path, seen_as: str = "") -> None:
        self._server = server
        self._versions = versions.resolve()
        self._seen_as = seen_as
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, None] = OrderedDict()  # the latest used last
        self._in_use: Counter[str] = Counter()

    @contextmanager
    def use(self, served: Served, base: str) -> Iterator[str]:
        """Within it the server has the version, under the name that is yielded.

        base: the name of the model without an adapter.

        Raises VersionError if the adapter is missing or refused, ModelError if the server takes
        no adapters.
        """
        if served.adapter is None:
            yield base
            return
        name = served.version.replace("/", "-")
        with self._lock:
            self._in_use[name] += 1
            loaded = name in self._loaded
        try:
            if not loaded:
                self.load(name, served.adapter)
            yield name
        finally:
            self._leave(name)

    def load(self, name: str, adapter: Path) -> None:
        """Have the server load it, unless it has done so. Raises what `use` raises."""
        if not (adapter / ADAPTER_CONFIG).is_file():
            raise VersionError(
                f"The model version at {adapter} has no {ADAPTER_CONFIG}. Promote another version, "
                "or train again."
            )
        where = self._seen(adapter)
        body = {"lora_name": name, "lora_path": where}
        reply = self._server.send("POST", "/v1/load_lora_adapter", body, final=_broken)
        if reply.status_code != 200 and "already been loaded" not in reply.text:
            raise self._refused(reply, name, where)
        with self._lock:
            self._loaded[name] = None

    def _leave(self, name: str) -> None:
        """Unload those that were not used for longest and that nobody uses now."""
        with self._lock:
            self._in_use[name] -= 1
            if name in self._loaded:
                self._loaded.move_to_end(name)
            idle = [one for one in self._loaded if not self._in_use[one]]
            unused = idle[: max(0, len(self._loaded) - KEPT)]
            for one in unused:
                del self._loaded[one]
            self._in_use = +self._in_use
        for one in unused:
            with suppress(ModelError):  # the answer is there; there is time later to make room
                body = {"lora_name": one}
                self._server.send("POST", "/v1/unload_lora_adapter", body, final=lambda _: True)

    def _seen(self, adapter: Path) -> str:
        """Return the adapter's path on the server."""
        whole = adapter.resolve()
        if self._seen_as and whole.is_relative_to(self._versions):
            below = whole.relative_to(self._versions).as_posix()
            return str(PurePosixPath(self._seen_as) / below)
        return str(whole)

    def _refused(self, reply: httpx.Response, name: str, where: str) -> ModelError | VersionError:
        status, shown = reply.status_code, self._server.shown
        if status == 404 and "adapter" in reply.text:
            return ModelError(
                f"The server at {shown} finds no adapter at {where}. Let it see the folder of the "
                "versions, and set CRUX_LLM_ADAPTERS to its path on the server."
            )
        if status in (404, 405, 501):
            return ModelError(
                f"The server at {shown} cannot load adapters, and version {name} has one. Use vLLM "
                "with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or unset "
                "CRUX_LLM_URL to run the model in the backend."
            )
        return VersionError(
            f"The server at {shown} does not load the adapter of version {name} ({status}). Its "
            "log says why; its --max-lora-rank must be the adapter's rank or more."
        )


def _broken(reply: httpx.Response) -> bool:
    """Whether the server failed on this adapter and would fail again."""
    return reply.status_code == 500
