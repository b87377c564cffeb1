"""gunicorn's configuration: `gunicorn -c python:backend.server`. Flags on its command line win.

There is one process, so that one loaded model serves annotators and the pool. Most of its threads
wait for that model; 16 never do, so that /health, /setup and /webhook are always answered.
"""

import ipaddress
import logging
import sys
from typing import Any

from flask import Flask
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from backend import logs
from backend.config import BackendSettings, load
from backend.web.guard import KEPT_FREE
from selection.errors import CruxError

log = logging.getLogger(__name__)


def _settings() -> BackendSettings:
    try:
        return load()
    except CruxError as error:
        sys.exit(str(error))


class _Log(Logger):  # type: ignore[misc]  # gunicorn carries no types
    """Writes gunicorn's records among ours, in the same form."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        logs.configure(_SETTINGS)
        if cfg.errorlog == "-":  # otherwise somebody wants them in a file of their own
            self.error_log.handlers.clear()
            self.error_log.propagate = True


_SETTINGS = _settings()

# settings of gunicorn, by its names
wsgi_app = "backend.server:application()"
bind = "127.0.0.1:9090"
worker_class = "gthread"
workers = 1
threads = _SETTINGS.http_threads
timeout = 120  # seconds after which a silent process is replaced; a request may take longer
graceful_timeout = 30
limit_request_line = 4_094
limit_request_fields = 50
limit_request_field_size = 8_190
control_socket_disable = True
logger_class = _Log


def application() -> Flask:
    """Return the app. If it cannot be made, log one sentence and end gunicorn."""
    # they take seconds: in the serving process alone
    from backend.web.app import create_app
    from backend.worker import work_beside

    try:
        app = create_app(_SETTINGS)
        if _SETTINGS.train_in_server:
            serving = app.extensions["crux"].process.serving
            work_beside(_SETTINGS, lambda: serving.scorer)
        return app
    except CruxError as error:
        log.critical("%s", error)
        sys.exit(Arbiter.APP_LOAD_ERROR)  # with any other status gunicorn tries for ever


def when_ready(server: Any) -> None:
    """Log the limits, and warn if other machines can reach a server without a secret."""
    log.info("%s requests at once, %s of them may wait for the model", threads, threads - KEPT_FREE)
    if not _SETTINGS.webhook_secret.get_secret_value():
        for address in exposed(listener.getsockname() for listener in server.LISTENERS):
            log.critical(
                "NO SECRET: everybody who reaches %s can read the policy, promote versions and "
                "start trainings. Set CRUX_WEBHOOK_SECRET here and for `crux connect`, or bind to "
                "127.0.0.1.",
                address,
            )


def exposed(names: Any) -> list[str]:
    """Return the addresses, of those that sockets name, that other machines may reach."""
    found = []
    for name in names:
        if isinstance(name, tuple) and not ipaddress.ip_address(name[0]).is_loopback:
            found.append(f"{name[0]} port {name[1]}")
    return found
