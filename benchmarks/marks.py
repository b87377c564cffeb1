"""A part of a page that a command writes, between two marks."""


def between(text: str, name: str, new: str) -> str:
    """Return `text` with `new` between the marks of that name. Raises ValueError without them."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the marks {begin} and {end} are missing")
    return f"{before}{begin}\n{new}\n{end}{after}"
