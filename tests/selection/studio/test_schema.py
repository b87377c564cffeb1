import pytest

from selection.errors import ProjectError
from selection.studio.schema import Schema, parse_schema

TEXT = '<Text name="text" value="$comment"/>'
YES_NO = '<Choice value="Yes"/><Choice value="No"/>'


def view(*parts: str) -> str:
    return f"<View>{''.join(parts)}</View>"


def choices(options: str = YES_NO, attributes: str = "") -> str:
    return f'<Choices name="verdict" toName="text" {attributes}>{options}</Choices>'


def test_two_labels_over_a_text() -> None:
    assert parse_schema(view(TEXT, choices())) == Schema(
        labels=("Yes", "No"), from_name="verdict", to_name="text", text_field="comment"
    )


def test_labels_keep_the_order_of_the_config() -> None:
    options = "".join(f'<Choice value="{value}"/>' for value in ("spam", "ham", "eggs", "ähm"))
    assert parse_schema(view(TEXT, choices(options))).labels == ("spam", "ham", "eggs", "ähm")


def test_an_alias_is_what_annotations_hold() -> None:
    options = '<Choice value="Yes, it is" alias="y"/><Choice value="No"/>'
    assert parse_schema(view(TEXT, choices(options))).labels == ("y", "No")


def test_an_empty_alias_is_none() -> None:
    options = '<Choice value="Yes" alias=""/><Choice value="No"/>'
    assert parse_schema(view(TEXT, choices(options))).labels == ("Yes", "No")


@pytest.mark.parametrize("kind", ["single", "single-radio"])
def test_both_kinds_of_single_choice_serve(kind: str) -> None:
    assert parse_schema(view(TEXT, choices(attributes=f'choice="{kind}"'))).labels == ("Yes", "No")


def test_choices_may_stand_in_a_view_beside_other_tags() -> None:
    config = view(
        '<Header value="Read"/><!-- a comment --><Style>.x {}</Style>',
        '<Text name="context" value="$thread"/>',
        TEXT,
        view('<Header value="Decide"/>', choices()),
        '<TextArea name="note" toName="text"/>',
        '<Rating name="sure" toName="text"/>',
    )
    assert parse_schema(config) == Schema(("Yes", "No"), "verdict", "text", "comment")


def test_choices_may_stand_before_their_text() -> None:
    assert parse_schema(view(choices(), TEXT)).text_field == "comment"


def test_tags_are_read_in_any_case() -> None:
    config = view(TEXT, choices()).replace("Choices", "choices").replace("<Text", "<text")
    assert parse_schema(config).labels == ("Yes", "No")


def test_entities_in_a_label_are_resolved() -> None:
    options = '<Choice value="R&amp;D"/><Choice value="&lt;none&gt;"/>'
    assert parse_schema(view(TEXT, choices(options))).labels == ("R&D", "<none>")


NEST = '<Choice value="Yes"><Choice value="Very"/></Choice><Choice value="No"/>'

BAD = {
    "empty text": ("", "not valid XML"),
    "an open tag": ("<View><Text>", "not valid XML"),
    "no Choices": (view(TEXT), "no <Choices>"),
    "two Choices": (
        view(TEXT, choices(), choices().replace("verdict", "second")),
        "2 <Choices> (verdict, second)",
    ),
    "several answers": (view(TEXT, choices(attributes='choice="multiple"')), 'choice="multiple"'),
    "per region": (view(TEXT, choices(attributes='perRegion="true"')), 'perRegion="true"'),
    "per item": (view(TEXT, choices(attributes='perItem="true"')), 'perItem="true"'),
    "over an image": (
        view('<Image name="text" value="$url"/>', choices()),
        'toName="text", which is a <Image>',
    ),
    "over hypertext": (
        view('<HyperText name="text" value="$html"/>', choices()),
        'toName="text", which is a <HyperText>',
    ),
    "over nothing": (
        view(TEXT, choices().replace('toName="text"', 'toName="tekst"')),
        'toName="tekst", which does not exist',
    ),
    "without a target": (view(TEXT, choices().replace('toName="text"', "")), 'toName=""'),
    "over two": (
        view(TEXT, choices().replace('toName="text"', 'toName="text,other"')),
        'toName="text,other"',
    ),
    "no choice": (view(TEXT, choices("")), "offers 0 <Choice> (none)"),
    "choices from the task": (
        view(TEXT, choices("", 'value="$options"')),
        "written out in the config",
    ),
    "one choice": (view(TEXT, choices('<Choice value="Yes"/>')), "offers 1 <Choice> (Yes)"),
    "a doubled label": (view(TEXT, choices(YES_NO + '<Choice value="No"/>')), "'No'"),
    "an alias like another's value": (
        view(TEXT, choices('<Choice value="Yes"/><Choice value="Ja" alias="Yes"/>')),
        "'Yes' stands there twice",
    ),
    "a choice without value": (view(TEXT, choices(YES_NO + "<Choice/>")), "has no value"),
    "nested choices": (view(TEXT, choices(NEST)), "nests a <Choice>"),
    "a nameless Choices": (view(TEXT, choices().replace('name="verdict"', "")), "has no name"),
    "a fixed text": (view('<Text name="text" value="Hello"/>', choices()), 'value="Hello"'),
    "a text of two fields": (view('<Text name="text" value="$a $b"/>', choices()), "one field"),
    "a text without value": (view('<Text name="text"/>', choices()), 'value=""'),
}


@pytest.mark.parametrize(("config", "says"), BAD.values(), ids=BAD.keys())
def test_a_config_that_does_not_fit_is_named(config: str, says: str) -> None:
    with pytest.raises(ProjectError) as error:
        parse_schema(config)
    assert says in str(error.value)


def test_every_refusal_shows_a_config_that_serves() -> None:
    with pytest.raises(ProjectError) as error:
        parse_schema("<View/>")
    example = str(error.value).split("Example: ")[1]
    assert parse_schema(example) == Schema(("Yes", "No"), "verdict", "text", "text")


def test_an_entity_bomb_is_refused_in_no_time() -> None:
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "boom">{levels}]><View>&a11;</View>'
    with pytest.raises(ProjectError, match="not valid XML"):
        parse_schema(bomb)
