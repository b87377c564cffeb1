import json
from typing import Any

import pytest

from selection.pool_sample import PoolSample


def test_a_sample_comes_back_as_it_was_written() -> None:
    for one in (PoolSample(), PoolSample(("ein Text", "é"), (1.5, 240.0))):
        assert PoolSample.from_json(json.loads(json.dumps(one.as_json()))) == one
    assert PoolSample(("a",), (2.0,)).as_json() == {"texts": ["a"], "weight": [2.0]}


def test_the_list_of_texts_of_an_older_crux_is_a_sample_of_equal_weights() -> None:
    assert PoolSample.from_json(["a", "b"]) == PoolSample(("a", "b"), (1.0, 1.0))
    assert PoolSample.from_json([]) == PoolSample()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("text", "it is a str, not an object"), (None, "it is a NoneType, not an object"),
        ({"texts": ["a", "b"], "weight": [1.0]}, "1 weights for 2 texts"),
        ({"texts": ["a"], "weight": [0.0]}, "weights must be positive numbers"),
        ({"texts": ["a"], "weight": [-1.0]}, "weights must be positive numbers"),
        ({"texts": ["a"], "weight": [float("nan")]}, "weights must be positive numbers"),
        ({"texts": ["a"], "weight": [float("inf")]}, "weights must be positive numbers"),
        ({"texts": ["a"], "weight": ["much"]}, "could not convert"),
        ({"texts": ["a"]}, "weight"),
    ],
)  # fmt: skip
def test_what_is_no_sample_is_an_error_that_names_what_is_wrong(body: Any, what: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError), match=what):
        PoolSample.from_json(body)
