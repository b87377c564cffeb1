"""Draw a real boundary: clickbait headlines after the first round, and the pairs bought next.

    python -m benchmarks.choice.boundary [--folder DATA]     writes docs/images/boundary.svg
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.choice.datasets import FOLDER, SETS
from benchmarks.choice.efficiency import vectors_of
from benchmarks.choice.learner import learn
from benchmarks.choice.ours import choice, crux
from benchmarks.choice.race import make_course
from benchmarks.choice.state import State
from selection.errors import CruxError
from selection.types import Bools, Doubles, Floats

OUT = Path("docs/images/boundary.svg")
WIDTH, HEIGHT, EDGE = 820, 420, 46
BAIT, NEWS, PAIR, INK = "#2563eb", "#a1a1aa", "#ea580c", "#3f3f46"
SHOWN = 4_000  # random texts of the pool


def main(
    folder: Annotated[Path, typer.Option(help="folder of the sets")] = FOLDER,
) -> None:
    """Run the first round, choose the second, and draw it."""
    try:
        data = SETS["clickbait"].load(folder)
    except CruxError as error:
        raise SystemExit(str(error)) from None
    vectors = vectors_of(data.texts)
    course = make_course(vectors, data.labels, vectors_of(data.describe), seed=0)
    pool, truth = course.vectors[course.pool], course.labels[course.pool]
    rng = np.random.default_rng(0)
    none = np.zeros(0, dtype=np.int64)
    first = crux(State(pool, course.beliefs, none, none, 0, 0, rng), 64)
    beliefs = learn(pool[first], truth[first], pool, 2)
    bought = choice(State(pool, beliefs, first, truth[first], 1, 0, rng), 64)
    names = sorted({name for name in bought.pair.tolist() if "|" in name})
    pairs = [(int(left), int(right)) for left, right in (name.split("|") for name in names)]
    across = np.log(beliefs[:, 1] / beliefs[:, 0])
    up = _direction(pool, across)
    OUT.write_text(_svg(across, up, truth == 1, pairs, rng))


def _direction(pool: Floats, across: Doubles) -> Doubles:
    """Return (n,) places on the axis along which texts near the boundary differ most.

    This axis is orthogonal to the one on which the model decides.
    """
    near = pool[np.argsort(np.abs(across))[:2_000]].astype(np.float64)
    near = near - near.mean(axis=0)
    model = np.linalg.lstsq(pool - pool.mean(axis=0), across - across.mean(), rcond=None)[0]
    model /= np.linalg.norm(model)
    near -= np.outer(near @ model, model)
    main_axis = np.linalg.svd(near, full_matrices=False)[2][0]
    up: Doubles = pool.astype(np.float64) @ main_axis
    return up


def _svg(
    across: Doubles,
    up: Doubles,
    bait: Bools,
    pairs: list[tuple[int, int]],
    rng: np.random.Generator,
) -> str:
    low, high = np.quantile(across, [0.002, 0.999])
    bottom, top = np.quantile(up, [0.003, 0.997])

    def place(row: int) -> tuple[float, float]:
        x = EDGE + (np.clip(across[row], low, high) - low) / (high - low) * (WIDTH - 2 * EDGE)
        y = (np.clip(up[row], bottom, top) - bottom) / (top - bottom) * (HEIGHT - 2 * EDGE)
        return float(x), HEIGHT - EDGE - float(y)

    dots = []
    for row in rng.permutation(len(across))[:SHOWN].tolist():
        x, y = place(row)
        colour, size = (BAIT, 2.2) if bait[row] else (NEWS, 1.4)
        dots.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{size}" fill="{colour}" opacity=".55"/>')
    lines = []
    for one, other in pairs:
        (x1, y1), (x2, y2) = place(one), place(other)
        lines.append(
            f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{PAIR}" stroke-width="1.3"/>'
        )
        for row in (one, other):
            x, y = place(row)
            fill = BAIT if bait[row] else NEWS
            lines.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" fill="{fill}" stroke="{PAIR}" '
                'stroke-width="1.4"/>'
            )
    middle = EDGE + (0 - low) / (high - low) * (WIDTH - 2 * EDGE)
    words = [
        (EDGE, HEIGHT - 12, "start", "the model says news"),
        (WIDTH - EDGE, HEIGHT - 12, "end", "the model says clickbait"),
        (middle, EDGE - 22, "middle", "its boundary"),
    ]
    text = "".join(
        f'<text x="{x:.0f}" y="{y}" text-anchor="{anchor}">{said}</text>'
        for x, y, anchor, said in words
    )
    legend = (
        f'<circle cx="{EDGE}" cy="16" r="4" fill="{BAIT}"/><text x="{EDGE + 9}" y="20">clickbait'
        f'</text><circle cx="{EDGE + 80}" cy="16" r="4" fill="{NEWS}"/>'
        f'<text x="{EDGE + 89}" y="20">news</text>'
        f'<path d="M{EDGE + 140} 16h22" stroke="{PAIR}" stroke-width="1.6"/>'
        f'<text x="{EDGE + 168}" y="20">bought pair</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">'
        "<title>Clickbait headlines, a model's boundary, and the pairs bought on it</title>"
        f'<rect width="100%" height="100%" fill="white"/>{"".join(dots)}'
        f'<path d="M{middle:.1f} {EDGE - 16}V{HEIGHT - EDGE + 10}" stroke="{INK}" '
        f'stroke-dasharray="4 4"/>{"".join(lines)}{text}{legend}</svg>\n'
    )


if __name__ == "__main__":
    typer.run(main)
