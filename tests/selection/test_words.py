from collections.abc import Sequence

import numpy as np
import pytest

from selection.types import Floats
from selection.words import by_words, definitions, phrases, speaks_for, standard

CLICKBAIT = (
    "Is this headline clickbait? Answer 'clickbait' if it teases, promises a list, or hides what "
    "happened. Answer 'news' if it reports an event."
)


def test_a_label_is_what_the_policy_says_after_naming_it() -> None:
    assert definitions(CLICKBAIT, ("clickbait", "news")) == (
        "clickbait: if it teases, promises a list, or hides what happened",
        "news: if it reports an event",
    )


def test_what_is_said_of_one_label_ends_where_the_next_one_is_named() -> None:
    policy = "Answer 'threat' if it calls for harm, 'insult' if it demeans: a slur, an insult."
    assert definitions(policy, ("threat", "insult")) == (
        "threat: if it calls for harm",
        "insult: if it demeans: a slur, an insult",
    )


def test_what_several_sentences_say_of_a_label_is_joined() -> None:
    policy = "Spam is what sells something. Nothing else.\nspam also repeats itself"
    assert definitions(policy, ("spam", "ham")) == (
        "spam: is what sells something. also repeats itself",
        "ham",
    )


@pytest.mark.parametrize("policy", ["", "Be careful.", "Say yesterday's news."])
def test_a_label_that_the_policy_does_not_name_stands_for_itself(policy: str) -> None:
    assert definitions(policy, ("yes", "no")) == ("yes", "no")


def test_labels_with_signs_are_found_as_they_are_written() -> None:
    policy = "Choose 1. threats, plans when it hurts. Choose C++ (code) when it compiles."
    assert definitions(policy, ("C++ (code)",)) == ("C++ (code): when it compiles",)


@pytest.mark.parametrize(
    ("definition", "listed"),
    [
        (
            "clickbait: if it teases, promises a list, or hides what happened",
            ("clickbait", "teases", "promises a list", "hides what happened"),
        ),
        (
            "extreme: if the writer expresses hatred, fury or despair in the strongest words",
            ("extreme", "hatred", "fury", "despair in the strongest words"),
        ),
        ("anger: or anger (Somebody is furious)", ("anger", "furious")),
        ("other: for every other", ("other: for every other",)),
        ("yes", ("yes",)),
    ],
)
def test_a_definition_is_what_it_lists_without_words_that_tell_nothing(
    definition: str, listed: tuple[str, ...]
) -> None:
    assert phrases(definition) == listed


def test_a_text_speaks_for_the_label_whose_words_it_is_like() -> None:
    words = np.eye(3, dtype=np.float32)[:2]
    texts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.8, 0.6, 0]], dtype=np.float32)
    speaks = speaks_for(texts, words, [words[:1], words[1:]])
    assert speaks[:, 0].argsort().tolist() == [1, 2, 3, 0]  # half of the other's likeness counts
    assert speaks.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert speaks.std(axis=0) == pytest.approx([1, 1])


def test_one_phrase_of_a_definition_is_enough_and_two_are_better() -> None:
    axes = np.eye(4, dtype=np.float32)
    whole = np.stack([(axes[0] + axes[1] + axes[2]) / np.sqrt(np.float32(3)), axes[3]])
    both = (axes[0] + axes[1]) / np.sqrt(np.float32(2))
    texts = np.stack([axes[0], both, axes[2], axes[3]])
    speaks = speaks_for(texts, whole, [axes[:2], axes[3:]])[:, 0]
    # the first two are listed; the third is only in the whole
    assert speaks.argsort().tolist() == [3, 2, 0, 1]


def test_the_policy_is_read_whole_and_by_phrases() -> None:
    asked: list[tuple[str, ...]] = []

    def read(texts: Sequence[str]) -> Floats:
        asked.append(tuple(texts))
        return np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (len(texts), 1))

    speaks = by_words(np.eye(2, dtype=np.float32), "Yes if it sells, or begs.", ("yes", "no"), read)
    assert asked == [("yes: if it sells, or begs", "no"), ("yes", "sells", "begs"), ("no",)]
    assert speaks.shape == (2, 2)


def test_values_that_are_all_the_same_say_nothing() -> None:
    assert standard(np.full((4, 1), 7.0)).tolist() == [[0.0]] * 4
