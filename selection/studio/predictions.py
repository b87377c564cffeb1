"""Predictions in bulk: Label Studio saves those that it asks a backend for one at a time."""

from collections.abc import Sequence
from typing import Any

from selection.errors import StudioError
from selection.studio.task import Json
from selection.studio.transport import IMPORT_CHUNK, Caller


class Predictions(Caller):
    """The calls about predictions."""

    def import_predictions(self, project_id: int, predictions: Sequence[Json]) -> int:
        """Add {"task": id, **prediction(...)} beside earlier ones; return how many were added.

        Raises StudioError if Label Studio took fewer than were sent.
        """
        taken = 0
        for start in range(0, len(predictions), IMPORT_CHUNK):
            chunk: Any = predictions[start : start + IMPORT_CHUNK]
            answer = self._ask(
                f"predictions for project {project_id}",
                lambda chunk=chunk: self._sdk.projects.import_predictions(  # type: ignore[misc]
                    project_id, request=chunk
                ),
            )
            taken += answer.created or 0
        if taken != len(predictions):
            raise StudioError(
                f"Label Studio took {taken} of {len(predictions)} predictions for project "
                f"{project_id}: their labels do not fit the label config. Run the round again "
                "with the present config."
            )
        return taken
