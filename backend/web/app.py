"""create_app() for gunicorn: label-studio-ml's Flask app with Crux's views in it.

    gunicorn -c python:backend.server

/health /setup /predict /webhook /versions are Label Studio's, the others ours; openapi.py lists
them all. label-studio-ml's own views hide errors and log tokens, so ours take their places.
"""

import logging
import threading
import time
from collections import defaultdict
from functools import partial
from typing import Any, cast

from flask import Flask, Response, current_app, g, jsonify, make_response, request
from label_studio_ml.api import init_app
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from backend import logs
from backend.config import Settings, load
from backend.web.guard import Refused, authorize, checked, measure, read, too_large
from backend.web.metrics import CONTENT_TYPE
from backend.web.ml_base import CruxModel, Hub, project_number
from backend.web.openapi import ROUTES, Route
from backend.web.state import Process
from backend.web.views import VIEWS
from selection.errors import (
    BackendError,
    CruxError,
    ModelError,
    ProjectError,
    StorageError,
    StudioDown,
    StudioError,
    StudioLacks,
    StudioRefused,
    VersionError,
)

log = logging.getLogger(__name__)

NUMBER = f"<int(max={10**18 - 1}):project>"
STATUS: dict[type[CruxError], int] = {  # the first that fits
    StudioDown: 503,
    StudioRefused: 502,
    StudioLacks: 404,
    ProjectError: 422,
    StudioError: 502,
    BackendError: 503,
    ModelError: 503,
    StorageError: 503,
    VersionError: 404,
}


def create_app(settings: Settings | None = None, process: Process | None = None) -> Flask:
    """The WSGI application. Loads no model: Label Studio waits one second for /health."""
    if process is None:
        settings = settings or load()
        logs.configure(settings)
        process = Process(settings)
        # the first annotator shall not wait for the model; /health is answered meanwhile
        threading.Thread(target=process.serving.warm, name="warm", daemon=True).start()
    Hub.answers = process
    app: Flask = init_app(CruxModel)
    app.config["MAX_CONTENT_LENGTH"] = process.settings.most_bytes + 1  # guard.py is stricter
    app.config["CRUX"] = process
    # its hooks log every body, and a /setup body holds an access token
    app.before_request_funcs[None] = [_begin, _guard]
    app.after_request_funcs[None] = [_end]
    app.teardown_request_funcs[None] = [_leave]
    # its handlers answer with traces; ours say what to do
    app.error_handler_spec[None] = defaultdict(
        dict, {None: {CruxError: _explained, HTTPException: _http}}
    )
    bound = {_bind(app, route): route for route in ROUTES}
    app.config["CRUX_ROUTES"] = bound
    for name in app.view_functions:
        if name not in bound:
            app.view_functions[name] = _gone
    if not process.settings.webhook_secret.get_secret_value():
        log.warning("CRUX_WEBHOOK_SECRET is empty: everybody who reaches the port is let in")
    return app


def _bind(app: Flask, route: Route) -> str:
    """Serve the route, in place of label-studio-ml's own if there is one; its endpoint."""
    path = route.path.replace("{project}", NUMBER)
    there = (
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule == path and route.method in (rule.methods or ())
    )
    endpoint: str | None = next(there, None)
    if endpoint is None:  # label-studio-ml's app is one for the process, ours is bound once
        endpoint = f"crux {route.method} {path}".replace(".", " ")
        app.add_url_rule(path, endpoint, methods=[route.method])
    app.view_functions[endpoint] = partial(_answer, route)
    return endpoint


def _answer(route: Route, project: int | None = None) -> Response:
    process = _process()
    body: Any = None
    if route.body is not None:
        body = read(request, route.body, process.settings.most_bytes)
    elif route.query is not None:
        body = checked(route.query, request.args.to_dict())
    g.project = project_number(getattr(body, "project", None)) if project is None else project
    answer = VIEWS[route.method, route.path](process, body, g.project)
    if isinstance(answer, bytes):
        response = Response(answer, content_type=CONTENT_TYPE)
    else:
        response = jsonify(answer.model_dump() if isinstance(answer, BaseModel) else answer)
    response.status_code = route.status
    return response


def _process() -> Process:
    return cast(Process, current_app.config["CRUX"])


def _route() -> Route | None:
    """The route of this request, None where there is none."""
    bound: dict[str | None, Route] = current_app.config["CRUX_ROUTES"]
    return bound.get(request.endpoint)


# around every request


def _begin() -> None:
    g.began = time.perf_counter()
    logs.request_id.set(logs.named(request.headers.get("X-Request-ID")))


def _guard() -> None:
    process, route = _process(), _route()
    if route is None or not route.open:
        authorize(request, process.settings.webhook_secret.get_secret_value())
    measure(request, process.settings.most_bytes)
    if route is not None and route.waits:
        process.admission.enter()
        g.let_in = True


def _end(response: Response) -> Response:
    """The access line: never a body, and no address that is none of ours."""
    route = _route()
    path = route.path if route else "none"
    method = request.method if request.method in ("GET", "POST", "HEAD", "OPTIONS") else "other"
    seconds = time.perf_counter() - g.began
    _process().metrics.answered(path, method, response.status_code, seconds)
    about = logs.fields(
        route=path, method=method, status=response.status_code, ms=round(1e3 * seconds, 1),
        project=g.get("project"),
    )  # fmt: skip
    log.info("answered", extra=about)
    response.headers["X-Request-ID"] = logs.request_id.get()
    return response


def _leave(_: BaseException | None) -> None:
    if g.pop("let_in", False):
        _process().admission.leave()
    logs.request_id.set("")


# what a refusal looks like


def _explained(error: CruxError) -> Response:
    found = (code for kind, code in STATUS.items() if isinstance(error, kind))
    status = error.status if isinstance(error, Refused) else next(found, 500)
    again = error.again if isinstance(error, Refused) else None
    log.warning("%s", error, extra=logs.fields(status=status))
    response = jsonify({"error": str(error)})
    response.status_code = status
    if again is not None:
        response.headers["Retry-After"] = str(again)
    return response


def _http(error: HTTPException) -> Response:
    """Flask's own refusals, and 500 for what nobody foresaw: its trace is in the log alone."""
    said = error.description or str(error)
    if error.code == 413:
        said = str(too_large(_process().settings.most_bytes))
    if error.code == 500:
        said = (
            f"Something went wrong that nobody foresaw. The backend's log has the details: look "
            f"there for the request id {logs.request_id.get()}."
        )
    response = make_response(error.get_response())
    response.set_data(jsonify({"error": said}).get_data())
    response.content_type = "application/json"
    return response


def _gone(**_: Any) -> Response:
    """Routes of label-studio-ml that Label Studio no longer asks; its own answer with traces."""
    ours = [route.method for route in ROUTES if route.path == request.path]
    if ours:
        raise MethodNotAllowed(valid_methods=ours)
    raise Refused(f"Crux has no {request.path}.", 404)
