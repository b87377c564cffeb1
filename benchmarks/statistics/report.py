"""The chapter of docs/results.md on the statistics, from benchmarks/results/statistics.json."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.statistics import gains, pools
from selection.forecast import HALF_WIDTHS, LARGEST, TEXTS

NAMES = {
    ("plain", "experts"): "experts with each other",
    ("pairs", "model"): "model at the boundary, pairs kept together",
    ("audit", "model"): "model in production, calibrated by the audit",
}
PREVALENCES = (0.5, 0.1, 0.02)
SIZES = (60, 150, 400)
KAPPAS = (0.6, 0.8, 0.95)


def chapter(file: Path) -> str:
    """Return the tables of coverage, audit, odd experts and stop rules; empty without the file."""
    if not file.exists():
        return ""
    body = json.loads(file.read_text())
    cells = list(body["cells"].values())
    lines = [
        "## The statistics",
        "",
        f"Simulations with known truth, by `{body['command']}`; every cell, with its number of "
        "simulations and Monte Carlo error, is in `benchmarks/results/statistics.json`.",
        "",
        *_coverage(cells),
        *_audit(cells),
        *pools.table(),
        *gains.table(),
        *_odd(cells),
        *_parity(cells),
        *_plateau(cells),
        *_cost(),
    ]
    return "\n".join(lines) + "\n"


def _of(cells: list[dict[str, Any]], part: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for one in cells:
        if one["part"] == part:
            yield one["cell"], one["figures"]


def _coverage(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "How often a 95 % interval contains the true kappa, in per cent: the lowest and the "
        "highest share over true kappas of 0.6, 0.8 and 0.95, with two experts:",
        "",
        "| kappa of | items | " + " | ".join(f"{p:.0%} positive" for p in PREVALENCES) + " |",
        "|---|---|" + "---|" * len(PREVALENCES),
    ]
    every: list[float] = []
    for (design, who), words in NAMES.items():
        for n in SIZES:
            row = []
            for prevalence in PREVALENCES:
                found = [
                    100 * figures[who]["coverage"]
                    for cell, figures in _of(cells, "coverage")
                    if cell["n"] == n and cell["prevalence"] == prevalence
                    and cell["design"] == design and cell["experts"] == 2 and who in figures
                ]  # fmt: skip
                every += found
                row.append(f"{min(found):.1f}–{max(found):.1f}" if found else "")
            lines.append(f"| {words} | {n} | {' | '.join(row)} |")
    within = sum(93 <= one <= 97 for one in every)
    low = sum(one < 93 for one in every)
    lines += [
        "",
        f"{within} of {len(every)} cells lie within 93 to 97 %, {low} below, "
        f"{len(every) - within - low} above (where the interval is wider than promised).",
        "",
    ]
    return lines


def _audit(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "Production kappa from the audit sample, and what the boundary set would give instead:",
        "",
        "| items | positive | true kappa | mean estimate | coverage of its interval | "
        "mean on the boundary set |",
        "|---|---|---|---|---|---|",
    ]
    rows = sorted(_of(cells, "audit"), key=lambda one: (one[0]["n"], -one[0]["prevalence"]))
    for cell, figures in rows:
        one, wrong = figures["production"], figures["boundary_taken_for_production"]
        lines.append(
            f"| {cell['n']} | {cell['prevalence']:.0%} | {one['truth']:.3f} | {one['mean']:.3f} "
            f"± {one['mean_error']:.3f} | {one['coverage']:.1%} | {wrong['mean']:.3f} |"
        )
    return [*lines, ""]


def _odd(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "One expert answers at random: how often that expert is named, how often another one, and "
        "how often any expert is named if all are equally good:",
        "",
        "| experts | items | positive | the one who guesses | another | any of equals |",
        "|---|---|---|---|---|---|",
    ]
    rows = sorted(_of(cells, "odd"), key=lambda one: (one[0]["experts"], one[0]["n"]))
    for cell, figures in rows:
        lines.append(
            f"| {cell['experts']} | {cell['n']} | {cell['prevalence']:.0%} | "
            f"{figures['guesser']:.0%} | {figures['other']:.0%} | {figures['one_of_equals']:.1%} |"
        )
    return [*lines, ""]


def _parity(cells: list[dict[str, Any]]) -> list[str]:
    """Return the table; each of its cells is for experts' kappa 0.6, 0.8 and 0.95."""
    found = {
        (cell["n"], cell["prevalence"], cell["kappa"], cell["behind"] > 0): figures["loop"]
        for cell, figures in _of(cells, "parity")
    }
    lines = [
        "Share of loops of six looks that the parity rule ends: wrongly, if the model is exactly "
        "`delta` behind the experts, and rightly, if it is as good as they are. Experts' kappa "
        "0.6 / 0.8 / 0.95:",
        "",
        "| items at the end | positive | wrongly | rightly |",
        "|---|---|---|---|",
    ]
    for n in SIZES:
        for prevalence in PREVALENCES:
            row = [
                " / ".join(f"{found[n, prevalence, kappa, behind]:.1%}" for kappa in KAPPAS)
                for behind in (True, False)
                if all((n, prevalence, kappa, behind) in found for kappa in KAPPAS)
            ]
            if len(row) == 2:
                lines.append(f"| {n} | {prevalence:.0%} | {row[0]} | {row[1]} |")
    return [*lines, ""]


def _plateau(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "The plateau rule in loops of eight rounds. The true kappa rises by `step` a round and is "
        "flat from the fourth on:",
        "",
        "| items at the end | positive | kappa | step | stops too early | never stops | "
        "rounds after the true plateau |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, figures in _of(cells, "plateau"):
        after = figures["rounds_after"]
        lines.append(
            f"| {cell['n']} | {cell['prevalence']:.0%} | {cell['kappa']} | {cell['step']} | "
            f"{figures['too_early']:.1%} | {figures['never']:.0%} | "
            f"{'' if after is None else f'{after:.1f}'} |"
        )
    return [*lines, ""]


def _cost() -> list[str]:
    lines = [
        "Audited texts, a quarter of them judged by two experts, until production kappa is known "
        "to within:",
        "",
        "| positive | kappa | " + " | ".join(f"± {width:g}" for width in HALF_WIDTHS) + " |",
        "|---|---|" + "---|" * len(HALF_WIDTHS),
    ]
    for (prevalence, kappa), texts in TEXTS.items():
        row = " | ".join(f"over {LARGEST:,}" if n is None else f"{n:,}" for n in texts)
        lines.append(f"| {prevalence:.0%} | {kappa} | {row} |")
    return [*lines, ""]
