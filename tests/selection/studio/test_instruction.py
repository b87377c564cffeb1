import pytest

from selection.studio.instruction import plain_text, with_note


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


# the note for annotators


@pytest.mark.parametrize("policy", ["Is it?", "<p>Is it?</p>\n", "1 &lt; 2<ul><li>a</li></ul>"])
def test_the_note_for_annotators_is_no_part_of_the_policy(policy: str) -> None:
    noted = with_note(policy, "<hr><p>Read <b>this</b></p><ul><li>first</li></ul>")
    assert noted.endswith('<ul><li>first</li></ul></footer>')
    assert plain_text(noted) == plain_text(policy)


def test_a_note_is_written_once_and_replaced_when_its_words_change() -> None:
    once = with_note("Is it so?  \n", "<p>old</p>")
    assert once == 'Is it so?\n<footer class="crux"><p>old</p></footer>'
    assert with_note(once, "<p>old</p>") == once
    assert with_note(once, "<p>new</p>") == 'Is it so?\n<footer class="crux"><p>new</p></footer>'


def test_what_stands_after_the_note_or_in_a_footer_of_ones_own_is_policy() -> None:
    own = "<footer>Ask Ann.</footer>"
    assert plain_text(f"Is it so? {own}") == "Is it so? Ask Ann."
    noted = with_note(f"Is it so? {own}", "<p>note</p>") + "<p>Added later.</p>"
    assert plain_text(noted) == "Is it so? Ask Ann.\n\nAdded later."
    assert with_note(noted, "<p>new</p>") == (
        f'Is it so? {own}<p>Added later.</p>\n<footer class="crux"><p>new</p></footer>'
    )
