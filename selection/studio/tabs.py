"""The tabs of the Data Manager: one a round, with the round's tasks in their order."""

from typing import Any

from selection.studio.transport import Caller

TAB_HIDES = (
    "inner_id", "completed_at", "cancelled_annotations", "annotations_results", "annotations_ids",
    "predictions_results", "file_upload", "storage_filename", "created_at", "updated_at",
    "updated_by", "avg_lead_time", "draft_exists", "comment_count", "unresolved_comment_count",
    "comment_authors", "last_comment_updated_at", "reviewed", "reviewers", "data.crux_id",
)  # fmt: skip
LABELING_HIDES = (
    "annotators", "total_predictions", "predictions_score", "predictions_model_versions",
    "data.crux_round", "data.crux_order",
)  # fmt: skip


class Tabs(Caller):
    """The calls about tabs."""

    def tabs(self, project_id: int) -> tuple[str, ...]:
        """Return the names of the tabs."""
        views = self._read(
            f"the tabs of project {project_id}", lambda: self._sdk.views.list(project=project_id)
        )
        return tuple(str((view.data or {}).get("title", "")) for view in views)

    def create_tab(self, project_id: int, title: str, round: int) -> int:
        """Create a tab with the tasks whose data.crux_round is `round`, by data.crux_order."""
        columns = ("tasks:data.crux_round", "tasks:data.crux_order")
        data: Any = {
            "title": title,
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": f"filter:{columns[0]}",
                        "operator": "equal",
                        "type": "Number",
                        "value": round,
                    }
                ],
            },
            "ordering": [columns[1]],
            # Without the display type Label Studio sorts as text: 10 before 2.
            "columnsDisplayType": dict.fromkeys(columns, "Number"),
            # What is left fits a screen: progress, who answered, the model's answer, the text.
            "hiddenColumns": {
                "explore": [f"tasks:{name}" for name in TAB_HIDES],
                "labeling": [f"tasks:{name}" for name in (*TAB_HIDES, *LABELING_HIDES)],
            },
        }
        made = self._ask(
            f"the tab {title!r}", lambda: self._sdk.views.create(project=project_id, data=data)
        )
        return int(made.id or 0)
