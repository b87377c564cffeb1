import pytest

from selection.studio.instruction import plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Is this clickbait?", "Is this clickbait?"),
        ("Line one\nline two\n\n\n\nline   three ", "Line one\nline two\n\nline three"),
        ("<p>Say <b>yes</b> if it <i>is</i>.</p><p>Else no.</p>", "Say yes if it is.\n\nElse no."),
        ("Yes if:<ul><li>it is</li><li>it may be</li></ul>Else no",
         "Yes if:\n\n- it is\n- it may be\nElse no"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("1 &lt; 2 &amp;&amp; x&nbsp;y &eacute;", "1 < 2 && x y é"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<style>p {}</style>Text<script>alert(1)</script>", "Text"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\n\nc"),
        ("<p>never closed", "never closed"),
        ("</script>Text", "Text"),
    ],
)  # fmt: skip
def test_an_instruction_becomes_plain_text(html: str, text: str) -> None:
    assert plain_text(html) == text


def test_plain_text_of_plain_text_is_the_same() -> None:
    once = plain_text("<h1>Policy</h1><ul><li>one</li><li>two</li></ul><p>Else: R&amp;D</p>")
    assert plain_text(once) == once == "Policy\n\n- one\n- two\n\nElse: R&D"
