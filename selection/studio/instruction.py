"""A project's labeling instruction, which is HTML -> the policy as plain text.

At its end Crux tells annotators how to label so that it counts. That note is for people alone: it
is no part of the policy, so the model does not read it and it may change without changing the
policy. Of all elements that Label Studio keeps and shows, <footer> with a class says this best.
"""

import re
from html.parser import HTMLParser

NOTE = "crux"  # class of the <footer> that holds the note
_NOTE = re.compile(rf'\s*<footer class="{NOTE}">.*?</footer>', re.DOTALL)
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
        self._hidden += tag in _HIDDEN or (tag == "footer" and ("class", NOTE) in attrs)
        if self._hidden:
            return
        if tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            self._hidden -= tag in (*_HIDDEN, "footer")
        elif tag in _BLOCKS - _OPEN_ONLY:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(html: str) -> str:
    """Remove tags, resolve entities, begin list items with "- ", collapse blanks and empty lines.

    Plain text keeps its line breaks. The note for annotators is left out.
    """
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def with_note(html: str, note: str) -> str:
    """Return the instruction with this note (HTML) at its end, in place of an earlier one."""
    return f'{_NOTE.sub("", html).rstrip()}\n<footer class="{NOTE}">{note}</footer>'
