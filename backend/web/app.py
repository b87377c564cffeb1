"""create_app() for gunicorn: the Flask app around the routes.

    gunicorn -c python:backend.server

/health /setup /predict /webhook /versions are Label Studio's, the others ours; routes.py lists
them all. The app is our own, because that of label-studio-ml shows traces and logs tokens; the
model is a label-studio-ml model, and predict and fit of its class are what /predict and /webhook
call.
"""

import logging
import threading
import time
from functools import partial
from typing import cast

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException

from backend import logs
from backend.config import BackendSettings, load
from backend.web.guard import authorize, check_size, read_body, validate
from backend.web.metrics import CONTENT_TYPE
from backend.web.ml_base import CruxModel, make_model
from backend.web.refusals import Refused, answer_error, answer_http_error
from backend.web.routes import ENDPOINTS, Route
from backend.web.schemas import project_number
from backend.web.state import Process
from backend.web.views import VIEWS
from selection.errors import CruxError

log = logging.getLogger(__name__)

NUMBER = f"<int(max={10**18 - 1}):project>"
# of label-studio-ml; Label Studio no longer calls them
ABANDONED = (("POST", "/train"), ("GET", "/is_training"))


def create_app(
    settings: BackendSettings | None = None,
    process: Process | None = None,
    model_class: type[CruxModel] = CruxModel,
) -> Flask:
    """Return a WSGI application with a state of its own.

    settings: read from the environment if None. process: made from the settings if None.
    model_class: what answers /predict and /webhook. Loads no model, because Label Studio waits one
    second for /health. Raises CruxError.
    """
    if process is None:
        settings = settings or load()
        logs.configure(settings)
        process = Process(settings)
        # so that the first annotator need not wait for the model; /health is answered meanwhile
        threading.Thread(target=process.serving.warm_up, name="warm", daemon=True).start()
    app = Flask(__name__, static_folder=None)
    limit = process.settings.most_bytes
    app.config.update(MOST_BYTES=limit, MAX_CONTENT_LENGTH=limit + 1)  # guard.py refuses first
    app.extensions["crux"] = make_model(model_class, process)
    app.register_blueprint(_blueprint())
    app.before_request(_begin)
    app.before_request(_guard)
    app.after_request(_end)
    app.teardown_request(_leave)
    app.register_error_handler(CruxError, answer_error)
    app.register_error_handler(HTTPException, answer_http_error)
    if not process.settings.webhook_secret.get_secret_value():
        log.warning("CRUX_WEBHOOK_SECRET is empty: everybody who reaches the port is let in")
    return app


def _blueprint() -> Blueprint:
    """Return all routes, with GET / and the abandoned ones of label-studio-ml."""
    blueprint = Blueprint("crux", __name__)
    for endpoint, route in ENDPOINTS.items():
        view = partial(_answer, route)
        path = route.path.replace("{project}", NUMBER)
        blueprint.add_url_rule(path, endpoint, view, methods=[route.method])
        if route.path == "/health":
            blueprint.add_url_rule("/", endpoint, view, methods=[route.method])
    for method, path in ABANDONED:
        blueprint.add_url_rule(path, path.strip("/"), _refuse, methods=[method])
    return blueprint


def _answer(route: Route, project: int | None = None) -> Response:
    """Check the request, call the view, and put its answer into JSON."""
    model = _model()
    body: BaseModel | None = None
    if route.body is not None:
        body = read_body(request, route.body, model.process.settings.most_bytes)
    elif route.query is not None:
        body = validate(route.query, request.args.to_dict())
    g.project = project_number(getattr(body, "project", None)) if project is None else project
    answer = VIEWS[route.method, route.path](model, body, g.project)
    if isinstance(answer, bytes):
        response = Response(answer, content_type=CONTENT_TYPE)
    else:
        response = jsonify(answer.model_dump() if isinstance(answer, BaseModel) else answer)
    response.status_code = route.status
    return response


def _refuse() -> Response:
    raise Refused(f"Crux has no {request.path}.", 404)


def _model() -> CruxModel:
    return cast(CruxModel, current_app.extensions["crux"])


def _route() -> Route | None:
    """Return the route of this request; None if there is none."""
    return ENDPOINTS.get((request.endpoint or "").removeprefix("crux."))


# around every request


def _begin() -> None:
    g.began = time.perf_counter()
    logs.request_id.set(logs.make_request_id(request.headers.get("X-Request-ID")))


def _guard() -> None:
    process, route = _model().process, _route()
    if route is None or not route.open:
        authorize(request, process.settings.webhook_secret.get_secret_value())
    check_size(request, process.settings.most_bytes)
    if route is not None and route.waits:
        process.admission.enter()
        g.entered = True


def _end(response: Response) -> Response:
    """Write the access line: never a body, and only paths of our own."""
    route = _route()
    path = route.path if route else "none"
    method = request.method if request.method in ("GET", "POST", "HEAD", "OPTIONS") else "other"
    seconds = time.perf_counter() - g.began
    _model().process.metrics.count_request(path, method, response.status_code, seconds)
    about = logs.fields(
        route=path, method=method, status=response.status_code, ms=round(1e3 * seconds, 1),
        project=g.get("project"),
    )  # fmt: skip
    log.info("answered", extra=about)
    response.headers["X-Request-ID"] = logs.request_id.get()
    return response


def _leave(_: BaseException | None) -> None:
    if g.pop("entered", False):
        _model().process.admission.leave()
    logs.request_id.set("")
