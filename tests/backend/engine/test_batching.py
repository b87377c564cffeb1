"""Which texts make the next batch."""

from backend.engine.batching import Request, take_batch
from backend.engine.served import Served

ONE = Served("one", "Is it mean?", ("harsh", "fine"), None)
OTHER = Served("other", "Is it kind?", ("harsh", "fine"), None)


def test_a_bulk_that_waited_long_comes_before_newer_small_ones() -> None:
    old = Request(ONE, [[1] * 10] * 100)
    old.deadline -= 2.0  # it has waited two seconds for its 1,000 tokens
    new = Request(ONE, [[1] * 10])
    assert old.deadline < new.deadline
    (part,) = take_batch([new, old], room=22)
    assert (part.request, len(part.positions), part.tokens) == (old, 2, 22)


def test_a_batch_is_of_the_version_whose_request_is_due_first() -> None:
    requests = [Request(served, [[1] * 10]) for served in (OTHER, ONE, OTHER)]
    for due, request in enumerate(requests):
        request.deadline = float(due)
    parts = take_batch(requests[::-1], room=100)
    assert [part.request for part in parts] == [requests[0], requests[2]]


def test_the_longest_texts_of_a_request_come_first() -> None:
    request = Request(ONE, [[1] * n for n in (3, 9, 1, 5)])
    taken = [take_batch([request], room=16)[0].positions for _ in range(2)]
    assert taken == [[1, 3], [0, 2]]


def test_a_text_longer_than_the_room_is_a_batch_of_its_own() -> None:
    long, short = Request(ONE, [[1] * 50]), Request(ONE, [[1]])
    long.deadline, short.deadline = 1.0, 2.0
    (part,) = take_batch([long, short], room=8)
    assert (part.request, part.positions) == (long, [0])


def test_what_is_read_after_each_text_counts_as_well() -> None:
    request = Request(ONE, [[1] * 10] * 4, after=90)
    (part,) = take_batch([request], room=250)
    assert part.positions == [3, 2] and part.tokens == 200
