"""Which endpoint gets the next free slot."""

from uuid import uuid4

from delivery_service.application.fair_queue import FairQueue


def test_endpoint_with_the_fewest_attempts_in_flight_comes_first() -> None:
    busy, idle = uuid4(), uuid4()
    queue = FairQueue()
    queue.put(busy, 2, 0.0)
    queue.put(idle, 1, 50.0)
    assert [queue.take(10), queue.take(10), queue.take(10)] == [idle, busy, None]


def test_among_equals_the_one_that_used_the_least_time_comes_first() -> None:
    first, slow, quick = uuid4(), uuid4(), uuid4()
    queue = FairQueue()
    queue.put(first, 0, 0.5)
    queue.put(slow, 0, 0.5)
    queue.put(quick, 0, 0.01)
    assert [queue.take(1), queue.take(1), queue.take(1)] == [quick, first, slow]


def test_endpoint_at_its_concurrency_limit_is_not_taken() -> None:
    endpoint_id = uuid4()
    queue = FairQueue()
    queue.put(endpoint_id, 3, 0.0)
    assert queue.take(3) is None
    assert queue.take(4) == endpoint_id


def test_an_endpoint_that_is_put_again_is_moved_and_one_that_is_discarded_is_gone() -> None:
    moved, gone = uuid4(), uuid4()
    queue = FairQueue()
    queue.put(moved, 0, 0.0)
    queue.put(gone, 1, 0.0)
    queue.put(moved, 2, 0.0)
    queue.discard(gone)
    assert [queue.take(10), queue.take(10)] == [moved, None]


def test_many_moves_keep_the_order() -> None:
    endpoint_ids = [uuid4() for _ in range(20)]
    queue = FairQueue()
    for under_way in range(50, -1, -1):
        for position, endpoint_id in enumerate(endpoint_ids):
            queue.put(endpoint_id, under_way, float(position))
    assert [queue.take(1) for _ in endpoint_ids] == endpoint_ids
    assert queue.take(100) is None
