import math
from collections import Counter

import numpy as np
import pytest

from selection.cluster import cluster, connect, neighbours, overlap
from selection.region import centres_of
from selection.region_name import (
    DISTINCT,
    SEVERAL,
    distinctive,
    keep_names,
    known,
    name,
    words,
)

ENGLISH = ["the", "that", "was", "with", "there", "this", "it", "not", "you", "have"]
GERMAN = ["der", "die", "und", "das", "nicht", "mit", "ein", "auf", "dass", "sie"]
RUSSIAN = ["и", "не", "на", "что", "он", "как", "это", "но", "так", "она", "был"]


def names(texts: list[str], region: list[int], count: int) -> list[str]:
    return name(distinctive(texts, np.array(region, dtype=np.int64), count))


def planted(common: list[str], topics: list[list[str]]) -> tuple[list[str], list[int]]:
    """Texts of common words, each with one or two of its topic's words; and texts without any."""
    rng = np.random.default_rng(0)
    texts, region = [], []
    for number, own in enumerate([*topics, []]):
        for _ in range(60):
            said = rng.choice(common, 8).tolist()
            said += rng.choice(own, 2).tolist() if own else []
            texts.append(" ".join(rng.permutation(said)))
            region.append(number if own else -1)
    return texts, region


TOPICS = {
    "English": (ENGLISH, [["puppy", "kennel", "bark"], ["invoice", "refund", "payment"]]),
    "German": (GERMAN, [["hund", "leine", "futter"], ["rechnung", "mahnung", "konto"]]),
    "Russian": (RUSSIAN, [["собака", "поводок", "корм"], ["счёт", "оплата", "долг"]]),
    "Hindi": (["और", "के", "में", "है", "यह"], [["कुत्ता", "भोजन"], ["भुगतान", "हिन्दी"]]),
}


@pytest.mark.parametrize("language", TOPICS)
def test_planted_words_are_the_names(language: str) -> None:
    common, topics = TOPICS[language]
    texts, region = planted(common, topics)
    for found, own in zip(names(texts, region, 2), topics, strict=True):
        assert sorted(found.split(", ")) == sorted(own)


def test_languages_without_spaces_are_named_by_pairs_of_characters() -> None:
    texts = ["小狗在公园里跑", "我的小狗很可爱", "付款失败了", "请再付款一次", "明天见"]
    first, second = names(texts, [0, 0, 1, 1, -1], 2)
    assert (first, second) == ("小狗", "付款")


def test_the_weight_is_that_of_class_based_tf_idf_written_out() -> None:
    rng = np.random.default_rng(3)
    vocabulary = [f"{letter}word" for letter in "bcdfghjklmnpqrst"]
    chance = rng.dirichlet(np.full(16, 0.4), size=3)
    region = np.repeat([0, 1, 2], 40)
    texts = [" ".join(rng.choice(vocabulary, 6, p=chance[own])) for own in region]
    held = [Counter[str]() for _ in range(3)]
    for text, own in zip(texts, region.tolist(), strict=True):
        held[own].update(set(text.split()))
    average = sum(sum(one.values()) for one in held) / 3
    taken: set[str] = set()
    for own, found in enumerate(names(texts, region.tolist(), 3)):
        weight = {}
        for word, times in held[own].items():
            total = sum(one[word] for one in held)
            if times >= SEVERAL and times / 40 >= DISTINCT * (total - times) / 80:
                weight[word] = times / sum(held[own].values()) * math.log(1 + average / total)
        best = sorted(weight.keys() - taken, key=lambda word: -weight[word])[:3]
        assert found.split(", ") == best
        taken |= set(best)


def test_forms_of_one_word_stand_once_in_a_name() -> None:
    texts = ["apology", "apology", "apologies", "apologized", "apology accepted"] * 3
    found = names([*texts, "other", "thing"], [0] * 15 + [-1] * 2, 1)
    assert found == ["apology, accepted"]


def test_regions_with_the_same_words_do_not_share_them() -> None:
    texts = ["cat mouse", "cat mouse", "cat mouse", "cat mouse"] + ["bird"] * 20
    found = names(texts, [0, 0, 1, 1] + [-1] * 20, 2)
    assert found == ["cat, mouse", "region 2"]


def test_a_region_without_a_distinctive_word_has_a_number() -> None:
    assert names(["12 :-)", "?!"], [0, 1], 2) == ["region 1", "region 2"]
    assert names([], [], 0) == []


def test_words_are_small_letters_without_numbers_signs_and_english_stop_words() -> None:
    assert words("It's 10 GREAT_things: #NoFilter, don’t @o'brien!") == [
        "great", "things", "nofilter", "o'brien",
    ]  # fmt: skip


def test_a_region_keeps_its_name_while_half_of_its_words_are_true() -> None:
    before = np.eye(4, dtype=np.float32)
    now = np.array([[0.1, 0.99, 0, 0], [0, 0, 0, 1], [0.99, 0.1, 0, 0]], dtype=np.float32)
    found = keep_names(
        ["beak", "new", "bone"],
        [["beak", "bird"], ["new"], ["bone", "cat", "mouse"]],
        now,
        ["cat, mouse, milk", "wing, bird", "fish", "old"],
        before,
    )
    assert found == ["wing, bird", "new", "cat, mouse, milk"]


def test_two_regions_do_not_take_the_name_of_one() -> None:
    before = np.array([[1, 0]], dtype=np.float32)
    now = np.array([[0.8, 0.6], [1, 0]], dtype=np.float32)
    distinct = [["puppy", "dog"], ["hound", "dog"]]
    assert keep_names(["puppy", "hound"], distinct, now, ["dog"], before) == ["puppy", "dog"]


def test_another_region_with_the_words_of_an_earlier_one_gets_a_number() -> None:
    one, two = np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32)[1:]
    assert keep_names(["dog"], [["dog"]], two, ["dog"], one) == ["dog (2)"]
    both = np.concatenate([one, two])
    again = keep_names(["cat", "cow"], [["dog"], ["dog"]], both[::-1], ["dog", "dog (2)"], both)
    assert again == ["dog (2)", "dog"]


def test_an_earlier_region_lies_where_its_bought_texts_do() -> None:
    vectors = np.eye(4, dtype=np.float32)
    names, centres = known(vectors, np.array([3, 0, 1]), ["dog", "cat", "dog"])
    assert names == ["cat", "dog"]
    assert centres == pytest.approx(np.array([[1, 0, 0, 0], [0, 0.5**0.5, 0, 0.5**0.5]]))
    none, nowhere = known(vectors, np.zeros(0, dtype=np.int64), [])
    assert none == [] and nowhere.shape == (0, 4)


def test_a_planted_confusion_is_found_and_called_by_its_words_in_two_rounds() -> None:
    rng = np.random.default_rng(0)
    own = ["refund", "puppy", "voltage", "harvest"]  # the model is confused by the first two
    middle = rng.normal(size=(4, 48))
    topic = np.repeat(np.arange(4), 80)
    vectors = middle[topic] + 0.5 * rng.normal(size=(320, 48))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    predicted = np.where(topic < 2, np.arange(320) % 2, topic - 2)
    texts = np.array([f"{' '.join(rng.choice(ENGLISH, 5))} {own[one]}" for one in topic])

    def regions(rows: np.ndarray, earlier: list[str], before: np.ndarray) -> dict[str, np.ndarray]:
        clusters = cluster(vectors, predicted, rows, count=6, seed=0)
        region = connect(clusters, overlap(clusters, neighbours(vectors, clusters)))
        centre = centres_of(vectors, clusters, region)
        where = region[clusters.cell]
        said = distinctive(texts[clusters.row].tolist(), where, len(centre))
        kept = keep_names(name(said), said, centre, earlier, before)
        return {one: clusters.row[where == place] for place, one in enumerate(kept)}

    first = regions(np.arange(0, 320, 2) + rng.integers(2, size=160), [], np.zeros((0, 48)))
    assert set(first) == {"refund", "puppy"}
    for said, rows in first.items():
        assert (np.array(own)[topic[rows]] == said).mean() > 0.95
    bought = np.concatenate([rows[:5] for rows in first.values()])
    earlier, before = known(vectors, bought, [f"{one}, and" for one in first for _ in range(5)])
    again = regions(np.setdiff1d(np.arange(320), bought), earlier, before)
    assert set(again) == {"refund, and", "puppy, and"}


def test_without_an_earlier_round_names_stay_as_they_are() -> None:
    nowhere = np.zeros((0, 3), dtype=np.float32)
    assert keep_names(["dog"], [["dog"]], np.eye(1, 3, dtype=np.float32), [], nowhere) == ["dog"]
