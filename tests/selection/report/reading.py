"""Read the page back: as strict XML, and as a browser does."""

from html.parser import HTMLParser
from xml.etree import ElementTree
from xml.etree.ElementTree import Element


def body(html: str) -> Element:
    """The page's body, read by a parser that forgives nothing."""
    start, end = html.index("<body>"), html.index("</body>") + len("</body>")
    return ElementTree.fromstring(html[start:end])  # noqa: S314  our own page


def text(element: Element) -> str:
    """The element's text without the indentation that the templates put between elements."""
    return "".join(t for t in element.itertext() if t.strip() or "\n" not in t)


def having(root: Element, css: str) -> list[Element]:
    return [e for e in root.iter() if css in e.get("class", "").split()]


def one(root: Element, css: str) -> Element:
    (found,) = having(root, css)
    return found


def card_with(html: str, words: str) -> Element:
    (found,) = [e for e in body(html).iter("article") if words in text(e)]
    return found


class Loose(HTMLParser):
    """What a browser sees: every tag, every attribute, every text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(key, value or "") for key, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
