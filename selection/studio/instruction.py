"""A project's labeling instruction, which is HTML -> the policy as plain text."""

import re
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style"})
_BLOCKS = frozenset(
    {
        *("article", "blockquote", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5"),
        *("h6", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"),
    }
)
_OPEN_ONLY = frozenset({"br", "hr", "li"})


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS - _OPEN_ONLY:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(html: str) -> str:
    """Remove tags, resolve entities, begin list items with "- ", collapse blanks and empty lines.

    Plain text keeps its line breaks.
    """
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
