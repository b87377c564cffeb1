"""What people were paid for: every verdict that the worker ever saw, under which policy.

    home/projects/7/verdicts.json    number of the annotation -> what was given

Label Studio forgets the verdicts of a task that is deleted, and tells no verdict's policy. So the
worker writes both down when it sees a verdict first, seconds after it was given. Who gave what and
when is there for people who want to check what they pay for.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, fields, replace

from backend.versions.registry import Registry
from selection.collect import Collected
from selection.errors import VersionError
from selection.record import Paid

FILE = "verdicts.json"


@dataclass(frozen=True)
class Entry:
    """A verdict. text: its id in the pool. policy: hash of the policy when it was first seen.

    gone: Label Studio does not have the annotation any more.
    """

    text: str
    round: int
    role: str
    expert: str
    given: str
    policy: str
    gone: bool = False


def note(
    registry: Registry, project: int, collected: Collected, there: Collection[int], policy: str
) -> Paid:
    """Write down the verdicts that are new, and which are gone; return the sums.

    there: numbers of all annotations that Label Studio has. policy: hash of the policy in force.
    Where nothing is written down yet, a verdict gets the policy under which its text was pushed.
    Raises CruxError.
    """
    known = entries(registry, project)
    now = {
        str(answer.annotation): Entry(
            item.card.id, item.card.round, item.card.role, answer.expert, answer.given,
            policy if known else item.card.policy or policy,
        )
        for item in collected.items
        for answer in item.answers
        if answer.kind != "skip"
    }  # fmt: skip
    still = {str(number) for number in there}
    every = {
        number: replace(entry, gone=number not in still)
        for number, entry in (now | known).items()
    }
    if every != known:
        registry.keep(project, FILE, {number: asdict(one) for number, one in every.items()})
    return _sums(every.values())


def paid(registry: Registry, project: int) -> Paid:
    """Return the sums. Raises VersionError for a damaged file."""
    return _sums(entries(registry, project).values())


def _sums(every: Collection[Entry]) -> Paid:
    here = [one for one in every if not one.gone]
    return Paid(len(every), len(every) - len(here), dict(Counter(one.policy for one in here)))


def entries(registry: Registry, project: int) -> dict[str, Entry]:
    """Return number of the annotation -> its verdict. Raises VersionError for a damaged file."""
    try:
        body = registry.read(project, FILE) or {}
        names = [field.name for field in fields(Entry)]  # a newer Crux may have written more
        return {
            str(number): Entry(**{name: one[name] for name in names if name in one})
            for number, one in body.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise VersionError(
            f"The ledger {registry.folder(project) / FILE} is damaged ({error}). Delete it: it is "
            f"made anew of the verdicts that are in Label Studio, without those that were deleted."
        ) from None
