"""What the routes take and answer: pydantic models, which check requests and describe them.

Label Studio sends more than is declared here, a user's token among it. What is not declared is
dropped before anything sees it, except in the events that CruxModel.fit is given.
"""

import re
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

from selection.pool_sample import PoolSample
from selection.record import Paid, Record, TrainingState, Version
from selection.studio.task import Json

MOST_TEXTS = 1_000  # to be read in one request
MOST_SAMPLED = 10_000  # which come in one request
MOST_CHARACTERS = 1_000_000  # of a text, of which the model reads the first few hundred


class TooMuch(ValueError):
    """Only the size of a value is wrong."""


def project_number(value: object) -> int | None:
    """Return a project's number as Label Studio writes it: 7, "7", "7.1700000000" or an object.

    None if it is none.
    """
    if isinstance(value, dict):
        value = value.get("id")
    # no more digits than any database has: the number becomes the name of a folder
    found = re.fullmatch(r"(\d{1,18})(\.\d*)?", str(value), re.ASCII)
    return int(found.group(1)) if found else None


def _whole(value: object) -> object:
    """Turn 7.0 into 7: JSON does not tell them apart."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: object) -> int:
    number = project_number(value)
    if number is None:
        raise ValueError("it is not the number of a project")
    return number


def _texts(texts: list[str]) -> list[str]:
    if len(texts) > MOST_TEXTS:
        raise TooMuch(f"{len(texts)} texts are more than {MOST_TEXTS}: send several requests.")
    return _short(texts)


def _sampled(texts: list[str]) -> list[str]:
    if len(texts) > MOST_SAMPLED:
        raise TooMuch(f"{len(texts)} texts are more than {MOST_SAMPLED}: send fewer.")
    return _short(texts)


def _short(texts: list[str]) -> list[str]:
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


class ProjectObject(BaseModel):
    """A project as Label Studio's webhooks send it: a whole object."""

    id: _Number


Project = Annotated[
    _Number | ProjectObject,
    AfterValidator(lambda value: _number(value.id if isinstance(value, ProjectObject) else value)),
    Field(description="the number of a project"),
]
_Text = Annotated[str, Field(json_schema_extra={"maxLength": MOST_CHARACTERS})]
Texts = Annotated[
    list[_Text],
    AfterValidator(_texts),
    Field(description="a list of strings", json_schema_extra={"maxItems": MOST_TEXTS}),
]


class Body(BaseModel):
    """A request's body. What it does not declare is dropped."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class SetupBody(Body):
    """POST /setup, which Label Studio sends before every /predict. Its token is not read."""

    project: Project
    label_config: Annotated[str, AfterValidator(_unicode)] | None = Field(
        default=None, alias="schema", description="the project's label config"
    )


class PredictBody(Body):
    """POST /predict."""

    tasks: list[Json] = Field(description="a list of task objects")
    project: Project
    params: Any = Field(default=None, description="an object; only its context is read")

    @property
    def context(self) -> Json | None:
        """What the annotator has drawn so far; None for an ordinary prediction."""
        context = self.params.get("context") if isinstance(self.params, dict) else None
        return context if isinstance(context, dict) else None

    @model_validator(mode="before")
    @classmethod
    def _project_of_the_tasks(cls, body: Any) -> Any:
        """Older versions of Label Studio name the project in each task only."""
        if isinstance(body, dict) and body.get("project") is None:
            tasks = body.get("tasks")
            first = tasks[0] if isinstance(tasks, list) and tasks else None
            if isinstance(first, dict) and "project" in first:
                return {**body, "project": first["project"]}
        return body


class WebhookBody(Body):
    """POST /webhook. An event without a project's number is accepted and does nothing."""

    model_config = ConfigDict(extra="allow", frozen=True)

    action: str = Field(description="the name of the event")
    project: Any = Field(default=None, description="the number of a project, or its object")

    @property
    def payload(self) -> Json:
        """The event as label-studio-ml passes it on: without its name."""
        return {**(self.model_extra or {}), "project": self.project}


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
    last: StrictBool = Field(
        default=False,
        description="true or false: whether to make the loop's last version, from every verdict",
    )


class SampleBody(Body):
    """POST /projects/{project}/sample."""

    texts: Annotated[
        list[_Text],
        AfterValidator(_sampled),
        Field(description="a list of strings", json_schema_extra={"maxItems": MOST_SAMPLED}),
    ]
    weight: list[Annotated[float, Field(strict=True, gt=0, le=1e15)]] = Field(
        default_factory=list,
        description="a list of positive numbers, how many texts of the pool each text stands for; "
        "1 if left out",
    )

    def as_sample(self) -> PoolSample:
        """Return the sample with its weights. Raises ValueError unless there is one for each."""
        return PoolSample(tuple(self.texts), tuple(self.weight or [1.0] * len(self.texts)))


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
    """The server runs; the model need not be loaded."""

    status: Literal["UP"] = "UP"
    model_class: str = "CruxModel"


class ModelVersion(BaseModel):
    """The version that would answer now."""

    model_version: str


class Predictions(ModelVersion):
    """One prediction per task, in order; [] for blind tasks and those without a usable text."""

    results: list[Json | list[Json]]


class Queued(BaseModel):
    """Whether the worker will look at the project."""

    queued: bool


class Versions(BaseModel):
    """Names of versions, oldest first."""

    versions: list[str]


class Scores(ModelVersion):
    """Probabilities of the labels: one row per text, one column per label."""

    labels: list[str]
    probabilities: list[list[Annotated[float, Field(ge=0, le=1.001)]]]


class ProjectState(BaseModel):
    """Versions (oldest first), records of rounds, and the worker's state."""

    project: int
    current: str
    versions: list[Version]
    rounds: list[Record]
    training: TrainingState
    worker: bool
    paid: Paid
    count_imported: bool


class Current(BaseModel):
    """The version in force."""

    current: str


class Kept(BaseModel):
    """How many texts were kept."""

    kept: int


class Error(BaseModel):
    """What is wrong, with which value, and what to do."""

    error: str
