"""Texts come from strangers: what reaches the page is escaped, and no template can forget it."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from selection.report import html
from selection.report.html import TEMPLATES, interval, pixels, why
from selection.types import Estimate

SOURCES = sorted(Path(html.__file__).parent.glob("templates/*.html"))


def drawn(source: str, **values: object) -> str:
    return TEMPLATES.from_string(source).render(values)


def test_a_text_is_escaped_in_content_and_in_attributes() -> None:
    assert drawn('<b title="{{ it }}">{{ it }}</b>', it="\"'><i>&") == (
        '<b title="&#34;&#39;&gt;&lt;i&gt;&amp;">&#34;&#39;&gt;&lt;i&gt;&amp;</b>'
    )


def test_a_text_is_escaped_behind_a_macro_of_another_file_too() -> None:
    source = '{% from "link.html" import link %}{{ link(url, text) }}'
    assert drawn(source, url='https://a.org/"><i>', text="<i>") == (
        '<a href="https://a.org/&#34;&gt;&lt;i&gt;" rel="noreferrer noopener">&lt;i&gt;</a>'
    )


def test_an_address_that_is_no_web_page_is_text() -> None:
    source = '{% from "link.html" import link %}{{ link("javascript:alert(1)", "task 7") }}'
    assert drawn(source) == "task 7"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off_or_leaves_an_attribute_unquoted(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert re.findall(r"\|\s*safe\b|autoescape|Markup|xmlattr|tojson|__html__", source) == []
    assert re.findall(r"=\s*\{\{", source) == []


def test_a_name_that_nobody_gave_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="'titel' is undefined"):
        drawn("{{ titel }}")


def test_an_interval_names_a_confidence_that_is_not_95_per_cent() -> None:
    assert interval(Estimate(0.72, 0.64, 0.8, 90)) == "0.64 to 0.80"
    assert interval(Estimate(0.72, 0.64, 0.8, 90, confidence=0.98)) == "0.64 to 0.80, 98 %"
    assert interval(Estimate(1.0, None, None, 2, "few")) == "no interval"


def test_an_undefined_estimate_gives_its_reason_if_it_has_one() -> None:
    assert why(Estimate.undefined(0, "nothing was audited")) == "nothing was audited"
    assert why(Estimate.undefined(0, "")) == "no reason given"


def test_a_coordinate_has_at_most_two_decimals() -> None:
    assert [pixels(v) for v in (38.0, 283.78021, 0.004)] == ["38", "283.78", "0"]
