"""Templates -> HTML: what Jinja2 does not do by itself.

The texts come from strangers. Jinja2 escapes every value, and no template may switch that off. A
name that a template misspells is an error instead of an empty place.
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selection.types import Estimate
from selection.wording import counted, kappa, percent

# HTML has no control characters, and half a surrogate pair cannot be written as UTF-8.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def fill(template: str, **values: object) -> str:
    """Return the HTML of a template in templates/."""
    return _UNFIT.sub("\ufffd", TEMPLATES.get_template(template).render(values))


def interval(estimate: Estimate) -> str:
    """Return '0.64 to 0.80', with the confidence unless it is 95 %, or 'no interval'."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{kappa(estimate.low)} to {kappa(estimate.high)}{estimate.confidence_said}"


def why(estimate: Estimate) -> str:
    """Return why the estimate is undefined."""
    return estimate.reason or "no reason given"


def pixels(length: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{round(length, 2):g}"


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    filter.__name__: filter for filter in (kappa, interval, why, counted, percent, pixels)
}
