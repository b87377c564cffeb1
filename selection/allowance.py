"""What a round may ask for: its usual size, or as much of it as the budget has left."""

from math import ceil, sqrt

from selection.config import Settings
from selection.second import LEAST


def allowance(settings: Settings, spent: int) -> tuple[int, int]:
    """Return how many texts a round chooses and how many it audits.

    spent: verdicts given so far. Where the budget does not reach for a whole round, both are made
    smaller alike; where nothing is left the round is whole, since somebody goes on all the same.
    """
    each = 1 + LEAST * (settings.experts - 1)  # verdicts an audited text
    whole = settings.per_round + settings.audit_per_round * each
    left = settings.budget - spent
    if left >= whole or left <= 0:
        return settings.per_round, settings.audit_per_round
    audit = int(settings.audit_per_round * left / whole)
    # which texts are judged twice is drawn, so that a few more may be than expected
    more = 2 * sqrt(audit * LEAST * (1 - LEAST)) * (settings.experts - 1)
    return max(left - ceil(audit * each + more), 1), audit
