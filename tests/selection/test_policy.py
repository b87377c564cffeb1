import pytest

from selection.policy import policy_hash

NAMED = policy_hash("Is it so?", ("yes", "no"))


def test_a_policy_is_named_by_eight_digits_that_never_change() -> None:
    assert NAMED == "0991c8d2"
    assert policy_hash("  Is it so?\n", ["yes", "no"]) == NAMED


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        ("Is it so!", ("yes", "no")),
        ("Is it so?", ("no", "yes")),
        ("Is it so?", ("yes", "no", "maybe")),
        ("Is it so?", ("yesno",)),
        ("Is it so?yes", ("no",)),
    ],
)
def test_other_words_or_labels_have_another_name(words: str, labels: tuple[str, ...]) -> None:
    assert policy_hash(words, labels) != NAMED
