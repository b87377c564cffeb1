"""What each route does: (model, checked body, project) -> answer. Nothing of HTTP."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from backend.versions import ledger
from backend.versions.manifest import describe
from backend.web import schemas as messages
from backend.web.ml_base import CruxModel
from backend.web.openapi import document
from backend.web.refusals import Refused
from selection.errors import BackendError
from selection.record import ProjectState
from selection.studio.schema import parse_schema
from selection.studio.task import Json

Answer = BaseModel | Mapping[str, object] | bytes
View = Callable[[CruxModel, Any, Any], Answer]


def _health(model: CruxModel, body: None, project: None) -> messages.Health:
    return messages.Health(model_class=type(model).__name__)


def _setup(model: CruxModel, body: messages.SetupBody, project: int) -> messages.ModelVersion:
    """Label Studio asks before every /predict and waits 3 s: load no model, keep nothing."""
    if body.label_config and body.label_config.strip():
        # raises for a config that does not fit, so the admin sees it when connecting
        model.process.serving.set_schema(project, parse_schema(body.label_config))
    return messages.ModelVersion(model_version=model.process.current_version(project))


def _predict(model: CruxModel, body: messages.PredictBody, project: int) -> messages.Predictions:
    limit = model.process.settings.most_tasks
    if len(body.tasks) > limit:
        raise Refused(
            f"{len(body.tasks)} tasks are more than {limit}: select fewer, or raise "
            f"CRUX_MOST_TASKS.",
            413,
        )
    found = _results(model.predict(body.tasks, context=body.context, project=project))
    # a version may be promoted meanwhile, or the prompted one may stand in: they name the version
    versions = (one.get("model_version") for one in found if isinstance(one, dict))
    version = next(filter(None, versions), None) or model.process.current_version(project)
    return messages.Predictions(results=found, model_version=str(version))


def _results(found: object) -> list[Json | list[Json]]:
    """Return the results of whatever label-studio-ml takes: a list, a ModelResponse or nothing."""
    if isinstance(found, BaseModel):
        found = found.model_dump()
    if isinstance(found, dict):
        found = found.get("predictions")
    return found if isinstance(found, list) else []


def _webhook(model: CruxModel, body: messages.WebhookBody, project: None) -> messages.Queued:
    found = model.fit(body.action, body.payload)
    return messages.Queued(queued=isinstance(found, dict) and found.get("queued") is True)


def _versions(
    model: CruxModel, body: messages.VersionsQuery, project: int | None
) -> messages.Versions:
    registry = model.process.serving.registry
    projects = registry.projects() if project is None else [project]
    names = [manifest.version for one in projects for manifest in registry.versions(one)]
    return messages.Versions(versions=names)


def _score(model: CruxModel, body: messages.ScoreBody, project: int) -> messages.Scores:
    manifest, probabilities = model.process.score(project, body.texts, body.version)
    return messages.Scores(
        model_version=manifest.version,
        labels=list(manifest.labels),
        probabilities=probabilities.tolist(),
    )


def _project(model: CruxModel, body: None, project: int) -> Mapping[str, object]:
    registry = model.process.serving.registry
    state = ProjectState(
        project=project,
        current=model.process.current_version(project),
        versions=tuple(describe(manifest) for manifest in registry.versions(project)),
        rounds=tuple(registry.records(project)),
        training=registry.training(project),
        worker=_worker_is_alive(model),
        paid=ledger.paid(registry, project),
        count_imported=model.process.settings.count_imported,
    )
    return state.as_json()


def _worker_is_alive(model: CruxModel) -> bool:
    """Return False also where it cannot be told: versions are shown without Redis too."""
    try:
        return model.process.jobs.alive()
    except BackendError:
        return False


def _check(model: CruxModel, body: messages.CheckBody, project: int) -> messages.Queued:
    # a project with a folder is looked at while Label Studio is away too
    if project not in model.process.serving.registry.projects():
        model.process.schema(project)  # raises for a number that is no project's
    model.process.look(project, body.forced, body.last)
    return messages.Queued(queued=True)


def _promote(model: CruxModel, body: messages.PromoteBody, project: int) -> messages.Current:
    serving = model.process.serving
    wrong = serving.misfit(project, serving.registry.get(project, body.version))
    if wrong:
        raise Refused(
            f"{body.version} is not promoted, since it would not answer: {wrong}. Promote a "
            f"version that fits (crux models list shows all), or set these back first.",
            409,
        )
    manifest = serving.registry.promote(project, body.version)
    model.process.look(project, False)  # the predictions of open tasks follow the promotion
    return messages.Current(current=manifest.version)


def _sample(model: CruxModel, body: messages.SampleBody, project: int) -> messages.Kept:
    model.process.schema(project)  # raises for a number that is no project's: it gets no folder
    try:
        sample = body.as_sample()
    except ValueError as error:  # no description of the API can say that two lists are as long
        raise Refused(f"'weight' does not fit 'texts': {error}.", 409) from None
    model.process.serving.registry.save_sample(project, sample)
    return messages.Kept(kept=len(body.texts))


def _metrics(model: CruxModel, body: None, project: None) -> bytes:
    return model.process.metrics.exposition()


def _openapi(model: CruxModel, body: None, project: None) -> Mapping[str, object]:
    return document(model.process.settings)


VIEWS: dict[tuple[str, str], View] = {
    ("GET", "/health"): _health,
    ("POST", "/setup"): _setup,
    ("POST", "/predict"): _predict,
    ("POST", "/webhook"): _webhook,
    ("GET", "/versions"): _versions,
    ("POST", "/score"): _score,
    ("GET", "/projects/{project}"): _project,
    ("POST", "/projects/{project}/check"): _check,
    ("POST", "/projects/{project}/current"): _promote,
    ("POST", "/projects/{project}/sample"): _sample,
    ("GET", "/metrics"): _metrics,
    ("GET", "/openapi.json"): _openapi,
}
