import numpy as np
import pytest

from selection.words import definitions, speaks_for, standard

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


def test_a_text_speaks_for_the_label_whose_words_it_is_like() -> None:
    words = np.eye(3, dtype=np.float32)[:2]
    texts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.8, 0.6, 0]], dtype=np.float32)
    speaks = speaks_for(texts, words)
    assert speaks[:, 0].argsort().tolist() == [1, 2, 3, 0]  # half of the other's likeness counts
    assert speaks.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert speaks.std(axis=0) == pytest.approx([1, 1])


def test_values_that_are_all_the_same_say_nothing() -> None:
    assert standard(np.full((4, 1), 7.0)).tolist() == [[0.0]] * 4
