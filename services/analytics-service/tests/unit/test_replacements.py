"""One event counts once, by its last end, in whichever order and batches its ends arrive."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.domain.facts import EndpointResult, Fact, Kind, Measure, Rollup
from analytics_service.domain.replacements import ENDS, settle

AT = datetime(2026, 11, 23, 14, tzinfo=UTC)
EVENTS = [UUID(int=number) for number in range(1, 4)]


def _end(kind: Kind, minutes: int = 0, *, event: UUID = EVENTS[0], attempt: int = 1) -> Fact:
    return Fact(
        uuid4(), kind, AT + timedelta(minutes=minutes), "event-service", event_id=event, event_type="BIRTHDAY",
        priority=1, attempt=attempt,
        latencies=((Measure.END_TO_END, minutes * 60 + 0.5),) if kind is Kind.COMPLETED else (),
        endpoints=(EndpointResult(UUID(int=9), "webhook", kind, attempt, 0.1),) if ENDS[kind] == "outcome" else (),
    )  # fmt: skip


def _total(batches: list[list[Fact]]) -> Rollup:
    total, seen = Rollup(), list[Fact]()
    for batch in batches:
        events = {fact.event_id for fact in batch}
        settled = settle(batch, [fact for fact in seen if fact.event_id in events])
        step = Rollup.of(settled.added, settled.taken_back)
        for sums, change in (
            (total.counts, step.counts), (total.latencies, step.latencies),
            (total.results, step.results), (total.attempts, step.attempts),
        ):  # fmt: skip
            sums.update(change)  # type: ignore[arg-type]
        seen += batch
    return total


def _kinds(batches: list[list[Fact]]) -> dict[Kind, int]:
    sums: Counter[Kind] = Counter()
    for (grain, _, kind, _, _), count in _total(batches).counts.items():
        sums[kind] += count if grain == "day" else 0
    return {kind: count for kind, count in sums.items() if count}


def test_a_redrive_takes_the_failure_back() -> None:
    assert _kinds([[_end(Kind.FAILED)], [_end(Kind.COMPLETED, 6)]]) == {Kind.COMPLETED: 1}


def test_refused_retries_of_one_event_are_one_failure() -> None:
    assert _kinds([[_end(Kind.FAILED, number, attempt=number + 1)] for number in range(4)]) == {Kind.FAILED: 1}


def test_the_attempt_comes_before_the_instant() -> None:
    # Publishers' clocks differ: a retry may seem to end before what it retries.
    assert _kinds([[_end(Kind.FAILED, 5)], [_end(Kind.COMPLETED, 4, attempt=2)]]) == {Kind.COMPLETED: 1}


def test_the_event_and_its_deliveries_count_apart() -> None:
    ends = [_end(Kind.DELIVERY_FAILED), _end(Kind.FAILED), _end(Kind.DELIVERY_SUCCEEDED, 3), _end(Kind.COMPLETED, 3)]
    assert _kinds([[each] for each in ends]) == {Kind.COMPLETED: 1, Kind.DELIVERY_SUCCEEDED: 1}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_lateness_is_to_the_first_end_and_recovery_is_shown_apart(order: tuple[int, ...]) -> None:
    ends = [_end(Kind.FAILED), _end(Kind.FAILED, 2), _end(Kind.COMPLETED, 6)]
    measured = {
        (measure, count)
        for (grain, _, measure, *_), count in _total([[ends[place]] for place in order]).latencies.items()
        if grain == "day" and count
    }
    assert measured == {(Measure.RECOVERY, 1)}
    [last] = settle([ends[2]], ends[:2]).added
    assert last.latencies == ((Measure.RECOVERY, 360.0),)


def test_a_retry_whose_first_end_is_no_longer_known_has_no_lateness() -> None:
    [only] = settle([_end(Kind.COMPLETED, 6, attempt=2)], []).added
    assert only.latencies == ()


@given(data=st.data())
def test_order_and_batches_do_not_matter(data: st.DataObject) -> None:
    ends = data.draw(
        st.lists(
            st.builds(
                lambda kind, minutes, event, attempt: _end(kind, minutes, event=event, attempt=attempt),
                st.sampled_from(list(ENDS)), st.integers(0, 3), st.sampled_from(EVENTS), st.integers(1, 3),
            ),
            max_size=8,
        )
    )  # fmt: skip
    shuffled = data.draw(st.permutations(ends))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ends)), max_size=4)))
    batches = [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(ends)], strict=True)]
    total, at_once = _total(batches), _total([ends])
    # Sums that came to 0 and sums that are not there are the same.
    assert +total.counts == +at_once.counts
    assert +total.latencies == +at_once.latencies
    assert +total.results == +at_once.results
    assert +total.attempts == +at_once.attempts
    assert all(count >= 0 for count in total.counts.values())
    assert sum(count for (grain, *_), count in total.counts.items() if grain == "day") == len(
        {(fact.event_id, ENDS[fact.kind]) for fact in ends}
    )
