"""Texts with labels as a lesson of the product."""

from pathlib import Path

import numpy as np
import pytest

from backend.balance import pool_balance
from backend.config import BackendSettings
from backend.examples import training_examples
from demo.teacher import Teacher, lesson
from tests.fakes import FakeStudio

TEXTS = [("a", "one"), ("b", "two"), ("c", "three"), ("d", "four")]


def test_a_lesson_teaches_each_text_its_label() -> None:
    given = lesson(TEXTS, [0, 1, 1, 0], np.full(4, np.nan), ("yes", "no"))
    examples = training_examples(given)
    assert [item.text for item in examples.items] == ["one", "two", "three", "four"]
    assert examples.targets.tolist() == [0, 1, 1, 0]


def test_only_texts_that_were_drawn_tell_the_balance_of_the_pool() -> None:
    chance = np.array([0.1, 0.1, np.nan, np.nan])
    share, worth = pool_balance(lesson(TEXTS, [0, 1, 1, 1], chance, ("yes", "no")))
    assert share.tolist() == [0.5, 0.5]
    assert worth > 0
    nobody = np.full(4, np.nan)
    assert pool_balance(lesson(TEXTS, [0, 1, 1, 1], nobody, ("yes", "no")))[1] == 0


@pytest.mark.parametrize("number", [0, 50])
def test_a_lesson_of_one_label_makes_no_version(tmp_path: Path, number: int) -> None:
    """Whatever number it has; random verdicts hold one label only where the other is rare."""
    teacher = Teacher(BackendSettings(home=tmp_path), FakeStudio().project(7))
    given = lesson(TEXTS, [1, 1, 1, 1], np.full(4, np.nan), ("yes", "no"))
    assert teacher.teach(given, number) is None
