"""What the backend measured and tells of a project: typed, immutable, the same on both sides.

Each type reads its JSON with `from_json` and writes it with `as_json`. On disk and over HTTP the
JSON is flat and stays readable: keys that are newer than a file have defaults, keys that are
newer than this code are ignored.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, Self

from selection.types import Estimate

Json = Mapping[str, Any]


@dataclass(frozen=True)
class WeakExpert:
    """An expert who agrees less with the others than these agree with each other.

    kappa: mean with the others. others: mean of the others with each other.
    """

    expert: str
    kappa: float
    others: float


@dataclass(frozen=True)
class Remeasured:
    """The version in force after an earlier round, by the verdicts of this one.

    round: the earlier one. kappa: of the version with the experts. gain: kappa of this round's
    version less that, on the same draws.
    """

    round: int
    version: str
    kappa: Estimate
    gain: Estimate

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote. Raises KeyError or TypeError for anything else."""
        kappa, gain = (Estimate.from_json(body[name]) for name in ("kappa", "gain"))
        return cls(int(body["round"]), str(body["version"]), kappa, gain)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "kappa": self.kappa.as_json(), "gain": self.gain.as_json()}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The kappas of the version in force after a round.

    expert_kappa: of the experts with each other. production_kappa, start_kappa: of the version
    and of the prompted one with the experts, on the audit. boundary_kappa: of the version that
    chose the round's texts, on those that experts judged blind, before they taught. gap: production
    kappa less the experts', on the same draws. gain: kappa now less kappa `patience` rounds ago,
    both on the same items; None when there are not that many rounds. patience: that number of
    rounds. expert_agreement: weighted share of equal verdicts. prevalence: label -> its weighted
    share of the audit's verdicts. earlier: the versions of earlier rounds, ascending, by all
    verdicts that there are now: what each round's own production kappa said rests on fewer texts.
    """

    expert_kappa: Estimate
    boundary_kappa: Estimate
    production_kappa: Estimate
    start_kappa: Estimate
    gap: Estimate
    gain: Estimate | None = None
    patience: int = 2
    expert_agreement: float | None = None
    prevalence: Mapping[str, float] = field(default_factory=dict)
    weakest_expert: WeakExpert | None = None
    earlier: tuple[Remeasured, ...] = ()


ESTIMATES = tuple(f.name for f in fields(Measurement) if f.type in (Estimate, Estimate | None))


@dataclass(frozen=True, kw_only=True)
class Record(Measurement):
    """One round: what was trained, whether it took over, and what was measured.

    complete: every verdict was there. labels: texts that taught the candidate. labels_bought:
    verdicts up to and including this round. version: the one in force after the round. candidate:
    the one that the round trained. promotion: why it was promoted or refused. ties: training texts
    left out because experts tie. train_seconds: 0 where nothing was trained. settled: Label Studio
    is in line with it. pointed: the pointer was moved to `version`. policy: hash of the policy at
    that time. verdicts: digest of all verdicts behind it; "" in an older record. final: the version
    that learned from the audit too when the loop ended after this round; "" if it did not.
    """

    round: int
    complete: bool
    labels: int
    labels_bought: int
    version: str
    candidate: str
    promoted: bool
    promotion: str
    settled: bool
    pointed: bool = False
    ties: int = 0
    train_seconds: float = 0.0
    policy: str = ""
    verdicts: str = ""
    start: str = ""
    final: str = ""

    @property
    def measures(self) -> tuple[str, ...]:
        """The versions whose kappa this is: a last one is quoted by the one before it."""
        return (self.version, self.final) if self.final else (self.version,)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        known = _known(cls, body)
        for name in ESTIMATES:
            if known.get(name) is not None:
                known[name] = Estimate.from_json(known[name])
            elif name != "gain":
                raise ValueError(f"its {name} is null")
        if known.get("weakest_expert") is not None:
            known["weakest_expert"] = WeakExpert(**known["weakest_expert"])
        known["earlier"] = tuple(map(Remeasured.from_json, known.get("earlier", ())))
        if type(known["round"]) is not int:
            raise ValueError(f"its round is {known['round']!r}")
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        """Return the record as flat JSON; what older records lack is left out where it is empty."""
        body = {f.name: getattr(self, f.name) for f in fields(self)}
        body |= {n: body[n] and body[n].as_json() for n in ESTIMATES}
        body["prevalence"] = dict(self.prevalence)
        body["earlier"] = [one.as_json() for one in self.earlier]
        if self.weakest_expert is not None:
            body["weakest_expert"] = asdict(self.weakest_expert)
        else:
            del body["weakest_expert"]
        for name in ("pointed", "start", "final", "earlier"):
            if not body[name]:
                del body[name]
        return body


@dataclass(frozen=True)
class TrainingState:
    """What the worker does for a project: `done` of `total` steps or texts.

    state: 'idle', 'training', 'evaluating', 'waiting' (for a server that is down) or 'failed'.
    failures: attempts in a row that failed. next_try: when the next one begins, ISO 8601 in UTC;
    "" where none is planned.
    """

    state: str = "idle"
    message: str = ""
    done: int = 0
    total: int = 0
    failures: int = 0
    next_try: str = ""

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote, or an older version of it. Raises TypeError."""
        return cls(**_known(cls, body))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @property
    def busy(self) -> bool:
        """Whether the worker is at work for the project."""
        return self.state in ("training", "evaluating")


@dataclass(frozen=True)
class Version:
    """A model version as the backend tells it: what went into it.

    kind: 'prompted' or 'trained'. round: -1 for a prompted one. examples: number of training
    texts. taught: label -> how many of them. pool_prior: the labels' shares in the pool by the
    experts. offsets: added to the label logits. made: ISO 8601 in UTC. policy_hash: of policy and
    labels (policy.py); "" where an older backend does not tell.
    """

    version: str
    kind: str
    round: int
    model: str
    policy: str
    labels: tuple[str, ...]
    offsets: tuple[float, ...] = ()
    pool_prior: tuple[float, ...] = ()
    recipe: Mapping[str, float] = field(default_factory=dict)
    examples: int = 0
    taught: Mapping[str, int] = field(default_factory=dict)
    ties: int = 0
    seconds: float = 0.0
    digest: str = ""
    drawn: float = 0.0
    made: str = ""
    config_digest: str = ""
    embedder: str = ""
    probe_digest: str = ""
    policy_hash: str = ""

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote. Raises KeyError or TypeError for anything else."""
        known = _known(cls, body)
        for name in ("labels", "offsets", "pool_prior"):
            known[name] = tuple(known.get(name, ()))
        return cls(**known)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Paid:
    """What the worker has seen of people's verdicts, which deleting a task does not undo.

    verdicts: all that were ever given. gone: those that are no longer in Label Studio. policies:
    hash of the policy under which they were given -> how many, without those that are gone.
    """

    verdicts: int = 0
    gone: int = 0
    policies: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote. Raises TypeError for anything else."""
        return cls(**_known(cls, body))

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ProjectState:
    """What the backend tells of a project: the answer of GET /projects/N.

    versions: oldest first. rounds: ascending. worker: whether one is at work, None where an older
    backend does not tell. count_imported: whether imported annotations count (verdict.py).
    """

    project: int
    current: str
    versions: tuple[Version, ...] = ()
    rounds: tuple[Record, ...] = ()
    training: TrainingState = TrainingState()
    worker: bool | None = None
    paid: Paid = Paid()
    count_imported: bool = False

    @classmethod
    def from_json(cls, body: Json) -> Self:
        """Read what `as_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            project=int(body["project"]),
            current=str(body["current"]),
            versions=tuple(Version.from_json(one) for one in body["versions"]),
            rounds=tuple(Record.from_json(one) for one in body["rounds"]),
            training=TrainingState.from_json(body["training"]),
            worker=body.get("worker"),
            paid=Paid.from_json(body.get("paid", {})),
            count_imported=bool(body.get("count_imported", False)),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "project": self.project,
            "current": self.current,
            "versions": [one.as_json() for one in self.versions],
            "rounds": [one.as_json() for one in self.rounds],
            "training": self.training.as_json(),
            "worker": self.worker,
            "paid": self.paid.as_json(),
            "count_imported": self.count_imported,
        }


def _known(cls: type[Any], body: Json) -> dict[str, Any]:
    """The keys of `body` that the dataclass has. Raises KeyError if one without default lacks."""
    if not isinstance(body, Mapping):
        raise TypeError(f"it is a {type(body).__name__}, not an object")
    known = {f.name: body[f.name] for f in fields(cls) if f.name in body}
    for f in fields(cls):
        if f.name not in known and f.default is MISSING and f.default_factory is MISSING:
            raise KeyError(f.name)
    return known
