"""A project's versions: what each was made from, and how well it agrees with the experts. Pure.

The backend tells both: `versions` (what went into them) and `rounds` (what was measured after
each of them, of the version that was current then).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from selection.command.terminal import kappa
from selection.errors import BackendError
from selection.record import ProjectState, Record, Version
from selection.types import Estimate

SHOWN = ("epochs", "learning_rate", "rank", "seed")  # of a recipe, in the table
# without the boundary's, which is of the version that chose the round's texts
KAPPAS = ("production_kappa", "expert_kappa")
OTHER = "≠"  # marks what was made under another policy than the current version


def listed(state: ProjectState) -> dict[str, object]:
    """Return the versions for programs, oldest first.

    Each is as the backend tells it, with `current` and `measured`: number and kappas of the last
    round after which it was measured, None if there is none. The prompted version's production
    kappa is start_kappa.
    """
    return {
        "project": state.project,
        "current": state.current,
        "versions": [
            {**one.as_json(), "current": one.version == state.current,
             "measured": _as_json(_measured(state, one))}
            for one in state.versions
        ],
    }  # fmt: skip


def named(names: Sequence[str], start: str) -> str:
    """Return the name that is `start` or alone begins so; `start` if none does, for the backend
    says what is wrong with it. Raises BackendError if several begin so.
    """
    found = [name for name in names if start and name.startswith(start)]
    if start in found or not found:
        return start
    if len(found) > 1:
        raise BackendError(
            f"{len(found)} versions begin with {start!r}: {', '.join(found)}. Write one more "
            f"letter than they have in common, or all of the name."
        )
    return found[0]


@dataclass(frozen=True)
class Previous:
    """The version to go back to, and what is passed over: a sentence, "" if nothing is."""

    version: str
    passed_over: str = ""


def previous(state: ProjectState) -> Previous:
    """Return the version that was in force before the current one and can be in force now.

    One of other labels or another base model cannot, nor one that is gone. Raises BackendError if
    there is none.
    """
    known = {one.version: one for one in state.versions}
    order = [one.version for one in state.versions if one.kind == "prompted"][-1:]
    for record in state.rounds:
        order += [name for name in record.measures if name not in order]
    if not any(one.kind == "trained" for one in state.versions):
        raise BackendError(
            f"There is nothing to go back to: project {state.project} has no trained version yet, "
            f"and {state.current} answers."
        )
    if state.current not in order:
        raise BackendError(
            f"No round put {state.current} into force, so no version comes before it. Name the "
            f"one that you want: crux models promote VERSION (crux models list shows all)."
        )
    wrong = {name: _misfit(known.get(name), known.get(state.current)) for name in order}
    earlier = order[: order.index(state.current)]
    fitting = [name for name in earlier if not wrong[name]]
    if not fitting:
        raise BackendError(
            f"There is no version to go back to before {state.current}. {_unfit(wrong)}crux models "
            f"list shows all."
        )
    passed = earlier[earlier.index(fitting[-1]) + 1 :]
    return Previous(fitting[-1], _unfit({name: wrong[name] for name in passed}).strip())


def _misfit(version: Version | None, current: Version | None) -> str:
    """Return why a version cannot be in force in place of the current one, to follow its name.

    The current one answers, so its labels and its base model are the project's.
    """
    if version is None:
        return "is gone or damaged"
    if current is None:
        return ""
    if version.labels != current.labels:
        return f"has other labels ({', '.join(version.labels)})"
    if version.model != current.model:
        return f"has another base model ({version.model})"
    return ""


def _unfit(wrong: Mapping[str, str]) -> str:
    said = "; ".join(f"{name} {why}" for name, why in wrong.items() if why)
    return f"Not possible: {said}. " if said else ""


def table(state: ProjectState, wide: bool = True) -> Table:
    """Return the table; the current version has a star. It fits 80 columns unless wide.

    wide: with the policy's hash, the prior and the recipe. No name is ever cut.
    """
    current = next((one for one in state.versions if one.version == state.current), None)
    policy = current.policy_hash if current else None
    hashes = [one.policy_hash for one in state.versions]
    shown = Table(
        title=f"Versions of project {state.project}",
        caption=f"{OTHER} made under another policy (its words, or its labels) than "
        f"{state.current}" if policy and set(hashes) != {policy} else None,
        caption_justify="left", box=box.SIMPLE_HEAD, leading=1, pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    shown.add_column("")
    longest = max((len(one.version) for one in state.versions), default=0)
    shown.add_column("version", min_width=longest, overflow="fold")
    for name in ("production", "experts"):
        shown.add_column(name, no_wrap=True)
    for name in ("policy", "pool", "recipe") if wide else ():
        shown.add_column(name)
    for one, digest in zip(state.versions, hashes, strict=True):
        measured = _measured(state, one)
        kappas = measured.kappas.values() if measured else (None,) * len(KAPPAS)
        other = f"{OTHER} " if policy not in (None, digest) else ""
        made_from = _made_from(one) + (f"\n{other}policy {digest}" if other and not wide else "")
        shown.add_row(
            "*" if one.version == state.current else "",
            f"{one.version}\n{made_from}",
            *map(kappa, kappas),
            *((f"{other}{digest}", _pool(one), _recipe(one)) if wide else ()),
        )
    return shown


def remark(state: ProjectState) -> str:
    """Say what the table cannot show: that nothing was trained, or measured; "" otherwise."""
    if not any(one.kind == "trained" for one in state.versions):
        return (
            f"No version is trained yet: {state.current} answers, the base model as it is. The "
            f"worker trains one when all verdicts of a round are there (crux status)."
        )
    if not state.rounds:
        return "No version is measured yet: that comes with the first round (crux status)."
    return ""


@dataclass(frozen=True)
class _Measured:
    """What the last round that measured a version says of it. kappas: by the names in KAPPAS."""

    round: int
    kappas: dict[str, Estimate | None]


def _measured(state: ProjectState, version: Version) -> _Measured | None:
    for record in reversed(state.rounds):
        if record.version == version.version:
            return _Measured(record.round, {name: getattr(record, name) for name in KAPPAS})
        if version.kind == "prompted" and _start(state, record) == version.version:
            values = record.start_kappa, record.expert_kappa
            return _Measured(record.round, dict(zip(KAPPAS, values, strict=True)))
    return None


def _start(state: ProjectState, record: Record) -> str:
    """Return the prompted version that the record's start_kappa is of, "" where nobody knows.

    A record of an older Crux does not name it; the only one that there is it must have been.
    """
    prompted = [one.version for one in state.versions if one.kind == "prompted"]
    return record.start or (prompted[0] if len(prompted) == 1 else "")


def _as_json(measured: _Measured | None) -> dict[str, object] | None:
    if measured is None:
        return None
    kappas = {name: one and one.as_json() for name, one in measured.kappas.items()}
    return {"round": measured.round, **kappas}


def _made_from(version: Version) -> str:
    """Name the base model, the round, the training labels, the time and the seconds."""
    if version.kind == "prompted":
        return f"{version.model}\nas it is, prompted"
    ties = f", {version.ties} ties left out" if version.ties else ""
    lines = [version.model, f"round {version.round}: {version.examples} labels{ties}"]
    if version.taught:
        lines.append(", ".join(f"{count} {label}" for label, count in version.taught.items()))
    lines.append(f"{version.made[:16].replace('T', ' ')} {version.seconds:.0f} s".strip())
    return "\n".join(lines)


def _pool(version: Version) -> str:
    """Return the labels' shares of the pool, by the experts."""
    shares = zip(version.labels, version.pool_prior, strict=False)
    return "\n".join(f"{label} {share:.0%}" for label, share in shares) or "–"


def _recipe(version: Version) -> str:
    """Return what people change of the recipe; the rest is in the JSON."""
    shown = [f"{name} {version.recipe[name]}" for name in SHOWN if name in version.recipe]
    return "\n".join(shown) or "–"
