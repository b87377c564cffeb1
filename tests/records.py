"""Records of rounds for tests: whole by default, with the fields changed that a test is about."""

from typing import Any

from selection.record import Record
from selection.types import Estimate

NONE = Estimate.undefined(0, "no item was judged.")


def record(round: int = 0, **changes: Any) -> Record:
    """A settled record in which nothing was measured."""
    body: dict[str, Any] = {
        "round": round, "complete": True, "labels": 6, "labels_bought": 18,
        "version": f"round{round}-a", "candidate": f"round{round}-a", "promoted": True,
        "promotion": "it is not worse.", "settled": True,
        "expert_kappa": NONE, "boundary_kappa": NONE,
        "production_kappa": NONE, "start_kappa": NONE, "gap": NONE,
    }  # fmt: skip
    return Record(**{**body, **changes})
