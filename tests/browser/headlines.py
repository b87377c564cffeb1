"""Eighty harmless headlines, half of them clickbait, and what two people think of them."""

LABELS = ("Clickbait", "News")
CONFIG = (
    '<View><Header value="Is the headline clickbait?"/><Text name="text" value="$text"/>'
    '<Choices name="kind" toName="text" choice="single" showInLine="true">'
    '<Choice value="Clickbait"/><Choice value="News"/></Choices></View>'
)
POLICY = "<p>Clickbait hides what the story says. News tells it.</p>"

_BAIT = (
    "You will not believe what this {} can do",
    "Ten {} secrets that nobody tells you",
    "This {} trick changes everything",
    "What happened next with the {} is amazing",
)
_NEWS = (
    "The price of a {} rises by four per cent in March",
    "City opens its {} exhibition on Friday",
    "Study counts {} sales in nine countries",
    "Court rules on {} imports from next year",
)
_THINGS = (
    *("bicycle", "kettle", "piano", "garden", "violin"),
    *("camera", "carpet", "lemon", "ladder", "teapot"),
)
HEADLINES = tuple(form.format(thing) for thing in _THINGS for form in (*_BAIT, *_NEWS))


def anna(text: str) -> str:
    """Anna's opinion: what the headline was written as."""
    return LABELS[0] if text.startswith(("You", "Ten", "This", "What")) else LABELS[1]


def ben(text: str) -> str:
    """Ben's opinion: Anna's, but secrets are news to him and prices are bait."""
    if "secrets" in text:
        return LABELS[1]
    return LABELS[0] if text.startswith("The price") else anna(text)
