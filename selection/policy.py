"""The policy as experts and model read it: its words and labels, named by a short hash."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from selection.record import ProjectState

CHOICES = (
    "Put the old words back; or go on under the new ones with crux round --new-policy, and the old "
    "verdicts count as if given under them; or begin anew in another project."
)


def policy_hash(policy: str, labels: Sequence[str]) -> str:
    """Return 8 hex digits that name a policy: its plain text, and the labels in their order."""
    words = "\0".join((policy.strip(), *labels))
    return blake2b(words.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


@dataclass(frozen=True)
class PolicyState:
    """Which policies are in play, by their hashes.

    now: of the project. pushed: of the newest round; "" before the first, or of an older Crux.
    version: of the version in force; "" where it is not known. verdicts: policy -> how many
    verdicts were given under it.
    """

    now: str
    pushed: str
    version: str
    verdicts: Mapping[str, int]

    @property
    def older(self) -> int:
        """Verdicts that were given under other words or labels."""
        return sum(count for policy, count in self.verdicts.items() if policy != self.now)

    @property
    def changed(self) -> bool:
        """Whether somebody must decide: the policy is not that of the newest round."""
        return self.pushed not in ("", self.now)

    @property
    def sentence(self) -> str:
        """Say what rests on an earlier policy, and what the choices are; "" if nothing does."""
        rests = []
        if self.older:
            total = sum(self.verdicts.values())
            were = "was" if self.older == 1 else "were"
            given = f"{self.older} of {total} verdicts {were} given"
            rests.append(f"{given} under other words or labels")
        if self.version not in ("", self.now):
            rests.append("the version in force was made under other ones")
        if self.changed and not rests:
            rests.append("the newest round was pushed under other words or labels")
        if not rests:
            return ""
        earlier = sorted({*self.verdicts, self.pushed, self.version} - {"", self.now})
        said = f"{' and '.join(rests)} ({', '.join(earlier)})"
        if self.changed:
            return f"The policy has changed (it is {self.now} now): {said}. {CHOICES}"
        return f"Under the present policy ({self.now}) older verdicts count too: {said}."


def policy_state(
    policy: str, labels: Sequence[str], pushed: str, backend: ProjectState
) -> PolicyState:
    """Compare the project's policy with what the backend tells.

    pushed: hash on the newest round's cards.
    """
    made = next((v for v in backend.versions if v.version == backend.current), None)
    trained = made is not None and made.kind == "trained"
    return PolicyState(
        policy_hash(policy, labels),
        pushed,
        policy_hash(made.policy, made.labels) if made and trained else "",
        backend.paid.policies,
    )
