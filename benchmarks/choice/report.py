"""The chapter of docs/results.md on which labels to buy, from the kept figures of the suite."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.choice.datasets import SETS
from benchmarks.choice.peers import NOTES

RESULTS = Path("benchmarks/results")
OURS = "crux"
Result = dict[str, Any]


def load(part: str) -> dict[str, Result]:
    """Return the results of a part by set, sorted by name; empty if nothing was measured."""
    files = sorted((RESULTS / part).glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def areas(results: dict[str, Result]) -> dict[str, dict[str, float]]:
    """Return the areas under the kappa curves by strategy (those that ran on every set) and set."""
    names = set.intersection(*(set(one["strategies"]) for one in results.values()))
    return {
        name: {key: one["strategies"][name]["area"] for key, one in results.items()}
        for name in sorted(names)
    }


def best_single(area: dict[str, dict[str, float]]) -> str:
    """Return the strategy other than ours with the largest mean area over all sets."""
    others = [name for name in area if name != OURS]
    return max(others, key=lambda name: float(np.mean(list(area[name].values()))))


def chapter() -> str:
    """Return the chapter; empty if nothing was measured."""
    results = load("efficiency")
    if not results:
        return ""
    area = areas(results)
    peer = best_single(area)
    rows = sorted({one["rows"] for one in results.values()})
    lines = [
        "## Which labels to buy",
        "",
        f"{len(results)} sets of {rows[0]:,} to {rows[-1]:,} texts, {len(area)} strategies, "
        f"{_seeds(results)}, six rounds of 64 labels. Kappa is measured on texts that no strategy "
        "can buy, at the learner's own threshold. Command: `python -m benchmarks.choice.suite` "
        "(an hour; it continues where it was interrupted); raw runs in `benchmarks/results/runs`, "
        "figures in `benchmarks/results/efficiency`.",
        "",
        "![Kappa against labels](images/efficiency.svg)",
        "",
        "Area under the kappa curve (the mean kappa of the six rounds), one set per row:",
        "",
        "| set | positive | ours | best peer on this set | area | difference, 95 % | "
        f"{peer} | random | every label of the pool | our labels to reach random's 384 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for key, one in results.items():
        lines.append(_set_row(one, area, peer, key))
    end = float(np.mean([one["strategies"][OURS]["kappa"][-1] for one in results.values()]))
    every = float(np.mean([one["everything"] for one in results.values()]))
    lines += [
        "",
        f"At its own threshold the learner has a mean kappa of {end:.3f} after "
        f"{last_labels(results)} labels of our choice, and of {every:.3f} when it is trained on "
        "every label of the pool.",
    ]
    lines += ["", *_sources(results), "", *_reach(results, area, peer), ""]
    lines += ["All strategies by their mean area over the sets:", "", *_ranking(results, area)]
    if everyone := load("everyone"):
        lines += [
            "",
            f"The same including the slower strategies, {_seeds(everyone)} "
            f"({len(everyone)} sets, `python -m benchmarks.choice.suite --part everyone`):",
            "",
            *_ranking(everyone, areas(everyone)),
        ]
    if variants := load("variants"):
        lines += ["", *_variants(variants)]
    return "\n".join([*lines, *_confusion()]) + "\n"


def _confusion() -> list[str]:
    """Return what benchmarks/choice/confusion.py measured; nothing if it did not."""
    file = RESULTS / "confusion.json"
    if not file.exists():
        return []
    measured = json.loads(file.read_text())
    every = measured.pop("every set")
    lines = [
        "",
        f"Of the 1,000 least sure texts in rounds 1 to 4 of our choice ({len(measured)} sets, "
        "`python -m benchmarks.choice.confusion`): how many are in a region, and how often "
        "the learner is wrong there and outside; in the last column outside, if the predicted "
        "labels were as frequent there as inside.",
        "",
        "| clusters | set | in a cluster | regions | rounds without | in a region | "
        "wrong in a region | wrong outside | outside, labels alike |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = [("k-means", SETS[key].title, one["k-means"]) for key, one in measured.items()]
    rows += [(kind, "all of them", one) for kind, one in every.items()]
    for kind, title, one in rows:
        shares = (
            "–" if one[key] is None else f"{one[key]:.0%}"
            for key in ("none", "inside", "wrong_inside", "wrong_outside", "wrong_alike")
        )
        lines.append(
            f"| {kind} | {title} | {one['clustered']:.0%} | {one['regions']:.1f} | "
            f"{' | '.join(shares)} |"
        )
    return lines


def _variants(results: dict[str, Result]) -> list[str]:
    """Compare our choice with something changed to our choice, on the same seeds."""
    lines = [
        f"Our choice with one thing changed, {_seeds(results)} ({len(results)} sets, `python -m "
        "benchmarks.choice.suite --part variants`); the standard error is over seeds:",
        "",
        "| changed | mean area | difference from ours |",
        "|---|---|---|",
    ]
    names = [name for name in next(iter(results.values()))["strategies"] if name != OURS]
    area = {
        name: np.array([one["strategies"][name]["area_by_seed"] for one in results.values()])
        for name in (OURS, *names)
    }  # each (sets, seeds)
    lines.append(f"| nothing | {area[OURS].mean():.4f} | |")
    for name in sorted(names, key=lambda name: -float(area[name].mean())):
        gap = area[name] - area[OURS]
        variance = gap.var(axis=1, ddof=1) / gap.shape[1] if gap.shape[1] > 1 else np.nan
        error = float(np.sqrt(np.sum(variance))) / len(results)
        lines.append(f"| {name} | {area[name].mean():.4f} | {gap.mean():+.4f} ± {error:.4f} |")
    return lines


def last_labels(results: dict[str, Result]) -> int:
    """Return the number of labels after the last round."""
    return int(next(iter(results.values()))["labels"][-1])


def _seeds(results: dict[str, Result]) -> str:
    """Return '5 seeds', or '3 or 5 seeds' if the sets differ."""
    counts = sorted({one["seeds"] for one in results.values()})
    return f"{' or '.join(map(str, counts))} seed{'' if counts == [1] else 's'}"


def _sources(results: dict[str, Result]) -> list[str]:
    lines = [
        "Sources of the sets, and their licences as the sources state them:",
        "",
        "| set | source | licence |",
        "|---|---|---|",
    ]
    known = [SETS[name] for name in results if name in SETS]
    return lines + [f"| {one.title} | {one.source} | {one.licence} |" for one in known]


def _positive(prevalence: float | dict[str, float]) -> float:
    """Return the share of the positive label; with more labels that of all but the most common."""
    return 1 - max(prevalence.values()) if isinstance(prevalence, dict) else prevalence


def _set_row(one: Result, area: dict[str, dict[str, float]], peer: str, key: str) -> str:
    ours, gap = one["strategies"][OURS], one["difference"]
    positive, to = _positive(one["prevalence"]), ours["labels_to_random"]
    return (
        f"| {one['title']} | {positive:.1%} | {ours['area']:.3f} | {one['best_peer']} | "
        f"{one['strategies'][one['best_peer']]['area']:.3f} | {_gap(gap)} | "
        f"{area[peer][key]:.3f} | {area['random'][key]:.3f} | {one['everything']:.3f} | "
        f"{'never' if to is None else f'{to:.0f}'} |"
    )


def _gap(gap: dict[str, float | None]) -> str:
    mean = f"{gap['mean']:+.3f}"
    return mean if gap["low"] is None else f"{mean} [{gap['low']:+.3f}, {gap['high']:+.3f}]"


def _reach(results: dict[str, Result], area: dict[str, dict[str, float]], peer: str) -> list[str]:
    """Return the targets, and what was reached."""
    ours = np.array([area[OURS][key] for key in results])
    theirs = np.array([area[peer][key] for key in results])
    best = np.array([one["strategies"][one["best_peer"]]["area"] for one in results.values()])
    worst = int((ours - best).argmin())
    to = [one["strategies"][OURS]["labels_to_random"] or np.inf for one in results.values()]
    most = last_labels(results)
    seconds = max(one["strategies"][OURS]["seconds"] for one in results.values())
    lines = [
        "| target | reached |",
        "|---|---|",
        f"| mean area at least 0.02 above the best single peer ({peer}) | "
        f"{ours.mean():.3f} against {theirs.mean():.3f}: {ours.mean() - theirs.mean():+.3f} |",
        "| on no set more than 0.02 below the best peer for that set | "
        f"worst: {list(results.values())[worst]['title']}, {(ours - best)[worst]:+.3f}; "
        f"{int((ours - best < -0.02).sum())} of {len(results)} sets are below -0.02 |",
        f"| our labels to reach random's {most}, median set: half or less | {np.median(to):.0f} |",
    ]
    if "clickbait" in results:
        reached = results["clickbait"]["strategies"][OURS]["labels_to_random"]
        lines.append(f"| the same on clickbait: a quarter or less | {reached} |")
    for part, words in (("useless", "a useless start"), ("inverted", "an inverted start")):
        if other := load(part):
            share = _after_round_2(other) / _after_round_2({k: results[k] for k in other})
            lines.append(
                f"| {words}: from round 2 on within 10 % of a good start's area | {share:.0%} "
                f"({_seeds(other)}) |"
            )
    for part, words in (("noise10", "10 %"), ("noise20", "20 %")):
        if other := load(part):
            noisy = areas(other)
            rival = best_single(noisy)
            gap = float(np.mean([noisy[OURS][key] - noisy[rival][key] for key in other]))
            lines.append(
                f"| {words} wrong labels: at or above the best | {gap:+.3f} ({rival}; "
                f"{_seeds(other)}) |"
            )
    lines.append(
        f"| a choice of 64 in under 2 s | median of the slowest set {seconds:.2f} s{_cost()} |"
    )
    return lines


def _cost() -> str:
    """Return what benchmarks/choice/cost.py measured; empty if it did not."""
    file = RESULTS / "cost.json"
    if not file.exists():
        return ""
    one = json.loads(file.read_text())
    return (
        f"; {one['count']} of {one['rows']:,} rows of {one['width']} numbers {one['seconds']:.2f} s"
    )


def _after_round_2(results: dict[str, Result]) -> float:
    """Return the mean kappa of our choice from round 2 (the third) on."""
    return float(np.mean([one["strategies"][OURS]["kappa"][2:] for one in results.values()]))


def _ranking(results: dict[str, Result], area: dict[str, dict[str, float]]) -> list[str]:
    """Return one row per strategy, the largest mean area first."""
    ranked = sorted(area, key=lambda name: -float(np.mean(list(area[name].values()))))
    lines = [
        "| strategy | mean area | share of positives bought | seconds per choice | |",
        "|---|---|---|---|---|",
    ]
    for name in ranked:
        each = [one["strategies"][name] for one in results.values()]
        lines.append(
            f"| {name} | {np.mean(list(area[name].values())):.3f} | "
            f"{np.mean([one['positives_bought'] for one in each]):.0%} | "
            f"{np.median([one['seconds'] for one in each]):.2f} | {NOTES.get(name, '')} |"
        )
    return lines
