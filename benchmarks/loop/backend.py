"""The backend in this process: the product's client and its routes, without a socket between.

The composer of the training side is the product's as well; where a worker would watch a queue, the
loop calls it after people have answered.
"""

from collections.abc import Callable
from typing import cast

import httpx

from backend.config import BackendSettings
from backend.engine.scorer import Scorer
from backend.fit import Fit
from backend.train import Trained, train
from backend.web.app import create_app
from backend.web.state import Process
from benchmarks.loop.studio import MemoryStudio
from selection.backend_client import BackendClient
from selection.http import SECRET_HEADER
from selection.studio.api import Studio

URL = "http://backend"  # nobody listens there


class InProcess(BackendClient):
    """BackendClient, with the Flask application at the other end of every request."""

    def __init__(self, process: Process) -> None:
        secret = process.settings.webhook_secret.get_secret_value()
        super().__init__(URL, secret)
        self._http.close()
        self._http = httpx.Client(
            transport=httpx.WSGITransport(app=create_app(process=process)),
            base_url=URL,
            headers={SECRET_HEADER: secret},
        )


class Backend:
    """Both sides of one project's backend.

    client: what the choosing side asks. fit: what the worker would run.
    """

    def __init__(
        self,
        settings: BackendSettings,
        studio: MemoryStudio,
        make_scorer: Callable[[], Scorer],
        train: Callable[..., Trained] = train,
    ) -> None:
        as_studio = cast(Studio, studio)
        self.process = Process(settings, as_studio, make_scorer)
        self.client = InProcess(self.process)
        self.fit = Fit(settings, as_studio, make_scorer, train)
