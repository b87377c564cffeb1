"""What a demo asks, and what is kept apart to tell the truth."""

import numpy as np
import pytest

from demo.question import NOUNS, question
from demo.ratings import load
from selection.errors import SettingError


@pytest.mark.parametrize("name", ["rare", "tweets"])
def test_the_loop_sees_no_text_that_measures_at_the_end(name: str) -> None:
    texts = question(name).texts()
    assert not {one.text for one in texts.pool} & {one.text for one in texts.test}
    assert len(texts.test) == len(texts.weight)


def test_the_test_of_a_rare_label_stands_for_all_texts_that_were_set_apart() -> None:
    asked = question("rare")
    texts = asked.texts()
    every = {one.text: one for kind in asked.kinds for one in load(kind)}
    apart = [one for text, one in every.items() if text not in {r.text for r in texts.pool}]
    positive = [asked.first(one, 2) for one in texts.test]
    assert sum(positive) == sum(asked.first(one, 2) for one in apart) == 76
    assert texts.weight.sum() == pytest.approx(len(apart))
    assert set(texts.weight[positive].tolist()) == {1.0}
    assert len(texts.test) == 76 + asked.others


def test_a_kind_of_texts_measures_on_all_that_were_set_apart() -> None:
    texts = question("tweets").texts()
    assert set(texts.weight.tolist()) == {1.0}
    assert len(texts.test) == pytest.approx(len(texts.pool) / 5, abs=1)


def test_an_expert_says_what_most_of_a_third_of_the_raters_say() -> None:
    asked = question("tweets")
    some = asked.texts().pool[:200]
    said = asked.answers(some, third=1)
    harsh = [said[one.text] == "harsh" for one in some]
    most = [sum(r <= -2 for r in one.thirds[1]) > len(one.thirds[1]) / 2 for one in some]
    assert harsh == most
    assert 10 < sum(harsh) < 50


def test_an_expert_calls_extreme_what_a_third_of_the_raters_calls_so_on_the_mean() -> None:
    asked = question("rare")
    some = asked.texts().pool
    said = asked.answers(some, third=1)
    extreme = [said[one.text] == "extreme" for one in some]
    assert extreme == [2 * sum(one.thirds[1]) <= -5 * len(one.thirds[1]) for one in some]
    assert np.mean(extreme) == pytest.approx(0.022, abs=0.003)


def test_another_question_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(SettingError, match=f"take one of rare, {', '.join(NOUNS)}"):
        question("films")
