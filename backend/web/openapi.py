"""The routes, and the OpenAPI description of them that GET /openapi.json serves.

app.py binds each route of this table to its view, and checks requests with the models named here:
what is described is what is done.
"""

from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.config import Settings
from backend.web import schemas as messages
from selection.http import SECRET_HEADER

PLAIN = "text/plain"
_REF = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Route:
    """One operation.

    path: with {project} where a number stands. answer: the model of a good answer, None for
    plain text, dict for an object that is described elsewhere. waits: for the model, so that
    only so many are let in at once. open: without the secret. needs: what else it may fail at.
    """

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | type[dict[str, Any]] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    waits: bool = False
    open: bool = False
    needs: tuple[int, ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether a project's number stands in the path."""
        return "{project}" in self.path

    @cached_property
    def errors(self) -> tuple[int, ...]:
        """Statuses of all refusals."""
        found = {500, *self.needs}
        if not self.open:
            found |= {401}
        if self.numbered:
            found |= {404}
        if self.body or self.query:
            found |= {422}
        if self.body:
            found |= {400, 413, 415}
        if self.waits:
            found |= {503}
        return tuple(sorted(found))


# Label Studio does not know the project, it does not fit, refuses us, is down
STUDIO = (404, 422, 502, 503)
ROUTES = (
    Route("GET", "/health", "Whether the server runs", messages.Health, open=True),
    Route(
        "POST", "/setup", "The version that would answer now; Label Studio asks it all the time",
        messages.ModelVersion, messages.SetupBody, needs=STUDIO,
    ),
    Route(
        "POST", "/predict", "Predictions for Label Studio's tasks",
        messages.Predictions, messages.PredictBody, waits=True, needs=STUDIO,
    ),
    Route(
        "POST", "/webhook", "An event of Label Studio; at most the worker looks, later",
        messages.Queued, messages.WebhookBody, status=201, needs=(503,),
    ),
    Route(
        "GET", "/versions", "Names of the versions of one project, or of all",
        messages.Versions, query=messages.VersionsQuery, needs=(404,),
    ),
    Route(
        "POST", "/score", "Probabilities of the project's labels for texts",
        messages.Scores, messages.ScoreBody, waits=True, needs=STUDIO,
    ),
    Route(
        "GET", "/projects/{project}", "Versions, rounds and training of a project",
        messages.ProjectState, needs=STUDIO,
    ),
    Route(
        "POST", "/projects/{project}/check", "Have the worker look at the project",
        messages.Queued, messages.CheckBody, status=202, needs=STUDIO,
    ),
    Route(
        "POST", "/projects/{project}/current", "Promote a version",
        messages.Current, messages.PromoteBody, needs=(503,),
    ),
    Route(
        "POST", "/projects/{project}/sample", "Keep random texts of the pool",
        messages.Kept, messages.SampleBody, needs=STUDIO,
    ),
    Route("GET", "/metrics", "Figures for Prometheus", None),
    Route("GET", "/openapi.json", "This description", dict),
)  # fmt: skip


def document(settings: Settings) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a server with these settings."""
    models = {messages.Error} | {
        model
        for route in ROUTES
        for model in (route.body, route.answer)
        if isinstance(model, type) and issubclass(model, BaseModel)
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(m, "serialization" if _answers(m) else "validation") for m in ordered], ref_template=_REF
    )
    schemas["$defs"]["PredictBody"]["properties"]["tasks"]["maxItems"] = settings.most_tasks
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    secret = bool(settings.webhook_secret.get_secret_value())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Crux",
            "version": "1",
            "description": f"Bodies are JSON objects of at most {settings.most_bytes} bytes. Every "
            "answer carries X-Request-ID, which the server's log repeats.",
        },
        "security": [{"secret": []}, {"basic": []}] if secret else [],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "secret": {"type": "apiKey", "in": "header", "name": SECRET_HEADER},
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "the secret as password, with any user name",
                },
            },
        },
    }


def _answers(model: type[BaseModel]) -> bool:
    return not issubclass(model, messages.Body)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "responses": {str(route.status): _answer(route)}
        | {str(status): _refusal(status) for status in route.errors},
    }
    if route.open:
        operation["security"] = []
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body:
        content = {"application/json": {"schema": {"$ref": _ref(route.body)}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer(route: Route) -> dict[str, Any]:
    if route.answer is None:
        content: dict[str, Any] = {PLAIN: {"schema": {"type": "string"}}}
    elif issubclass(route.answer, BaseModel):
        content = {"application/json": {"schema": {"$ref": _ref(route.answer)}}}
    else:
        content = {"application/json": {"schema": {"type": "object"}}}
    return {"description": route.summary, "headers": _ID, "content": content}


def _refusal(status: int) -> dict[str, Any]:
    headers = dict(_ID)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = {"description": "seconds", "schema": {"type": "integer"}}
    content = {"application/json": {"schema": {"$ref": _ref(messages.Error)}}}
    return {"description": HTTPStatus(status).phrase, "headers": headers, "content": content}


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if route.numbered:
        number = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
        found.append({"name": "project", "in": "path", "required": True, "schema": number})
    if route.query:
        schema = route.query.model_json_schema()
        for name, field in schema["properties"].items():
            shape = next(s for s in field["anyOf"] if s["type"] != "null")
            found.append({"name": name, "in": "query", "schema": shape})
    return found


def _ref(model: type[BaseModel]) -> str:
    return _REF.format(model=model.__name__)


_ID = {"X-Request-ID": {"description": "in the log, too", "schema": {"type": "string"}}}
