"""What the routes take and answer: pydantic models, which check requests and describe them.

Label Studio sends more than is named here, a user's token among it; what is not named is dropped
before anything sees it.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)

from backend.web.ml_base import project_number

MOST_TEXTS = 1_000  # in one request; more belong into several
MOST_CHARACTERS = 1_000_000  # of a text, of which the model reads the first hundreds


class TooMuch(ValueError):
    """A value is good but for its size."""


def _whole(value: Any) -> Any:
    """JSON makes no difference between 7 and 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> int:
    number = project_number(value)
    if number is None:
        raise ValueError("it is not the number of a project")
    return number


def _texts(texts: list[str]) -> list[str]:
    if len(texts) > MOST_TEXTS:
        raise TooMuch(f"{len(texts)} texts are more than {MOST_TEXTS}: send several requests.")
    for position, text in enumerate(texts):
        if len(text) > MOST_CHARACTERS:
            raise TooMuch(
                f"texts[{position}] has {len(text)} characters, more than {MOST_CHARACTERS}: "
                f"cut it."
            )
    return texts


def _unicode(text: str) -> str:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("it has half a character")
    return text


_Digits = Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.[0-9]*)?$")]
_Number = Annotated[int, Field(strict=True, ge=0, lt=10**18), BeforeValidator(_whole)] | _Digits


class Named(BaseModel):
    """A project as Label Studio's webhooks send it: a whole object."""

    id: _Number


Project = Annotated[
    _Number | Named,
    AfterValidator(lambda value: _number(value.id if isinstance(value, Named) else value)),
    Field(description="the number of a project"),
]
Texts = Annotated[
    list[Annotated[str, Field(json_schema_extra={"maxLength": MOST_CHARACTERS})]],
    AfterValidator(_texts),
    Field(description="a list of strings", json_schema_extra={"maxItems": MOST_TEXTS}),
]


class Body(BaseModel):
    """A request's body. What it does not name is dropped."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SetupBody(Body):
    """POST /setup, before every /predict. Its access token is not read."""

    project: Project
    label_config: Annotated[str, AfterValidator(_unicode)] | None = Field(
        default=None, alias="schema", description="the project's label config"
    )


class PredictBody(Body):
    """POST /predict."""

    tasks: list[dict[str, Any]] = Field(description="a list of task objects")
    project: Project

    @model_validator(mode="before")
    @classmethod
    def _in_the_tasks(cls, body: Any) -> Any:
        """Older Label Studios name the project in each task only."""
        if isinstance(body, dict) and body.get("project") is None:
            tasks = body.get("tasks")
            first = tasks[0] if isinstance(tasks, list) and tasks else None
            if isinstance(first, dict) and "project" in first:
                return {**body, "project": first["project"]}
        return body


class WebhookBody(Body):
    """POST /webhook. An event of no project that we know is heard and left alone."""

    action: str = Field(description="the name of the event")
    project: Any = Field(default=None, description="the number of a project, or its object")


class ScoreBody(Body):
    """POST /score."""

    project: Project
    texts: Texts
    version: str | None = Field(
        default=None, description="the name of a version; the current one without"
    )


class CheckBody(Body):
    """POST /projects/{project}/check."""

    forced: StrictBool = Field(
        default=False, description="true or false: whether to train on unfinished rounds too"
    )


class SampleBody(Body):
    """POST /projects/{project}/sample."""

    texts: Texts


class PromoteBody(Body):
    """POST /projects/{project}/current."""

    version: str = Field(description="the name of a version")


class VersionsQuery(BaseModel):
    """GET /versions?project=7."""

    model_config = ConfigDict(extra="ignore")

    project: _Digits | None = Field(
        default=None, description="the number of a project; all of them without"
    )


class Health(BaseModel):
    """The server runs; nothing is said about the model."""

    status: Literal["UP"] = "UP"
    model_class: str = "CruxModel"


class ModelVersion(BaseModel):
    """The version that would answer now."""

    model_version: str


class Predictions(ModelVersion):
    """One prediction a task, in order; [] for blind tasks and those without a usable text."""

    results: list[dict[str, Any] | Annotated[list[Any], Field(max_length=0)]]


class Queued(BaseModel):
    """Whether the worker will look at the project."""

    queued: bool


class Versions(BaseModel):
    """Names of versions, oldest first."""

    versions: list[str]


class Scores(ModelVersion):
    """Probabilities of the labels: a row a text, a column a label."""

    labels: list[str]
    probabilities: list[list[Annotated[float, Field(ge=0, le=1.001)]]]


class Training(BaseModel):
    """What the worker does for a project: `done` of `total` steps or texts."""

    model_config = ConfigDict(extra="allow")

    state: str
    message: str
    done: int
    total: int


class ProjectState(BaseModel):
    """Versions (their manifests), records of rounds, and the worker's state."""

    project: int
    current: str
    versions: list[dict[str, Any]]
    rounds: list[dict[str, Any]]
    training: Training
    worker: bool


class Current(BaseModel):
    """The version in force."""

    current: str


class Kept(BaseModel):
    """How many texts were kept."""

    kept: int


class Error(BaseModel):
    """What is wrong, with which value, and what to do."""

    error: str
