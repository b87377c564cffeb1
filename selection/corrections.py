"""Whether verdicts changed after their round was measured: corrected, added or deleted."""

from collections.abc import Sequence

from selection.collect import Collected
from selection.record import Record


def changed_since(collected: Collected, records: Sequence[Record]) -> bool:
    """Return whether a verdict was corrected, added or deleted after its round was measured.

    What comes in after an early training completes its round. While any verdict is of a label that
    the project no longer has, nothing counts as corrected: the admin who renamed it must not lose
    what was measured.
    """
    if not records or not records[-1].verdicts or not records[-1].complete:
        return False
    digest = collected.until(records[-1].round).digest
    return digest != records[-1].verdicts and not collected.lost_labels
