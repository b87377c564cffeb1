"""docs/results.md and its pictures, written from the kept results so that numbers cannot drift.

    python -m benchmarks.report
"""

import json
import textwrap
from pathlib import Path

import numpy as np

from backend.threshold import OWN
from benchmarks.choice.picture import panels
from benchmarks.choice.report import OURS, RESULTS, areas, best_single, choice, last, load
from benchmarks.headline.report import markdown
from benchmarks.statistics.report import statistics

DOCS = Path("docs")
BEGIN, END = "<!-- claim -->", "<!-- end of claim -->"  # in the README


def _threshold() -> str:
    file = RESULTS / "threshold.json"
    if not file.is_file():
        return ""
    told = json.loads(file.read_text())
    lines = [
        "## Where to set the threshold",
        "",
        f"Kappa with our choice of labels when the threshold is such that random texts of the pool "
        f"get each label as often as is expected, mean of {told['sets']} sets with "
        f"{told['seeds']} seeds each. Expected is what round 0's random draw says, what the model "
        "says by itself, or both, the model's word counting for so many drawn texts. "
        f"Command: `python -m benchmarks.choice.threshold`; the product's number is {OWN:.0f} "
        "(backend/threshold.py).",
        "",
        "| expected share by | mean | after each round |",
        "|---|---|---|",
    ]
    for name, curve in told["kappa"].items():
        by = f"both, the model worth {name}" if name.isdigit() else name
        each = ", ".join(f"{kappa:.3f}" for kappa in curve)
        lines.append(f"| {by} | {np.mean(curve):.3f} | {each} |")
    return "\n".join(lines) + "\n"


def _headline() -> str:
    return markdown(RESULTS / "headline", ("tweets", "editorials"))


def _probe() -> str:
    file = RESULTS / "probe.json"
    if not file.is_file():
        return ""
    lines = [
        "## Whose beliefs to choose by",
        "",
        "At one version of the loop above, the beliefs about the pool had in three ways; kappa "
        "with the expert on the texts that were not bought, and what the next round buys by each. "
        "Command: `python -m benchmarks.choice.pool_reading`, after arm (c).",
        "",
        "| texts | labels | beliefs | kappa | next bought | harsh | believed wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, ways in json.loads(file.read_text()).items():
        lines += [
            f"| {kind} | {one['labels']} | {one['beliefs']} | {one['kappa']:.2f} "
            f"(n={one['texts']:,}) | {one['bought']} | {one['harsh']} | {one['believed_wrong']} |"
            for one in ways
        ]
    return "\n".join(lines) + "\n"


def document() -> str:
    """The whole of docs/results.md."""
    head = (
        "# What was measured\n\nWritten by `python -m benchmarks.report` from the files in "
        "`benchmarks/results`; not edited by hand.\n\n"
    )
    simulated = statistics(RESULTS / "statistics.json")
    chapters = (choice(), _threshold(), _headline(), _probe(), simulated)
    return head + "\n".join(chapter for chapter in chapters if chapter)


def claim() -> str:
    """What the README says of it."""
    results = load("efficiency")
    area = areas(results)
    peer = best_single(area)
    ours, theirs, chance = (
        float(np.mean([area[name][key] for key in results])) for name in (OURS, peer, "random")
    )
    ahead = sum(one["difference"]["mean"] >= 0 for one in results.values())
    to = [one["strategies"][OURS]["labels_to_random"] or np.inf for one in results.values()]
    most = last(results)
    return (
        f"On {len(results)} real data sets, kappa over the first {most} labels is {ours:.3f} on "
        f"average with our choice, {theirs:.3f} with the best single rule of the "
        f"{len(area) - 1} others ({peer}) and {chance:.3f} with random texts; on {ahead} of the "
        f"sets ours is at or above whatever other rule is best there, on {len(results) - ahead} "
        f"below. What random texts teach with {most} labels it teaches with {np.median(to):.0f} "
        f"on the median set."
    )


def main() -> None:
    """Write docs/results.md, its picture, and the README's claim."""
    readme = Path("README.md")
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    said = textwrap.fill(claim(), 100)
    readme.write_text(f"{before}{BEGIN}\n{said}\n{END}{after}")
    (DOCS / "results.md").write_text(document())
    if results := load("efficiency"):
        (DOCS / "images" / "efficiency.svg").write_text(panels(results, OURS))


if __name__ == "__main__":
    main()
