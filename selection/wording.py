"""Figures -> words, the same wherever a person reads them."""


def kappa(value: float) -> str:
    """Return the value with two decimals; what rounds to zero has no minus sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def counted(number: int, noun: str) -> str:
    """Return '1 item' or '1,200 items'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """Return '7 %'; below half a percent '<1 %', so that rare does not read as none."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def bare(reason: str) -> str:
    """Return a reason without its full stop, to stand inside a sentence."""
    return reason.strip().rstrip(".") or "no reason given"
