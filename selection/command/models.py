"""A project's versions: what each was made from, and how well it agrees with the experts. Pure.

The backend tells both: `versions` (what went into them) and `rounds` (what was measured after
each of them, of the version that was current then).
"""

from dataclasses import dataclass

from rich.table import Table

from selection.command.terminal import kappa
from selection.errors import BackendError
from selection.record import ProjectState, Version
from selection.types import Estimate

SHOWN = ("epochs", "learning_rate", "rank", "seed")  # of a recipe, in the table
KAPPAS = ("boundary_kappa", "production_kappa", "expert_kappa")


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


def previous(state: ProjectState) -> str:
    """Return the version before the current one. Raises BackendError if there is none."""
    order = [one.version for one in state.versions if one.kind == "prompted"][-1:]
    for record in state.rounds:
        if record.version not in order:
            order.append(record.version)
    if state.current not in order or order.index(state.current) == 0:
        raise BackendError(
            f"There is no version before {state.current}; crux models list shows all."
        )
    return order[order.index(state.current) - 1]


def table(state: ProjectState, wide: bool = True) -> Table:
    """Return the table; the current version has a star. wide: with the prior and the recipe."""
    shown = Table(title=f"Versions of project {state.project}", leading=1)
    names = ["", "version", "made from", "boundary", "production", "experts"]
    for name in [*names, "pool", "recipe"] if wide else names:
        shown.add_column(name)
    for one in state.versions:
        measured = _measured(state, one)
        kappas = measured.kappas.values() if measured else (None,) * len(KAPPAS)
        shown.add_row(
            "*" if one.version == state.current else "",
            one.version,
            _made_from(one),
            *map(kappa, kappas),
            *((_pool(one), _recipe(one)) if wide else ()),
        )
    return shown


@dataclass(frozen=True)
class _Measured:
    """What the last round that measured a version says of it. kappas: by the names in KAPPAS."""

    round: int
    kappas: dict[str, Estimate | None]


def _measured(state: ProjectState, version: Version) -> _Measured | None:
    records = [one for one in state.rounds if one.version == version.version]
    if records:
        last = records[-1]
        return _Measured(last.round, {name: getattr(last, name) for name in KAPPAS})
    if version.kind == "prompted" and state.rounds:
        start = state.rounds[-1]
        return _Measured(
            start.round,
            dict(zip(KAPPAS, (None, start.start_kappa, start.expert_kappa), strict=True)),
        )
    return None


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
