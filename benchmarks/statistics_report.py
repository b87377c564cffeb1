"""The chapter of docs/results.md on the statistics, from docs/results/statistics.json."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = {
    ("plain", "experts"): "experts with each other",
    ("pairs", "model"): "model at the boundary, pairs kept together",
    ("audit", "model"): "model in production, audit sample with weights",
}
PREVALENCES = (0.5, 0.1, 0.02)
SIZES = (60, 150, 400)


def statistics(file: Path) -> str:
    """The tables of coverage, audit, odd experts and stop rules; empty without the file."""
    if not file.exists():
        return ""
    body = json.loads(file.read_text())
    cells = list(body["cells"].values())
    lines = [
        "## The statistics",
        "",
        f"Simulations with known truth, by `{body['command']}`; every cell, with its number of "
        "simulations and Monte Carlo error, is in `docs/results/statistics.json`.",
        "",
        *_coverage(cells),
        *_audit(cells),
        *_odd(cells),
        *_stops(cells, "parity", "loop", "stops falsely within the loop's six looks"),
    ]
    return "\n".join(lines) + "\n"


def _of(cells: list[dict[str, Any]], part: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for one in cells:
        if one["part"] == part:
            yield one["cell"], one["figures"]


def _coverage(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "How often a 95 % interval holds the true kappa, in per cent; from the lowest to the "
        "highest over true kappas of .6, .8 and .95, two experts:",
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
        f"{len(every) - within - low} above (a wider interval than promised).",
        "",
    ]
    return lines


def _audit(cells: list[dict[str, Any]]) -> list[str]:
    lines = [
        "Production kappa from the audit sample, and what the boundary set would say of it:",
        "",
        "| items | positive | true kappa | mean estimate | its interval covers | "
        "the boundary's mean |",
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
        "One expert answers at random: how often that one is named, how often another, and how "
        "often one is named where all are equally good:",
        "",
        "| experts | items | positive | the guesser | another | one of equals |",
        "|---|---|---|---|---|---|",
    ]
    rows = sorted(_of(cells, "odd"), key=lambda one: (one[0]["experts"], one[0]["n"]))
    for cell, figures in rows:
        lines.append(
            f"| {cell['experts']} | {cell['n']} | {cell['prevalence']:.0%} | "
            f"{figures['guesser']:.0%} | {figures['other']:.0%} | {figures['one_of_equals']:.1%} |"
        )
    return [*lines, ""]


def _stops(cells: list[dict[str, Any]], part: str, figure: str, words: str) -> list[str]:
    rows = sorted(_of(cells, part), key=lambda one: -float(one[1][figure]))
    if not rows:
        return []
    behind = [row for row in rows if row[0].get("behind", 0) > 0]
    worst_cell, worst = behind[0]
    over = sum(figures[figure] > 0.05 for _, figures in behind)
    return [
        f"The {part} rule {words}, where the model is truly delta behind, at most in "
        f"{worst[figure]:.1%} of loops (at {worst_cell['n']} items, "
        f"{worst_cell['prevalence']:.0%} positive, experts' kappa {worst_cell['kappa']}); "
        f"{over} of {len(behind)} cells above 5 %.",
        "",
    ]
