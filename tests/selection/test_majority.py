from collections import Counter

import numpy as np

from selection.collect import majority
from selection.types import NO_VERDICT, Verdicts

NO = NO_VERDICT


def verdicts(rows: list[list[int]], k: int = 3) -> Verdicts:
    return Verdicts(np.array(rows), tuple("abcd"[: len(rows[0])]), k)


def test_most_votes_win_and_ties_and_silence_have_no_label() -> None:
    rows = [
        [0, 0, 1],
        [2, 2, 2],
        [1, NO, NO],
        [0, 1, NO],
        [0, 1, 2],
        [NO, NO, NO],
        [NO, 2, 2],
    ]
    label, ties = majority(verdicts(rows))
    assert label.tolist() == [0, 2, 1, NO, NO, NO, 2]
    assert ties == 2


def test_a_plurality_is_enough() -> None:
    label, ties = majority(verdicts([[2, 2, 0, 1], [0, 0, 1, 1]]))
    assert label.tolist() == [2, NO]
    assert ties == 1


def test_it_equals_counting_by_hand() -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(-1, 4, size=(500, 4))
    label, ties = majority(Verdicts(table, tuple("abcd"), 4))
    expected, tied = [], 0
    for row in table.tolist():
        ranked = Counter(v for v in row if v != NO).most_common(2)
        even = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
        tied += even
        expected.append(ranked[0][0] if ranked and not even else NO)
    assert label.tolist() == expected
    assert ties == tied


def test_nothing_judged_is_no_label() -> None:
    label, ties = majority(Verdicts(np.empty((0, 2), dtype=np.int64), ("a", "b"), 2))
    assert label.tolist() == []
    assert ties == 0
    label, ties = majority(Verdicts(np.empty((3, 0), dtype=np.int64), (), 2))
    assert label.tolist() == [NO, NO, NO]
    assert ties == 0
