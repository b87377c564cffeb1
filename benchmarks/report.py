"""Write docs/results.md, its pictures and the README's claim from the kept results.

    python -m benchmarks.report

So the numbers there are always those that were measured.
"""

import json
import textwrap
from pathlib import Path

import numpy as np

from backend.threshold import OWN
from benchmarks.choice import report as choice
from benchmarks.choice.picture import panels
from benchmarks.choice.report import OURS, RESULTS, areas, best_single, last_labels, load
from benchmarks.choice.threshold import TEXTS
from benchmarks.headline.report import markdown
from benchmarks.loop import equal, readers, surrogates
from benchmarks.loop import report as loop
from benchmarks.marks import between
from benchmarks.statistics import report as statistics

DOCS = Path("docs")


def _threshold() -> str:
    file = RESULTS / "threshold.json"
    if not file.is_file():
        return ""
    result = json.loads(file.read_text())
    lines = [
        "## Where to set the threshold",
        "",
        "Kappa with our choice of labels, mean of "
        f"{result['sets']} sets with {result['seeds']} seeds each. The threshold is set so that "
        "each label is predicted for its expected share of texts of the pool. The expected share "
        "is what an audit of 20 texts a round says, what the model itself says, or a mixture in "
        "which the model's answer counts as a number of drawn texts; the product's number is "
        f"{OWN:.0f} (backend/threshold.py). The lower rows have the product's share, and other "
        "texts. Command: `python -m benchmarks.choice.threshold`.",
        "",
        "| expected share by | mean | after each round |",
        "|---|---|---|",
    ]
    for name, curve in result["kappa"].items():
        by = f"both, the model worth {name} texts" if name.isdigit() else name
        by = f"both, on {name}" if name in TEXTS else by
        each = ", ".join(f"{kappa:.3f}" for kappa in curve)
        lines.append(f"| {by} | {np.mean(curve):.3f} | {each} |")
    return "\n".join(lines) + "\n"


def _headline() -> str:
    return markdown(RESULTS / "headline", ("tweets", "editorials"))


def document() -> str:
    """Return the whole of docs/results.md."""
    head = (
        "# What was measured\n\nWritten by `python -m benchmarks.report` from the files in "
        "`benchmarks/results`; not edited by hand.\n\n"
    )
    simulated = statistics.chapter(RESULTS / "statistics.json")
    chapters = (
        loop.chapter(), equal.chapter(), choice.chapter(), _threshold(), surrogates.chapter(),
        readers.chapter(), _headline(), simulated,
    )  # fmt: skip
    return head + "\n".join(chapter for chapter in chapters if chapter)


def claim() -> str:
    """Return the README's paragraph on these results."""
    results = load("efficiency")
    area = areas(results)
    peer = best_single(area)
    ours, theirs, chance = (
        float(np.mean([area[name][key] for key in results])) for name in (OURS, peer, "random")
    )
    ahead = sum(one["difference"]["mean"] >= 0 for one in results.values())
    to = [one["strategies"][OURS]["labels_to_random"] or np.inf for one in results.values()]
    most = last_labels(results)
    return (
        f"On {len(results)} real data sets, mean kappa over the first {most} labels is {ours:.3f} "
        f"with our choice, {theirs:.3f} with the best single rule of the {len(area) - 1} others "
        f"({peer}) and {chance:.3f} with random texts. On {ahead} of the sets ours is at or above "
        f"the rule that is best there, on {len(results) - ahead} it is below. On the median set "
        f"{np.median(to):.0f} labels of our choice teach as much as {most} random ones."
    )


def main() -> None:
    """Write docs/results.md, its picture, and the README's claim."""
    readme = Path("README.md")
    readme.write_text(between(readme.read_text(), "claim", textwrap.fill(claim(), 100)))
    (DOCS / "results.md").write_text(document())
    if results := load("efficiency"):
        (DOCS / "images" / "efficiency.svg").write_text(panels(results, OURS))
    if loop.found():
        (DOCS / "images" / "loop.svg").write_text(loop.picture())


if __name__ == "__main__":
    main()
