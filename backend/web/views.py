"""What each route does: (process, checked body, project) -> answer. Nothing of HTTP."""

from collections.abc import Callable
from typing import Any

from backend.versions.manifest import describe
from backend.web import schemas as messages
from backend.web.guard import Refused
from backend.web.ml_base import hear, predictions
from backend.web.openapi import document
from backend.web.state import Process
from selection.errors import BackendError
from selection.record import ProjectState
from selection.studio.schema import parse_schema

View = Callable[[Process, Any, int], Any]


def _health(process: Process, body: None, project: int) -> messages.Health:
    return messages.Health()


def _setup(process: Process, body: messages.SetupBody, project: int) -> messages.ModelVersion:
    """Label Studio asks before every /predict, and waits 3 s: no model, nothing kept."""
    if body.label_config and body.label_config.strip():
        # a config that does not fit is said at connecting
        process.told(project, parse_schema(body.label_config))
    return messages.ModelVersion(model_version=process.serving.manifest(project).version)


def _predict(process: Process, body: messages.PredictBody, project: int) -> messages.Predictions:
    most = process.settings.most_tasks
    if len(body.tasks) > most:
        raise Refused(
            f"{len(body.tasks)} tasks are more than {most}: select fewer, or raise "
            f"CRUX_MOST_TASKS.",
            413,
        )
    results = predictions(process, project, _readable(process, project, body.tasks))
    # a version may have been promoted meanwhile, or the prompted one have stood in
    said = next((one["model_version"] for one in results if one), None)
    version = said or process.serving.manifest(project).version
    return messages.Predictions(results=results, model_version=version)


def _readable(process: Process, project: int, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks, without the data of those whose text is too long: the others must not fail."""
    field, most = process.schema(project).text_field, messages.MOST_CHARACTERS
    found = []
    for task in tasks:
        data = task.get("data")
        text = data.get(field) if isinstance(data, dict) else None
        too_long = isinstance(text, str) and len(text) > most
        found.append({**task, "data": {}} if too_long else task)
    return found


def _webhook(process: Process, body: messages.WebhookBody, project: int) -> messages.Queued:
    return messages.Queued(**hear(process, body.action, {"project": body.project}))


def _versions(
    process: Process, body: messages.VersionsQuery, project: int | None
) -> messages.Versions:
    registry = process.serving.registry
    asked = registry.projects() if project is None else [project]
    names = [manifest.version for one in asked for manifest in registry.versions(one)]
    return messages.Versions(versions=names)


def _score(process: Process, body: messages.ScoreBody, project: int) -> messages.Scores:
    manifest, matrix = process.serving.score(project, body.texts, body.version)
    process.metrics.asked(len(body.texts))
    return messages.Scores(
        model_version=manifest.version,
        labels=list(manifest.labels),
        probabilities=[[float(value) for value in row] for row in matrix],
    )


def _project(process: Process, body: None, project: int) -> dict[str, Any]:
    registry = process.serving.registry
    state = ProjectState(
        project=project,
        current=process.serving.manifest(project).version,
        versions=tuple(describe(manifest) for manifest in registry.versions(project)),
        rounds=tuple(registry.records(project)),
        training=registry.training(project),
        worker=_worker(process),
    )
    return state.as_json()


def _worker(process: Process) -> bool:
    """Whether one is at work, as far as can be told: versions are shown without Redis too."""
    try:
        return process.jobs.alive()
    except BackendError:
        return False


def _check(process: Process, body: messages.CheckBody, project: int) -> messages.Queued:
    # one that is at work is looked at also while Label Studio is away
    if project not in process.serving.registry.projects():
        process.schema(project)
    process.look(project, body.forced)
    return messages.Queued(queued=True)


def _promote(process: Process, body: messages.PromoteBody, project: int) -> messages.Current:
    manifest = process.serving.registry.promote(project, body.version)
    process.look(project, False)  # the open tasks' predictions follow
    return messages.Current(current=manifest.version)


def _sample(process: Process, body: messages.SampleBody, project: int) -> messages.Kept:
    process.schema(project)  # a number that is no project's gets no folder
    process.serving.registry.save_sample(project, body.texts)
    return messages.Kept(kept=len(body.texts))


def _metrics(process: Process, body: None, project: int) -> bytes:
    return process.metrics.text()


def _openapi(process: Process, body: None, project: int) -> dict[str, Any]:
    return document(process.settings)


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
