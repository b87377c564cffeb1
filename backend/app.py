"""create_app() for gunicorn: label-studio-ml's Flask app with Crux's views in it.

    gunicorn --worker-class gthread --threads 8 --bind 127.0.0.1:9090 'backend.app:create_app()'

/health /setup /predict /webhook /versions are Label Studio's; /score and /projects are ours.
label-studio-ml's own views hide errors and log tokens, so ours take their places.
"""

import hmac
import logging
import reprlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, Response, jsonify, request
from label_studio_ml.api import init_app
from werkzeug.exceptions import HTTPException

from backend.config import Settings, load
from backend.jobs import Jobs
from backend.model import CruxModel, Hub, hear, predictions, project_number
from backend.registry import describe
from backend.scorer import Scorer, make_scorer
from backend.serve import Serving
from selection.client import SECRET_HEADER
from selection.errors import (
    CruxError,
    ModelError,
    ProjectError,
    StudioDown,
    StudioRefused,
    VersionError,
)
from selection.schema import Schema, parse_schema
from selection.studio import Studio

log = logging.getLogger(__name__)

MOST_TEXTS = 1_000  # in one /score request; more belongs into several
NUMBER = f"<int(max={10**18 - 1}):project>"
VIEWS = {"_predict", "_setup", "webhook", "health"}  # of label-studio-ml, that Label Studio asks
MOST_BYTES = 64 * 1024 * 1024  # Label Studio sends all selected tasks in one /predict
STATUS: dict[type[CruxError], int] = {
    StudioDown: 503,
    StudioRefused: 502,
    ProjectError: 422,
    ModelError: 503,
    VersionError: 404,
}


class Refused(CruxError):
    """The request itself cannot be served."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status


class Process:
    """The state of one serving process: `Answers` for the model class, and the routes' parts."""

    def __init__(
        self,
        settings: Settings,
        studio: Studio | None = None,
        scorer: Callable[[], Scorer] | None = None,
    ) -> None:
        """studio, scorer: made from the settings if None."""
        self.settings = settings
        self.studio = studio or Studio(
            settings.studio_url, settings.studio_token.get_secret_value()
        )
        self.jobs = Jobs(settings)
        self.serving = Serving(settings, self.studio, scorer or (lambda: make_scorer(settings)))

    def schema(self, project: int) -> Schema:
        """Where text and label stand in the project's tasks."""
        return self.serving.subject(project).schema

    def labelled(
        self, project: int, texts: list[str]
    ) -> tuple[str, Schema, list[tuple[str, float]]]:
        """version, schema, and (label, probability) of every text."""
        manifest, matrix = self.serving.score(project, texts)
        found = [(manifest.labels[int(row.argmax())], float(row.max())) for row in matrix]
        return manifest.version, self.schema(project), found

    def look(self, project: int, forced: bool) -> None:
        """Enqueue a look at the project."""
        self.jobs.look(project, forced)

    def forget(self, project: int) -> None:
        """The project's settings changed."""
        self.serving.forget(project)


def create_app(settings: Settings | None = None, process: Process | None = None) -> Flask:
    """The WSGI application. Loads no model: Label Studio waits one second for /health."""
    process = process or Process(settings or load())
    Hub.answers = process
    app: Flask = init_app(CruxModel)
    app.config["MAX_CONTENT_LENGTH"] = MOST_BYTES
    app.config["CRUX"] = process
    # its hooks log every body, and a /setup body holds an access token
    app.before_request_funcs[None] = [_authorize]
    app.after_request_funcs[None] = []
    # its handlers answer with traces; ours say what to do
    app.error_handler_spec[None] = defaultdict(
        dict, {None: {CruxError: _explained, HTTPException: _http}}
    )
    for name, view in (("_predict", _predict), ("_setup", _setup), ("webhook", _webhook)):
        app.view_functions[name] = view
    app.view_functions["health"] = _health
    for name in app.view_functions:
        if name not in VIEWS and not name.startswith("crux/"):
            app.view_functions[name] = _gone
    _route(app, "/versions", _versions, "GET")
    _route(app, "/score", _score, "POST")
    _route(app, f"/projects/{NUMBER}", _project, "GET")
    _route(app, f"/projects/{NUMBER}/check", _check, "POST")
    _route(app, f"/projects/{NUMBER}/current", _promote, "POST")
    _route(app, f"/projects/{NUMBER}/sample", _sample, "POST")
    if not process.settings.webhook_secret.get_secret_value():
        log.warning("CRUX_WEBHOOK_SECRET is empty: everybody who reaches the port is let in")
    return app


def _route(app: Flask, rule: str, view: Callable[..., Any], method: str) -> None:
    endpoint = f"crux{rule}"
    if endpoint not in app.view_functions:  # label-studio-ml's app is one for the process
        app.add_url_rule(rule, endpoint, view, methods=[method])


def _process() -> Process:
    from flask import current_app

    process: Process = current_app.config["CRUX"]
    return process


def _body() -> dict[str, Any]:
    try:
        body = request.get_json(silent=True)
    except RecursionError:  # a thousand brackets
        body = None
    if not isinstance(body, dict):
        raise Refused("The body must be a JSON object.", 400)
    return body


def _project_of(value: Any) -> int:
    project = project_number(value)
    if project is None:
        raise Refused(f"'project' must be the number of a project, not {reprlib.repr(value)}.")
    return project


def _authorize() -> None:
    """The secret, in our header or as the password of basic auth; /health is open."""
    secret = _process().settings.webhook_secret.get_secret_value()
    if not secret or request.endpoint == "health":
        return
    given = request.headers.get(SECRET_HEADER) or (
        request.authorization.password if request.authorization else None
    )
    if not hmac.compare_digest((given or "").encode(), secret.encode()):
        raise Refused(
            f"The secret is missing or wrong. Send CRUX_WEBHOOK_SECRET in the header "
            f"{SECRET_HEADER}, or as the password of basic auth (crux connect sets both).",
            401,
        )


def _explained(error: CruxError) -> tuple[Response, int]:
    status = getattr(error, "status", None) or next(
        (code for kind, code in STATUS.items() if isinstance(error, kind)), 500
    )
    log.warning("%s %s: %s", request.method, request.path, error)
    return jsonify({"error": str(error)}), status


def _http(error: HTTPException) -> tuple[Response, int]:
    return jsonify({"error": error.description or str(error)}), error.code or 500


def _health() -> Response:
    return jsonify({"status": "UP", "model_class": "CruxModel"})


def _gone(**_: Any) -> tuple[Response, int]:
    """Routes of label-studio-ml that Label Studio no longer asks; its own answer with traces."""
    return jsonify({"error": f"Crux has no {request.path}."}), 404


def _setup() -> Response:
    """Label Studio asks before every /predict, and waits 3 s: no model, nothing kept."""
    body = _body()
    project = _project_of(body.get("project"))
    process = _process()
    schema = body.get("schema")
    if isinstance(schema, str) and schema.strip():
        known = parse_schema(schema)  # a config that does not fit is said here, at connecting
        if known != process.schema(project):
            process.forget(project)
    return jsonify({"model_version": process.serving.manifest(project).version})


def _predict() -> Response:
    body = _body()
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise Refused("'tasks' must be a list of task objects.")
    named = body.get("project") or (tasks[0].get("project") if tasks else None)
    project = _project_of(named)
    process = _process()
    results = predictions(process, project, tasks)
    # a version may have been promoted meanwhile, or the prompted one have stood in
    said = next((one["model_version"] for one in results if one), None)
    version = said or process.serving.manifest(project).version
    return jsonify({"results": results, "model_version": version})


def _webhook() -> tuple[Response, int]:
    body = _body()
    action = body.get("action")
    if not isinstance(action, str):
        raise Refused("'action' must name the event.")
    return jsonify(hear(_process(), action, body)), 201


def _versions() -> Response:
    project = project_number(request.args.get("project"))
    registry = _process().serving.registry
    names = [m.version for p in ([project] if project else registry.projects())
             for m in registry.versions(p)]  # fmt: skip
    return jsonify({"versions": names})


def _score() -> Response:
    body = _body()
    project = _project_of(body.get("project"))
    texts = _texts(body.get("texts"))
    version = body.get("version")
    if version is not None and not isinstance(version, str):
        raise Refused("'version' must be the name of a version.")
    manifest, matrix = _process().serving.score(project, texts, version)
    return jsonify(
        {
            "model_version": manifest.version,
            "labels": list(manifest.labels),
            "probabilities": [[float(value) for value in row] for row in matrix],
        }
    )


def _texts(texts: Any) -> Sequence[str]:
    if not isinstance(texts, list):
        raise Refused("'texts' must be a list of strings.")
    if len(texts) > MOST_TEXTS:
        raise Refused(f"{len(texts)} texts are more than {MOST_TEXTS}: send several requests.", 413)
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise Refused(f"texts[{position}] is {reprlib.repr(text)}, not a string.")
    return texts


def _project(project: int) -> Response:
    serving = _process().serving
    return jsonify(
        {
            "project": project,
            "current": serving.manifest(project).version,
            "versions": [describe(m) for m in serving.registry.versions(project)],
            "rounds": serving.registry.records(project),
            "training": serving.registry.training(project),
        }
    )


def _check(project: int) -> tuple[Response, int]:
    _process().look(project, bool(_body().get("forced")))
    return jsonify({"queued": True}), 202


def _sample(project: int) -> Response:
    texts = _texts(_body().get("texts"))
    _process().serving.registry.save_sample(project, texts)
    return jsonify({"kept": len(texts)})


def _promote(project: int) -> Response:
    version = _body().get("version")
    if not isinstance(version, str):
        raise Refused("'version' must be the name of a version.")
    manifest = _process().serving.registry.promote(project, version)
    _process().look(project, False)  # the open tasks' predictions follow
    return jsonify({"current": manifest.version})
