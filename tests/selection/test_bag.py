from collections import Counter

import numpy as np
import pytest

from selection.bag import COLUMNS, bag, rarity

TEXTS = ("I am so sorry", "so so sorry about that", "a dog", "Sorry, dog!")


def column(word: str) -> int:
    [found] = bag([word]).indices.tolist()
    return int(found)


def test_all_words_of_a_text_weigh_alike_however_often_they_stand_there() -> None:
    [_, row, *_] = bag(TEXTS).toarray()
    told = {word: row[column(word)] for word in ("so", "sorry", "about", "that")}
    assert told == pytest.approx(dict.fromkeys(told, 0.5))
    assert row.sum() == pytest.approx(2.0)  # nothing else


def test_a_text_is_read_alike_alone_and_beside_others() -> None:
    assert (bag(TEXTS)[3] != bag(TEXTS[3:])).nnz == 0


def test_the_rarity_of_words_is_their_inverse_document_frequency() -> None:
    found = rarity(bag(TEXTS))
    documents = Counter({"so": 2, "sorry": 3, "about": 1, "that": 1, "dog": 2, "am": 1})
    expected = {word: np.log(5 / (1 + n)) + 1 for word, n in documents.items()}
    usual = sum(expected[word] * n for word, n in documents.items()) / documents.total()
    assert {word: found[column(word)] for word in documents} == pytest.approx(
        {word: value / usual for word, value in expected.items()}
    )
    assert found[column("unheard")] == pytest.approx((np.log(5) + 1) / usual)


def test_texts_without_words_have_empty_rows_and_no_word_is_rarer_than_another() -> None:
    bags = bag(["", "!?"])
    assert bags.nnz == 0
    assert rarity(bags) == pytest.approx(np.full(COLUMNS, np.log(3) + 1))
