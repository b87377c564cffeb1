"""Curves as one SVG: a panel for each data set; peers in grey, the best darker, ours in colour."""

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

COLUMNS, WIDTH, HEIGHT = 3, 300, 210
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 30, 32
OURS_COLOUR, BEST, PEER, INK = "#c2410c", "#52525b", "#d4d4d8", "#3f3f46"


def panels(results: dict[str, Any], ours: str, *, against: str = "labels bought") -> str:
    """Return the SVG. results: set -> what benchmarks.choice.efficiency measured. against: what is
    across."""
    rows = -(-len(results) // COLUMNS)
    parts = [_panel(one, ours, i) for i, one in enumerate(results.values())]
    height = rows * HEIGHT + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="11">'
        f"<title>Kappa against {against}, one panel a data set</title>"
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}{_legend(height)}</svg>\n'
    )


def _panel(one: dict[str, Any], ours: str, place: int) -> str:
    x0, y0 = (place % COLUMNS) * WIDTH, (place // COLUMNS) * HEIGHT
    curves = {name: [max(v, 0.0) for v in s["kappa"]] for name, s in one["strategies"].items()}
    top = max(max(curve) for curve in curves.values()) * 1.08 or 1.0
    labels: Sequence[int] = one["labels"]

    def point(label: float, kappa: float) -> tuple[float, float]:
        across = (label - labels[0]) / max(labels[-1] - labels[0], 1)
        x = x0 + LEFT + across * (WIDTH - LEFT - RIGHT)
        return x, y0 + TOP + (1 - kappa / top) * (HEIGHT - TOP - BOTTOM)

    def line(name: str, colour: str, width: float, dash: str = "") -> str:
        points = [point(n, k) for n, k in zip(labels, curves[name], strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f' stroke-dasharray="{dash}"' if dash else ""
        return (
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
            f"{style}><title>{escape(name)}</title></polyline>"
        )

    best = one["best_peer"]
    drawn = [line(name, PEER, 1) for name in curves if name not in (ours, best, "random")]
    if "random" in curves:
        drawn.append(line("random", BEST, 1.2, "3 3"))
    if best and best != "random":
        drawn.append(line(best, BEST, 1.4))
    if ours in curves:
        drawn.append(line(ours, OURS_COLOUR, 2.4))
    marks = []
    for step in range(3):
        kappa = top * step / 2
        x, y = point(labels[0], kappa)
        marks.append(f'<text x="{x - 5:.1f}" y="{y + 4:.1f}" text-anchor="end">{kappa:.2f}</text>')
    for label in (labels[0], labels[-1]):
        x, y = point(label, 0)
        marks.append(f'<text x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{label}</text>')
    left, bottom = point(labels[0], 0)
    right, _ = point(labels[-1], 0)
    axis = (
        f'<path d="M{left:.1f} {y0 + TOP}V{bottom:.1f}H{right:.1f}" fill="none" stroke="{INK}" '
        'stroke-width=".7"/>'
    )
    title = (
        f'<text x="{x0 + LEFT}" y="{y0 + 16}" font-size="12.5" font-weight="600" fill="{INK}">'
        f"{escape(one['title'])}</text>"
    )
    return f'<g fill="{INK}">{title}{axis}{"".join(marks)}{"".join(drawn)}</g>'


def _legend(height: int) -> str:
    entries = [(OURS_COLOUR, 2.4, "", "ours"), (BEST, 1.4, "", "best peer on the set"),
               (PEER, 1.0, "", "other peers"), (BEST, 1.2, "3 3", "random")]  # fmt: skip
    parts = []
    for i, (colour, width, dash, words) in enumerate(entries):
        x = LEFT + i * 190
        parts.append(
            f'<path d="M{x} {height - 14}h26" stroke="{colour}" stroke-width="{width}"'
            f'{f" stroke-dasharray={chr(34)}{dash}{chr(34)}" if dash else ""}/>'
            f'<text x="{x + 32}" y="{height - 10}" fill="{INK}">{words}</text>'
        )
    return "".join(parts)
