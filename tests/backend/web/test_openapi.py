from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from backend.config import BackendSettings
from backend.web.openapi import document
from backend.web.routes import ENDPOINTS, ROUTES, Route
from backend.web.views import VIEWS
from tests.backend.web.application import CONFIG, Backend
from tests.records import record

BODIES: dict[str, dict[str, Any]] = {
    "/setup": {"project": "7.1700000000", "schema": CONFIG, "access_token": "x"},
    "/predict": {"project": 7, "tasks": [{"id": 1, "data": {"text": "red"}}, {"id": 2}]},
    "/webhook": {"action": "ANNOTATION_CREATED", "project": {"id": 7}},
    "/score": {"project": 7, "texts": ["red", "green"]},
    "/projects/{project}/check": {"forced": True},
    "/projects/{project}/current": {"version": "round0-a"},
    "/projects/{project}/sample": {"texts": ["red"], "weight": [2.5]},
}


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    made = Backend(tmp_path)
    made.train("round0-a")
    made.process.serving.registry.save_record(7, record(0))
    return made


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> jsonschema_rs.Validator:
    """A validator of one schema of the document."""
    return jsonschema_rs.validator_for({**schema, "components": document["components"]})


def test_the_description_is_an_openapi_document_and_needs_the_secret(backend: Backend) -> None:
    answer = backend.get("/openapi.json")
    assert (answer.status_code, answer.json["openapi"]) == (200, "3.1.0")
    assert backend.client.get("/openapi.json").status_code == 401
    for schema in answer.json["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator({**schema, "components": answer.json["components"]})


def test_every_route_of_the_app_is_described_and_every_described_one_is_served(
    backend: Backend,
) -> None:
    paths = backend.get("/openapi.json").json["paths"]
    described = {(method.upper(), path) for path, of in paths.items() for method in of}
    assert described == set(VIEWS) == {(route.method, route.path) for route in ROUTES}
    rules = {
        (method, rule.rule.replace("<int(max=999999999999999999):project>", "{project}"))
        for rule in backend.app.url_map.iter_rules()
        if rule.endpoint.removeprefix("crux.") in ENDPOINTS
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert rules - {("GET", "/")} == described


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_good_request_fits_the_description_and_so_does_its_answer(
    backend: Backend, route: Route
) -> None:
    told = document(backend.process.settings)
    operation = told["paths"][route.path][route.method.lower()]
    path = route.path.replace("{project}", "7")
    if route.body:
        content = operation["requestBody"]["content"]["application/json"]
        assert resolved(told, content["schema"]).is_valid(BODIES[route.path])
        answer = backend.post(path, BODIES[route.path])
    else:
        answer = backend.get(path)
    declared = operation["responses"][str(answer.status_code)]
    assert answer.status_code == route.status, answer.text
    assert list(declared["content"]) == [answer.mimetype]
    if answer.is_json:
        schema = declared["content"]["application/json"]["schema"]
        assert resolved(told, schema).is_valid(answer.json)
        assert not resolved(told, schema).is_valid([answer.json])
    assert answer.headers["X-Request-ID"]


def test_the_description_names_the_limits_that_are_settings() -> None:
    told = document(BackendSettings(most_tasks=77, most_bytes=4_321))
    tasks = told["components"]["schemas"]["PredictBody"]["properties"]["tasks"]
    assert tasks["maxItems"] == 77
    assert "4321 bytes" in told["info"]["description"]


def test_only_health_is_open_and_without_a_secret_every_route_is(
    backend: Backend,
) -> None:
    told = backend.get("/openapi.json").json
    assert told["security"] == [{"secret": []}, {"basic": []}]
    closed = {path for path, of in told["paths"].items() for one in of.values()
              if one.get("security") != []}  # fmt: skip
    assert set(told["paths"]) - closed == {"/health"}
    assert document(BackendSettings())["security"] == []


def test_the_token_that_label_studio_sends_to_setup_is_no_field_of_ours(backend: Backend) -> None:
    schema = backend.get("/openapi.json").json["components"]["schemas"]["SetupBody"]
    assert set(schema["properties"]) == {"project", "schema"}
