"""The routes: what each takes and answers. app.py binds the table, openapi.py describes it."""

from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel

from backend.web import schemas as messages


@dataclass(frozen=True)
class Route:
    """One operation.

    path: with {project} for a project's number. answer: the model of a good answer, None for plain
    text, dict for an object that is described elsewhere. waits: for the model, so that only a
    limited number is let in at once. open: needs no secret. failures: statuses of other refusals.
    """

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | type[dict[str, object]] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    waits: bool = False
    open: bool = False
    failures: tuple[int, ...] = ()

    @property
    def endpoint(self) -> str:
        """Flask's name for it, which must not hold a dot."""
        return f"{self.method} {self.path}".replace(".", " ")

    @property
    def numbered(self) -> bool:
        """Whether a project's number stands in the path."""
        return "{project}" in self.path

    @cached_property
    def errors(self) -> tuple[int, ...]:
        """The statuses of all refusals."""
        found = {500, *self.failures}
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


# Label Studio does not know the project, the project does not fit, it refuses our token, it is down
STUDIO = (404, 422, 502, 503)
ROUTES = (
    Route("GET", "/health", "Whether the server runs", messages.Health, open=True),
    Route(
        "POST", "/setup", "The version that would answer now; Label Studio asks it all the time",
        messages.ModelVersion, messages.SetupBody, failures=STUDIO,
    ),
    Route(
        "POST", "/predict", "Predictions for Label Studio's tasks",
        messages.Predictions, messages.PredictBody, waits=True, failures=STUDIO,
    ),
    Route(
        "POST", "/webhook", "An event of Label Studio; at most the worker looks, later",
        messages.Queued, messages.WebhookBody, status=201, failures=(503,),
    ),
    Route(
        "GET", "/versions", "Names of the versions of one project, or of all",
        messages.Versions, query=messages.VersionsQuery, failures=(404,),
    ),
    Route(
        "POST", "/score", "Probabilities of the project's labels for texts",
        messages.Scores, messages.ScoreBody, waits=True, failures=STUDIO,
    ),
    Route(
        "GET", "/projects/{project}", "Versions, rounds and training of a project",
        messages.ProjectState, failures=STUDIO,
    ),
    Route(
        "POST", "/projects/{project}/check", "Have the worker look at the project",
        messages.Queued, messages.CheckBody, status=202, failures=STUDIO,
    ),
    Route(
        "POST", "/projects/{project}/current", "Promote a version",
        messages.Current, messages.PromoteBody, failures=(409, *STUDIO),
    ),
    Route(
        "POST", "/projects/{project}/sample", "Keep drawn texts of the pool",
        messages.Kept, messages.SampleBody, failures=(409, *STUDIO),
    ),
    Route("GET", "/metrics", "Figures for Prometheus", None),
    Route("GET", "/openapi.json", "This description", dict),
)  # fmt: skip
ENDPOINTS = {route.endpoint: route for route in ROUTES}
