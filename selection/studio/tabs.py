"""The tabs of the Data Manager: one a round, with the round's open tasks in their order.

Whoever clicks a row opens the answers that the task has, so no tab lists an answered task.

Facts that shaped it (Label Studio 1.23.2, seen in a browser): a project's page opens its first
tab, the same one for everybody; only ?tab= chooses another. The page makes the tab Default when it
is opened while there is none. "Label All Tasks" does not go by a tab's filters.
"""

from typing import Any

from selection.studio.task import Json
from selection.studio.transport import Caller

DEFAULT = "Default"
ROUND, ORDER = "tasks:data.crux_round", "tasks:data.crux_order"
ANSWER, ANSWER_WIDTH = "tasks:predictions_results", 260  # pixels: Label Studio shows it as JSON
TAB_HIDES = (
    "inner_id", "completed_at", "cancelled_annotations", "annotations_results", "annotations_ids",
    "annotators", "total_predictions", "predictions_model_versions", "file_upload",
    "storage_filename", "created_at", "updated_at", "updated_by", "avg_lead_time", "draft_exists",
    "comment_count", "unresolved_comment_count", "comment_authors", "last_comment_updated_at",
    "reviewed", "reviewers", "data.crux_id", "data.crux_round",
)  # fmt: skip
LABELING_HIDES = (
    "predictions_score", "predictions_results", "data.crux_order", "data.crux_region",
)  # fmt: skip


class Tabs(Caller):
    """The calls about tabs."""

    def tabs(self, project_id: int) -> tuple[str, ...]:
        """Return the names of the tabs; the page opens the first."""
        return tuple(_title(view) for view in self._views(project_id))

    def create_tab(self, project_id: int, title: str, round: int) -> int:
        """Create the first tab: open tasks whose data.crux_round is `round`, by data.crux_order.

        The tab Default hides answered tasks from now on, too.
        """
        self.hide_answered(project_id)
        what = f"the tab {title!r}"
        # A new tab gets as its place the number of those that exist, so these move behind that.
        # Numbers of no tab only take a place. If the creation fails, a repetition starts anew.
        others = [view.id for view in self._views(project_id)]
        places = [*[0] * (len(others) + 1), *others]
        self._ask(what, lambda: self._sdk.views.update_order(project=project_id, ids=places))
        data: Any = {
            "title": title,
            "filters": {"conjunction": "and", "items": [_equal(ROUND, round), _OPEN]},
            "ordering": [ORDER],
            # Without the display type Label Studio sorts as text: 10 before 2.
            "columnsDisplayType": dict.fromkeys((ROUND, ORDER), "Number"),
            "columnsWidth": {ANSWER: ANSWER_WIDTH},
            # What is left fits a screen: progress, the model's answer and its score, the text.
            "hiddenColumns": {
                "explore": [f"tasks:{name}" for name in TAB_HIDES],
                "labeling": [f"tasks:{name}" for name in (*TAB_HIDES, *LABELING_HIDES)],
            },
        }
        made = self._ask(what, lambda: self._sdk.views.create(project=project_id, data=data))
        return int(made.id or 0)

    def hide_answered(self, project_id: int) -> bool:
        """Filter the tab Default as a round's tab, unless it has filters; return whether it did."""
        view = next((v for v in self._views(project_id) if _is_bare_default(v)), None)
        if view is None:
            return False
        # An update replaces all that the tab keeps, its columns among it.
        data: Any = {**view.data, "filters": {"conjunction": "and", "items": [_OPEN]}}
        self._ask(
            f"the tab {DEFAULT!r}",
            lambda: self._sdk.views.update(str(view.id), project=project_id, data=data),
        )
        return True

    def _views(self, project_id: int) -> list[Any]:
        return self._read(
            f"the tabs of project {project_id}", lambda: self._sdk.views.list(project=project_id)
        )


def _equal(column: str, value: int) -> Json:
    return {"filter": f"filter:{column}", "operator": "equal", "type": "Number", "value": value}


_OPEN = _equal("tasks:total_annotations", 0)  # skips are not counted


def _is_bare_default(view: Any) -> bool:
    return _title(view) == DEFAULT and not (view.data.get("filters") or {}).get("items")


def _title(view: Any) -> str:
    return str((view.data or {}).get("title", ""))
