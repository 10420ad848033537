"""Slots shared between endpoints (ADR 25)."""

from uuid import UUID, uuid4

import pytest

from delivery_service.application import bulkheads
from delivery_service.application.bulkheads import NEW_ATTEMPTS, SLOW_SECONDS, SLOW_SLOT_BYTES, Bulkheads
from delivery_service.application.lanes import Slot


class Clock:
    """A monotonic clock that a test turns on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(bulkheads, "time", turned)
    return turned


def fill(shared: Bulkheads[int]) -> list[Slot]:
    """Begin all that may begin."""
    begun = []
    while (each := shared.next()) is not None:
        begun.append(each[0])
    return begun


def answer(shared: Bulkheads[int], *endpoint_ids: UUID) -> None:
    """Let these endpoints end one attempt at once."""
    for endpoint_id in endpoint_ids:
        shared.add(endpoint_id, 0)
        for slot in fill(shared):
            shared.ended(slot, answered=True)


def add(shared: Bulkheads[int], endpoint_id: UUID, count: int) -> None:
    for number in range(count):
        shared.add(endpoint_id, number)


def test_quick_endpoints_share_the_slots_and_leave_one_for_the_next(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(12, 100)
    first, second, third = (uuid4() for _ in range(3))
    answer(shared, first, second, third)
    add(shared, first, 20)
    assert len(fill(shared)) == 6
    add(shared, second, 20)
    assert len(fill(shared)) == 3
    add(shared, third, 1)
    assert len(fill(shared)) == 1


def test_an_attempt_that_takes_long_gives_its_slot_to_others(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(4, 100)
    hanging, healthy = uuid4(), uuid4()
    answer(shared, hanging, healthy)
    add(shared, hanging, 10)
    assert len(fill(shared)) == 2
    clock.now += SLOW_SECONDS
    assert shared.move_overdue() is None
    assert shared.slow_slots_used == 2
    # It gets no more than it has, until it answers.
    assert fill(shared) == []
    add(shared, healthy, 10)
    assert len(fill(shared)) == 2


def test_move_overdue_says_when_the_next_attempt_may_have_to_be_moved(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(4, 100)
    assert shared.move_overdue() is None
    add(shared, uuid4(), 1)
    [slot] = fill(shared)
    clock.now += 0.1
    assert shared.move_overdue() == pytest.approx(SLOW_SECONDS - 0.1)
    shared.ended(slot, answered=True)
    assert shared.move_overdue() is None


def test_a_thousand_hanging_endpoints_hold_no_slot_and_leave_slow_slots_for_new_ones(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 2_000)
    for _ in range(1_000):
        add(shared, uuid4(), 3)
    assert len(fill(shared)) == 1_000
    healthy = uuid4()
    add(shared, healthy, 100)
    [first] = fill(shared)
    clock.now += 0.01
    shared.ended(first, answered=True)
    assert len(fill(shared)) == 25


def test_slow_endpoints_leave_a_quarter_of_the_slow_slots_to_new_ones(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 100)
    for _ in range(200):
        shared.add(uuid4(), 0, failing=True)
    assert len(fill(shared)) == 75
    add(shared, uuid4(), 1)
    assert len(fill(shared)) == 1


def test_a_new_endpoint_gets_further_attempts_only_while_half_of_the_slow_slots_are_free(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 40)
    first, second, third = (uuid4() for _ in range(3))
    for endpoint_id in (first, second, third):
        add(shared, endpoint_id, 20)
    begun = fill(shared)
    assert len(begun) == 20
    counts = sorted(sum(slot.endpoint_id == each for slot in begun) for each in (first, second, third))
    assert counts == [6, 7, 7]


def test_a_new_endpoint_begins_with_few_attempts(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 2_000)
    add(shared, uuid4(), 100)
    assert len(fill(shared)) == NEW_ATTEMPTS


def test_an_endpoint_whose_last_attempt_failed_begins_with_one(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 2_000)
    endpoint_id = uuid4()
    for number in range(10):
        shared.add(endpoint_id, number, failing=True)
    assert len(fill(shared)) == 1


def test_the_limit_of_a_slow_endpoint_grows_with_answers_and_halves_with_timeouts(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(20, 2_000)
    endpoint_id = uuid4()
    shared.add(endpoint_id, 0, failing=True)
    begun = fill(shared)
    add(shared, endpoint_id, 500)
    limits = []
    for answered in (True, True, True, True, False, False, False, False):
        clock.now += 5
        shared.move_overdue()
        for slot in begun[:1] if not answered else begun:
            shared.ended(slot, answered=answered)
        begun = [slot for slot in begun if not slot.ended] + fill(shared)
        limits.append(len(begun))
    assert limits[:4] == [2, 4, 8, 10]
    # One attempt timed out each time; those in flight are left to end.
    assert limits[4:] == [9, 8, 7, 6]
    for slot in begun:
        shared.ended(slot, answered=False)
    assert len(fill(shared)) == 1


def test_a_slow_endpoint_that_answers_at_once_is_quick_again(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(20, 100)
    endpoint_id = uuid4()
    shared.add(endpoint_id, 0, failing=True)
    [slot] = fill(shared)
    clock.now += 0.1
    shared.ended(slot, answered=True)
    add(shared, endpoint_id, 50)
    assert len(fill(shared)) == 10
    assert shared.slow_slots_used == 0


def test_an_endpoint_is_not_quick_while_other_attempts_of_it_hang(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(20, 100)
    endpoint_id = uuid4()
    add(shared, endpoint_id, 2)
    hanging, answered = fill(shared)
    clock.now += SLOW_SECONDS
    shared.move_overdue()
    shared.ended(answered, answered=True)
    add(shared, endpoint_id, 50)
    [quick, *rest] = fill(shared)
    clock.now += 0.01
    shared.ended(quick, answered=True)
    assert all(not slot.quick for slot in [*rest, *fill(shared)])
    assert not hanging.ended


def test_changed_endpoint_starts_with_default_concurrency(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(20, 2_000)
    endpoint_id = uuid4()
    shared.add(endpoint_id, 0, version=1)
    [old] = fill(shared)
    for number in range(50):
        shared.add(endpoint_id, number, version=2)
    clock.now += 30
    shared.move_overdue()
    shared.ended(old, answered=False)
    assert len(fill(shared)) == NEW_ATTEMPTS


def test_large_payloads_take_several_slow_slots(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 100)
    for _ in range(100):
        shared.add(uuid4(), 0, size=10 * SLOW_SLOT_BYTES)
    begun = fill(shared)
    # The last one may go over.
    assert len(begun) == 10
    assert shared.slow_slots_used == 110


def test_quick_endpoints_can_be_claimed_while_the_slow_slots_are_full(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(20, 20)
    healthy = uuid4()
    answer(shared, healthy)
    for _ in range(60):
        add(shared, uuid4(), 1)
    fill(shared)
    capacity = shared.capacity()
    assert capacity.default == 0
    assert capacity.of[healthy] == 20


@pytest.mark.parametrize(("slow_slots", "room_of_slow"), [(2_000, 1), (1_200, 0)], ids=["many free", "reserve free"])
def test_endpoint_has_room_for_one_attempt_while_others_fill_what_may_wait(
    clock: Clock, slow_slots: int, room_of_slow: int
) -> None:
    shared: Bulkheads[int] = Bulkheads(50, slow_slots)
    quick, slow, new = (uuid4() for _ in range(3))
    answer(shared, quick)
    shared.add(slow, 0)
    [attempt] = fill(shared)
    clock.now += SLOW_SECONDS
    shared.ended(attempt, answered=True)
    for _ in range(1_000):
        add(shared, uuid4(), 3)
    assert len(fill(shared)) == 1_000
    assert shared.room(new) == 1
    assert shared.room(slow) == room_of_slow
    capacity = shared.capacity()
    assert (capacity.default, capacity.of[slow], capacity.of[quick]) == (1, room_of_slow, 50)
    shared.add(new, 0)
    assert len(fill(shared)) == 1


def test_no_endpoint_but_a_quick_one_has_room_while_all_slow_slots_are_used_and_as_many_wait(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 100)
    quick = uuid4()
    answer(shared, quick)
    for _ in range(100):
        add(shared, uuid4(), 2)
    assert len(fill(shared)) == 100
    assert shared.room(uuid4()) == 0
    assert (shared.capacity().default, shared.capacity().of[quick]) == (0, 50)


def test_attempts_beyond_all_slots_are_bounded_while_endpoints_turn_slow(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(10, 10)
    in_flight = 0
    for _ in range(40):
        endpoint_id = uuid4()
        answer(shared, endpoint_id)
        add(shared, endpoint_id, 10)
        in_flight += len(fill(shared))
        clock.now += SLOW_SECONDS
        shared.move_overdue()
    assert in_flight <= 10 + 10 + 10


def test_only_what_can_begin_is_claimed_of_an_endpoint_that_hangs(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 2_000)
    endpoint_id = uuid4()
    shared.add(endpoint_id, 0, failing=True)
    fill(shared)
    assert shared.room(endpoint_id) == 0
    assert not shared.needs_refill(endpoint_id)
    assert shared.capacity([endpoint_id]).of == {endpoint_id: 0}


def test_an_endpoints_own_cap_is_kept_and_can_change(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 100)
    endpoint_id = uuid4()
    for number in range(10):
        shared.add(endpoint_id, number, cap=2)
    assert len(fill(shared)) == 2
    shared.set_cap(endpoint_id, 5)
    assert len(fill(shared)) == 3


def test_waiting_deliveries_can_be_removed(clock: Clock) -> None:
    shared: Bulkheads[int] = Bulkheads(50, 100)
    first, second = uuid4(), uuid4()
    shared.add(first, 1)
    shared.add(second, 2)
    assert set(shared.waiting) == {first, second}
    assert shared.take_waiting([first]) == [1]
    assert shared.take_waiting() == [2]
    assert shared.next() is None
