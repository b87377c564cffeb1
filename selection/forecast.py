"""What production kappa costs: audited texts until its interval is as narrow as wanted.

TEXTS is what `python -m benchmarks.statistics --only cost` found by simulation, kept in
benchmarks/results/statistics.json; a test compares the two. Each number is the size of an audit,
drawn by audit.py from 20,000 texts, at which half of the 95 % interval has this width on average. A
quarter of the texts is judged by two experts, so it costs a quarter more verdicts.
"""

from math import log

HALF_WIDTHS = (0.05, 0.1, 0.15, 0.2)
LARGEST = 1600  # audit that was simulated

# (share of the rarer label, kappa of the model with experts) -> texts for each of HALF_WIDTHS,
# None where it takes more than LARGEST
TEXTS: dict[tuple[float, float], tuple[int | None, ...]] = {
    (0.5, 0.8): (460, 80, 40, 30),
    (0.5, 0.6): (1020, 230, 90, 40),
    (0.5, 0.4): (1500, 350, 150, 80),
    (0.1, 0.8): (760, 150, 50, 30),
    (0.1, 0.6): (None, 360, 140, 60),
    (0.1, 0.4): (None, 420, 160, 70),
    (0.02, 0.8): (None, 370, 70, 40),
    (0.02, 0.6): (None, 1110, 260, 60),
    (0.02, 0.4): (None, 1220, 280, 120),
}


def texts_needed(prevalence: float, kappa: float, half_width: float) -> int | None:
    """Return the size of the audit at which half of the interval is this wide.

    None if it is above LARGEST. prevalence: share of all labels but the most frequent. Prevalence
    and kappa are rounded to the nearest simulated value, prevalence by its ratio: 0.02 is as far
    from 0.1 as 0.1 is from 0.5. Raises ValueError for a half-width that was not simulated.
    """
    if half_width not in HALF_WIDTHS:
        raise ValueError(f"half_width must be one of {HALF_WIDTHS}, not {half_width}")
    share = min(max(prevalence, 1e-6), 1.0)
    row = min(TEXTS, key=lambda one: (abs(log(one[0] / share)), abs(one[1] - kappa)))
    return TEXTS[row][HALF_WIDTHS.index(half_width)]
