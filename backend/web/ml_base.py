"""CruxModel: the label-studio-ml model that Label Studio talks to, for both generations of it.

create_app() makes one instance per app. label-studio-ml's own init_app() serves the class too:

    from label_studio_ml.api import init_app
    app = init_app(model_class=CruxModel, model_dir="jobs")   # 1.0.9; 2.x takes no model_dir

There the settings come from the environment (CRUX_…), and the worker runs beside it as usual. That
app has no secret (2.x has BASIC_AUTH_USER and BASIC_AUTH_PASS), no limits and none of our own
routes, which `crux round` needs; it answers errors with traces, and at level DEBUG it logs tokens.
A changed policy is noticed after a minute.

- 1.0.9 answers 500 to /predict until its process has seen a /setup. Its /setup names versions of
  its own, so Label Studio stores each prediction again when it retrieves them. An event starts a
  process that takes seconds; without model_dir it is lost.
- 2.x passes on only ANNOTATION_CREATED, ANNOTATION_UPDATED, ANNOTATION_DELETED and START_TRAINING.
"""

import logging

from label_studio_ml.model import LabelStudioMLBase

from backend.web.schemas import MOST_CHARACTERS, project_number
from backend.web.state import Process, shared_process
from selection.errors import ProjectError
from selection.studio.task import Json, prediction

log = logging.getLogger(__name__)

START = "START_TRAINING"


class CruxModel(LabelStudioMLBase):  # type: ignore[misc]  # label-studio-ml carries no types
    """Pre-annotates with the project's current version; an event makes the worker look.

    An instance keeps nothing of its own: everything is in `process`. To change what it does,
    override predict and fit, and pass the class to create_app(). There one instance serves all
    projects and threads: `project` is an argument of predict, and the instance has no label config.
    """

    TRAIN_EVENTS = (
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_DELETED",
        "ANNOTATIONS_DELETED",
        START,
    )

    @property
    def process(self) -> Process:
        """The app's state; that of the whole process if label-studio-ml made the instance."""
        return shared_process()

    def setup(self) -> None:
        """Give label-studio-ml 2.x the current version, which its /setup answers.

        The constructor of 2.x calls this. Raises CruxError if Label Studio cannot be asked.
        """
        project = project_number(getattr(self, "project_id", None))
        if project is not None:
            version = self.process.current_version(project)
            if self.get("model_version") != version:  # each write goes to a database on disk
                self.set("model_version", version)

    def predict(
        self,
        tasks: list[Json],
        context: Json | None = None,
        project: object = None,
        **kwargs: object,
    ) -> list[Json | list[Json]]:
        """Return one prediction per task, in order; [] for tasks that get none.

        Those are the blind ones, whose meta.crux says so, and those without a usable text; they
        never fail the others. context: not used. project: as Label Studio writes it; if None, that
        of the instance (2.x) or of the first task. Raises CruxError.
        """
        own = getattr(self, "project_id", None)
        given = (project, own, *(task.get("project") for task in tasks[:1]))
        numbers = [number for number in map(project_number, given) if number is not None]
        if not numbers:
            raise ProjectError(
                "The request names no project: send its number as 'project', or in each task."
            )
        return _predictions(self.process, numbers[0], tasks)

    def fit(self, event: str, data: Json, **kwargs: object) -> dict[str, bool]:
        """Ask the worker to look at the project, and return at once; {"queued": whether it will}.

        An event is only a hint, sent once: the worker reads the annotations in Label Studio.
        Raises BackendError if the queue cannot be written.
        """
        project = project_number(data.get("project"))
        if project is None:
            return {"queued": False}
        if event.startswith("PROJECT_"):
            self.process.project_changed(project)
        if event not in self.TRAIN_EVENTS:
            return {"queued": False}
        self.process.look(project, event == START)
        return {"queued": True}

    def process_event(self, event: str, data: Json, job_id: str, additional_params: Json) -> object:
        """Call fit as 2.x does, also from 1.0.9's jobs, and for every event."""
        return self.fit(event, data, job_id=job_id, **additional_params)


def make_model(model_class: type[CruxModel], process: Process) -> CruxModel:
    """Return an instance whose `process` is this one, also while its constructor runs."""
    bound = type(model_class.__name__, (model_class,), {"process": process})
    model: CruxModel = bound(label_config="<View/>")  # without one, 2.x warns that it is missing
    return model


def _predictions(process: Process, project: int, tasks: list[Json]) -> list[Json | list[Json]]:
    field = process.schema(project).text_field
    texts, wanted = [], []
    for position, task in enumerate(tasks):
        text = None if _blind(task) else _text(task, field)
        if text is not None:
            wanted.append(position)
            texts.append(text)
    # Label Studio would store and show an empty prediction; it passes over an empty list
    found: list[Json | list[Json]] = [[] for _ in tasks]
    if texts:
        version, probabilities = process.score(project, texts)
        schema = process.schema(project)
        for position, row in zip(wanted, probabilities, strict=True):
            label = version.labels[int(row.argmax())]
            found[position] = prediction(schema, label, float(row.max()), version.version)
    return found


def _blind(task: Json) -> bool:
    meta = task.get("meta")
    crux = meta.get("crux") if isinstance(meta, dict) else None
    return isinstance(crux, dict) and bool(crux.get("blind"))


def _text(task: Json, field: str) -> str | None:
    data = task.get("data")
    text = data.get(field) if isinstance(data, dict) else None
    if isinstance(text, str) and text.strip() and len(text) <= MOST_CHARACTERS:
        return text
    wrong = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
    log.warning(
        "task %s: its data has no usable text in '%s' (%s); it gets no prediction",
        task.get("id"), field, wrong,
    )  # fmt: skip
    return None
