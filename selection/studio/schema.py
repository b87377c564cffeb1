"""A project's label config (XML) -> Schema: which labels there are and where the text is.

Any single-choice <Choices> over a <Text> serves, with two labels or many; other tags (headers,
styles, a comment box) are ignored.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from selection.errors import ProjectError

_FIELD = re.compile(r"\$(?P<name>[^\s$]+)")
_SINGLE = ("single", "single-radio")
_EXAMPLE = (
    '<View><Text name="text" value="$text"/><Choices name="verdict" toName="text" choice="single">'
    '<Choice value="Yes"/><Choice value="No"/></Choices></View>'
)


@dataclass(frozen=True)
class Schema:
    """What annotations and predictions of a project look like.

    labels: as annotations have them (a choice's alias if it has one), in config order.
    from_name: name of the <Choices>. to_name: name of the <Text>. text_field: the key of a
    task's data that holds the text.
    """

    labels: tuple[str, ...]
    from_name: str
    to_name: str
    text_field: str


def parse_schema(xml: str) -> Schema:
    """Read a label config.

    Raises ProjectError, which names what is wrong and what to change, if there is not exactly one
    <Choices>, if it is not over a <Text> or allows several choices, or if it has fewer than two
    labels, doubled labels or nested ones.
    """
    root = _root(xml)
    choices = _only_choices(root)
    text = _text_of(choices, root)
    field = _FIELD.fullmatch(text.get("value", "").strip())
    if field is None:
        raise _misfit(
            f'<Text name="{text.get("name")}"> has value="{text.get("value", "")}"; it must name '
            'one field of the task, such as value="$text"'
        )
    return Schema(
        _labels(choices), _name(choices, "Choices"), _name(text, "Text"), field.group("name")
    )


def _misfit(what: str) -> ProjectError:
    return ProjectError(f"The project's label config does not fit: {what}. Example: {_EXAMPLE}")


def _root(xml: str) -> ElementTree.Element:
    try:
        # Label Studio parsed it first, and expat bounds what entities can grow to.
        return ElementTree.fromstring(xml)  # noqa: S314
    except ElementTree.ParseError as error:
        raise _misfit(f"it is not valid XML ({error})") from error


def _tagged(root: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """Return the elements of this tag at any depth; Label Studio ignores the case of tags."""
    return (element for element in root.iter() if str(element.tag).lower() == tag.lower())


def _name(element: ElementTree.Element, tag: str) -> str:
    name = element.get("name", "")
    if not name:
        raise _misfit(f"<{tag}> has no name")
    return name


def _only_choices(root: ElementTree.Element) -> ElementTree.Element:
    found = list(_tagged(root, "Choices"))
    if not found:
        raise _misfit("it has no <Choices>; add one over the <Text>")
    if len(found) > 1:
        names = ", ".join(element.get("name", "?") for element in found)
        raise _misfit(f"it has {len(found)} <Choices> ({names}); keep the one that Crux should ask")
    choices = found[0]
    kind = choices.get("choice", "single")
    if kind not in _SINGLE:
        raise _misfit(
            f'<Choices name="{choices.get("name")}"> has choice="{kind}"; set choice="single"'
        )
    for attribute in ("perRegion", "perItem"):
        if choices.get(attribute, "false").lower() == "true":
            raise _misfit(
                f'<Choices name="{choices.get("name")}"> has {attribute}="true"; Crux needs one '
                f"choice for the whole text, so remove {attribute}"
            )
    return choices


def _text_of(choices: ElementTree.Element, root: ElementTree.Element) -> ElementTree.Element:
    target = choices.get("toName", "")
    for text in _tagged(root, "Text"):
        if target and text.get("name") == target:
            return text
    other = next((e.tag for e in root.iter() if target and e.get("name") == target), None)
    found = f"which is a <{other}>" if other else "which does not exist"
    raise _misfit(
        f'<Choices name="{choices.get("name")}"> has toName="{target}", {found}; '
        "point it at the name of a <Text>"
    )


def _labels(choices: ElementTree.Element) -> tuple[str, ...]:
    options = list(_tagged(choices, "Choice"))
    if any(list(_tagged(option, "Choice")) != [option] for option in options):
        raise _misfit("it nests a <Choice> in a <Choice>; put all of them side by side")
    labels = tuple(option.get("alias") or option.get("value") or "" for option in options)
    if "" in labels:
        raise _misfit("a <Choice> has no value; give each one a value")
    if len(labels) < 2:
        raise _misfit(
            f"<Choices> offers {len(labels)} <Choice> ({', '.join(labels) or 'none'}); "
            "it needs at least two, written out in the config"
        )
    doubled = [label for label, times in Counter(labels).items() if times > 1]
    if doubled:
        raise _misfit(f"the label {doubled[0]!r} stands there twice; make the labels differ")
    return labels
