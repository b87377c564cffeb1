"""Elements of the report, escaped by construction: only `Safe` enters a page as it is.

The texts come from strangers, so forgetting to escape must be impossible rather than forbidden.
"""

import html
import re
from collections.abc import Iterable

from selection.types import Estimate

# Controls and halves of surrogate pairs: no HTML, and the latter cannot be written as UTF-8.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Safe(str):
    """Text that is HTML already; made by this file, or written by hand in the code."""

    __slots__ = ()


def escape(text: str) -> Safe:
    """Any text as HTML, in content and in attributes alike."""
    if isinstance(text, Safe):
        return text
    return Safe(html.escape(_UNFIT.sub("\ufffd", text), quote=True))


def join(parts: Iterable[str], between: str = "") -> Safe:
    """The parts one after the other, each escaped unless it is Safe."""
    return Safe(escape(between).join(escape(part) for part in parts))


def tag(name: str, *children: str, **attributes: str | float | None) -> Safe:
    """<name>children</name>. class_ is class, aria_label is aria-label; None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Safe(f"<{name}{given}>{join(children)}</{name}>")


def _plain(value: str | float) -> str:
    # str() makes text of Safe again: HTML inside an attribute is escaped like anything else
    return str(value) if isinstance(value, str) else f"{round(value, 2):g}"


def link(url: str, text: str) -> Safe:
    """A link that tells the other side nothing; plain text where the address is not a web page."""
    if not url.startswith(("http://", "https://")):
        return escape(text)
    return tag("a", text, href=url, rel="noreferrer noopener")


def kappa(value: float) -> str:
    """Two decimals, and no minus before nothing."""
    return f"{round(value, 2) + 0.0:.2f}"


def interval(estimate: Estimate) -> str:
    """'0.64 to 0.80', with its confidence where that is not 95 %, or that there is none."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{kappa(estimate.low)} to {kappa(estimate.high)}{estimate.confidence_said}"


def count(number: int, noun: str) -> str:
    """'1 item', '1,200 items'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def percent(share: float) -> str:
    """'7 %'; below half a percent '<1 %', so that rare does not read as none."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"
