"""What people were paid for: every verdict that the worker ever saw, under which policy.

    home/projects/7/verdicts.json    number of the annotation -> what was given

Label Studio forgets the verdicts of a task that is deleted, and tells no verdict's policy. So the
worker writes both down when it sees a verdict first, seconds after it was given.
"""

from collections import Counter
from dataclasses import asdict, dataclass

from backend.versions.registry import Registry
from selection.collect import Collected
from selection.errors import VersionError
from selection.record import Paid

FILE = "verdicts.json"


@dataclass(frozen=True)
class Entry:
    """A verdict. text: its id in the pool. policy: hash of the policy when it was first seen.

    gone: Label Studio does not have it any more.
    """

    text: str
    round: int
    role: str
    expert: str
    given: str
    policy: str
    gone: bool = False


def note(registry: Registry, project: int, collected: Collected, policy: str) -> None:
    """Write down the verdicts that are new, and which are gone. Raises CruxError.

    policy: hash of the policy in force.
    """
    known = entries(registry, project)
    now = {
        str(answer.annotation): (item, answer)
        for item in collected.items
        for answer in item.answers
        if answer.kind != "skip"
    }
    found = {
        number: Entry(
            item.card.id, item.card.round, item.card.role, answer.expert, answer.given, policy
        )
        for number, (item, answer) in now.items()
        if number not in known
    }
    changed = found | {
        number: Entry(**{**asdict(entry), "gone": number not in now})
        for number, entry in known.items()
        if entry.gone == (number in now)
    }
    if changed:
        every = known | changed
        registry.keep(project, FILE, {number: asdict(one) for number, one in every.items()})


def paid(registry: Registry, project: int) -> Paid:
    """Return the sums."""
    every = entries(registry, project).values()
    here = [one for one in every if not one.gone]
    return Paid(len(every), len(every) - len(here), dict(Counter(one.policy for one in here)))


def entries(registry: Registry, project: int) -> dict[str, Entry]:
    """Return number of the annotation -> its verdict. Raises VersionError for a damaged file."""
    try:
        body = registry.read(project, FILE) or {}
        return {str(number): Entry(**one) for number, one in body.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise VersionError(
            f"The ledger {registry.folder(project) / FILE} is damaged ({error}). Delete it: it is "
            f"made anew of the verdicts that are in Label Studio."
        ) from None
