"""The OpenAPI description of the routes, which GET /openapi.json serves.

Requests are checked with the models that are described here, so the description is what is done.
"""

from collections.abc import Mapping
from http import HTTPStatus

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from backend.config import BackendSettings
from backend.web import schemas as messages
from backend.web.routes import ROUTES, Route
from selection.http import SECRET_HEADER

PLAIN = "text/plain"
_REF = "#/components/schemas/{model}"

Object = dict[str, object]


def document(settings: BackendSettings) -> Mapping[str, object]:
    """Return the OpenAPI 3.1 document of a server with these settings."""
    models = {messages.Error} | {
        model
        for route in ROUTES
        for model in (route.body, route.answer)
        if isinstance(model, type) and issubclass(model, BaseModel)
    }
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(m, "serialization" if _is_answer(m) else "validation") for m in ordered],
        ref_template=_REF,
    )
    schemas["$defs"]["PredictBody"]["properties"]["tasks"]["maxItems"] = settings.most_tasks
    paths: dict[str, Object] = {}
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


def _is_answer(model: type[BaseModel]) -> bool:
    return not issubclass(model, messages.Body)


def _operation(route: Route) -> Object:
    operation: Object = {
        "summary": route.summary,
        "responses": {str(route.status): _answer(route)}
        | {str(status): _refusal(status) for status in route.errors},
    }
    if route.open:
        operation["security"] = []
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body:
        operation["requestBody"] = {"required": True, "content": _json({"$ref": _ref(route.body)})}
    return operation


def _answer(route: Route) -> Object:
    if route.answer is None:
        content: Object = {PLAIN: {"schema": {"type": "string"}}}
    elif issubclass(route.answer, BaseModel):
        content = _json({"$ref": _ref(route.answer)})
    else:
        content = _json({"type": "object"})
    return {"description": route.summary, "headers": _ID, "content": content}


def _refusal(status: int) -> Object:
    headers: Object = dict(_ID)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = {"description": "seconds", "schema": {"type": "integer"}}
    content = _json({"$ref": _ref(messages.Error)})
    return {"description": HTTPStatus(status).phrase, "headers": headers, "content": content}


def _parameters(route: Route) -> list[Object]:
    found: list[Object] = []
    if route.numbered:
        number = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
        found.append({"name": "project", "in": "path", "required": True, "schema": number})
    if route.query:
        schema = route.query.model_json_schema()
        for name, field in schema["properties"].items():
            shape = next(s for s in field["anyOf"] if s["type"] != "null")
            found.append({"name": name, "in": "query", "schema": shape})
    return found


def _json(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}


def _ref(model: type[BaseModel]) -> str:
    return _REF.format(model=model.__name__)


_ID = {"X-Request-ID": {"description": "in the log, too", "schema": {"type": "string"}}}
