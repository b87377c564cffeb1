"""Label Studio, read and written: every call that Crux makes, in one class.

transport.py calls the SDK and translates its errors; task.py, project.py and schema.py read its
answers. Nothing outside this folder knows the SDK or Label Studio's JSON.

Facts that shaped it (Label Studio 1.23.2, label-studio-sdk 2.1.2, each tried on a real server):
- the bulk import ignores a task's `overlap`; changing it later leaves `is_labeled` stale, and the
  queue goes by that;
- while SQLite is busy it repeats an import, and may then have lost annotations and predictions;
- nobody is served a task in which an annotation, even a cancelled one, stands in their name;
- the bulk import of predictions answers 201 and drops those whose label is unknown: count them;
- the action delete_tasks with an empty list of ids deletes every task of the project.
"""

from selection.studio.connections import Connections, MlBackend, Webhook
from selection.studio.people import Person
from selection.studio.predictions import Predictions
from selection.studio.project import Project, Projects
from selection.studio.schema import Schema, parse_schema
from selection.studio.tabs import Tabs
from selection.studio.task import Annotation, Prediction, Task, prediction
from selection.studio.tasks import Tasks

__all__ = [
    "Annotation", "MlBackend", "Person", "Prediction", "Project", "Schema", "Studio", "Task",
    "Webhook", "parse_schema", "prediction",
]  # fmt: skip


class Studio(Projects, Tasks, Predictions, Tabs, Connections):
    """A Label Studio server, seen through one user's token: Studio(url, token, timeout=30.0).

    See Caller for what every call can raise.
    """
