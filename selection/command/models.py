"""A project's versions: what each was made from, and how well it agrees with the experts. Pure.

The backend tells both: `versions` (what went into them) and `rounds` (what was measured after
each, of the version that was then in force).
"""

from typing import Any

from rich.table import Table

from selection.command.terminal import kappa
from selection.errors import BackendError

SHOWN = ("epochs", "learning_rate", "rank", "seed")  # of a recipe, in the table
KAPPAS = ("boundary_kappa", "production_kappa")


def listed(state: dict[str, Any]) -> dict[str, Any]:
    """The versions for programs, oldest first.

    Each is as the backend tells it, with `current`, and `measured`: of the last round after
    which it was measured its number, kappas with intervals and items, and how experts agreed.
    None for a version that no round was measured with. start_kappa is the prompted version's.
    """
    return {
        "project": state["project"],
        "current": state["current"],
        "versions": [
            {**one, "current": one["version"] == state["current"], "measured": _of(state, one)}
            for one in state["versions"]
        ],
    }


def previous(state: dict[str, Any]) -> str:
    """The version before the current one, by the rounds. Raises BackendError if there is none."""
    order = [v["version"] for v in state["versions"] if v["kind"] == "prompted"][-1:]
    for record in state["rounds"]:
        if record["version"] not in order:
            order.append(record["version"])
    current = state["current"]
    if current not in order or order.index(current) == 0:
        raise BackendError(f"There is no version before {current}; crux models list shows all.")
    return str(order[order.index(current) - 1])


def table(state: dict[str, Any], wide: bool = True) -> Table:
    """For people; the current version has a star. wide: with the prior and the recipe."""
    shown = Table(title=f"Versions of project {state['project']}", leading=1)
    names = ["", "version", "made from", "boundary", "production", "experts"]
    for name in [*names, "pool", "recipe"] if wide else names:
        shown.add_column(name)
    for one in listed(state)["versions"]:
        measured = one["measured"] or {}
        shown.add_row(
            "*" if one["current"] else "",
            one["version"],
            _made_from(one),
            *(kappa(measured.get(name)) for name in (*KAPPAS, "expert_kappa")),
            *((_pool(one), _recipe(one)) if wide else ()),
        )
    return shown


def _of(state: dict[str, Any], version: dict[str, Any]) -> dict[str, Any] | None:
    records = [r for r in state["rounds"] if r["version"] == version["version"]]
    if records:
        last = records[-1]
        names = (*KAPPAS, "expert_kappa")
        return {"round": last["round"], **{name: last[name] for name in names}}
    if version["kind"] == "prompted" and state["rounds"]:
        start = state["rounds"][-1]
        return {
            "round": start["round"],
            "boundary_kappa": None,
            "production_kappa": start["start_kappa"],
            "expert_kappa": start["expert_kappa"],
        }
    return None


def _made_from(version: dict[str, Any]) -> str:
    """Base model, round, training labels, when and in how many seconds."""
    lines = [version["model"]]
    if version["kind"] == "prompted":
        return f"{lines[0]}\nas it is, prompted"
    ties = f", {version['ties']} ties left out" if version["ties"] else ""
    lines.append(f"round {version['round']}: {version['examples']} labels{ties}")
    taught = version.get("taught")
    if taught:
        lines.append(", ".join(f"{count} {label}" for label, count in taught.items()))
    when = str(version.get("made") or "")[:16].replace("T", " ")
    lines.append(f"{when} {version['seconds']:.0f} s".strip())
    return "\n".join(lines)


def _pool(version: dict[str, Any]) -> str:
    """The labels' shares of the pool, by the experts."""
    shares = zip(version["labels"], version["pool_prior"], strict=False)
    return "\n".join(f"{label} {share:.0%}" for label, share in shares) or "–"


def _recipe(version: dict[str, Any]) -> str:
    """What one changes; the rest is in the JSON."""
    recipe = version["recipe"]
    return "\n".join(f"{name} {recipe[name]}" for name in SHOWN if name in recipe) or "–"
