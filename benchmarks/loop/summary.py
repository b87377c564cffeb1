"""Lines of all pieces -> the figures of each system at given numbers of verdicts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.loop.ground import Ground
from benchmarks.loop.kept import Line
from selection.types import Doubles

Lines = Mapping[str, Sequence[Sequence[Line]]]  # system -> seed -> its versions


def at(lines: Sequence[Line], verdicts: int) -> Line:
    """Return the last version whose verdicts are at most so many: a curve with steps."""
    known = (one for one in lines if one.verdicts <= verdicts)
    return max(known, key=lambda one: (one.verdicts, one.round))


def summarize(
    ground: Ground, axis: Sequence[int], lines: Lines, tells: Mapping[str, bool]
) -> dict[str, Any]:
    """Return what --json writes. tells: system -> whether it measures itself, and pays for it.

    best_other: of the systems besides crux that tell a figure, the one with the highest true kappa
    at the end; of the others only if none does. difference: crux less that one, at the end, over
    the seeds.
    """
    systems = {name: figures(axis, seeds) for name, seeds in lines.items()}
    others = [name for name in lines if name != "crux"]
    others = [name for name in others if tells[name]] or others
    last = {name: _kappas(axis[-1:], seeds)[:, 0] for name, seeds in lines.items()}
    best = max(others, key=lambda name: float(np.mean(last[name])), default=None)
    return {
        "data": ground.name,
        "rows": ground.rows,
        "made": ground.made,
        "prevalence": _prevalence(ground),
        "pool": len(ground.texts),
        "test": len(ground.test),
        "seeds": max(map(len, lines.values())),
        "verdicts": list(axis),
        "systems": systems,
        "best_other": best,
        "difference": (
            mean_and_interval(last["crux"] - last[best]) if best and "crux" in lines else None
        ),
    }


def _prevalence(ground: Ground) -> float | dict[str, float]:
    """Return the share of the first of two labels; of each label if there are more."""
    shares = [round(share, 4) for share in ground.shares.tolist()]
    return shares[0] if len(shares) == 2 else dict(zip(ground.names, shares, strict=True))


def figures(axis: Sequence[int], seeds: Sequence[Sequence[Line]]) -> dict[str, Any]:
    """Return a system's figures at these numbers of verdicts, over its seeds."""
    kappa = _kappas(axis, seeds)
    told = [line for lines in seeds for line in lines if line.verdicts <= axis[-1]]
    covered = [line.covered for line in told if line.covered is not None]
    last = [at(lines, axis[-1]) for lines in seeds]
    return {
        "true_kappa": _rounded(kappa.mean(axis=0)),
        "true_kappa_se": _rounded(_standard_error(kappa)),
        "true_kappa_by_seed": [_rounded(row) for row in kappa],
        "best_kappa": [_mean([at(one, v).best for one in seeds]) for v in axis],
        "reported_kappa": [_mean([at(one, v).reported for one in seeds]) for v in axis],
        "reported_width": [_mean([_width(at(one, v)) for one in seeds]) for v in axis],
        "covered": _mean([float(one) for one in covered]),
        "intervals": len(covered),
        "taught": _mean([one.taught / one.verdicts if one.verdicts else None for one in last]),
        "positives": _mean([float(one.positives) for one in last]),
        "positives_at": [_mean([float(at(one, v).positives) for one in seeds]) for v in axis],
        "positives_taught": _mean([float(one.taught_positives) for one in last]),
        "spent": [_mean([float(at(one, v).verdicts) for one in seeds]) for v in axis],
        "would_stop": [_stopped(lines) for lines in seeds],
        "seconds": _mean([sum(line.seconds for line in lines) for lines in seeds]),
    }


def _kappas(axis: Sequence[int], seeds: Sequence[Sequence[Line]]) -> Doubles:
    """Return (seeds, verdicts) true kappas; one that is undefined counts as none at all, 0."""
    return np.array([[at(one, v).kappa or 0.0 for v in axis] for one in seeds], dtype=np.float64)


def _width(line: Line) -> float | None:
    if line.reported_low is None or line.reported_high is None:
        return None
    return line.reported_high - line.reported_low


def _stopped(lines: Sequence[Line]) -> dict[str, int | str] | None:
    """Return where the stop rule would have ended the loop, if anywhere."""
    first = next((line for line in lines if line.stop), None)
    return None if first is None else {"verdicts": first.verdicts, "rule": first.stop}


def mean_and_interval(difference: Doubles) -> dict[str, float | None]:
    """Return the mean of (seeds,) differences and its 95 % interval by Student's t, if any."""
    n, mean = len(difference), float(difference.mean())
    if n < 2:
        return {"mean": round(mean, 4), "low": None, "high": None}
    half = float(student.ppf(0.975, n - 1) * difference.std(ddof=1) / n**0.5)
    return {"mean": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def _standard_error(values: Doubles) -> Doubles:
    """Return the standard error over the first axis, NaN for one value."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / len(values) ** 0.5, dtype=np.float64)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.mean(known)), 4) if known else None


def _rounded(values: Doubles) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]


def table(result: dict[str, Any]) -> str:
    """Return the result as a table for people."""
    head = "".join(f"{verdicts:>8}" for verdicts in result["verdicts"])
    lines = [f"{'true kappa at verdicts':24}{head} {'taught':>7} {'covered':>8} {'seconds':>8}"]
    for name, one in result["systems"].items():
        curve = "".join(f"{kappa:8.3f}" for kappa in one["true_kappa"])
        covered = "-" if one["covered"] is None else f"{one['covered']:.2f}"
        lines.append(
            f"{name:24}{curve} {one['taught'] or 0:7.2f} {covered:>8} {one['seconds'] or 0:8.0f}"
        )
    gap = result["difference"]
    if gap:
        interval = "" if gap["low"] is None else f" [{gap['low']:.3f}, {gap['high']:.3f}]"
        lines.append(f"crux less {result['best_other']}: {gap['mean']:.3f}{interval}")
    return "\n".join(lines)
