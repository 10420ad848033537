"""A timeline as a waterfall, from whatever is known of the event."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from analytics_service.domain.facts import Kind
from analytics_service.domain.records import AttemptRecord, DeliveryRecord, EventRecord, Transition
from analytics_service.domain.timeline import TimelineEntry
from analytics_service.domain.waterfall import Span, SpanKind, SpanStatus, waterfall

TARGET = datetime(2026, 11, 23, 14, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def _at(seconds: float) -> datetime:
    return TARGET + timedelta(seconds=seconds)


def _entry(kind: Kind, seconds: float, source: str = "event-service", **data: Any) -> TimelineEntry:
    data = {"targetTimestampUTC": TARGET.isoformat(), "attempt": 1, **data}
    return TimelineEntry(_at(seconds), kind, source, TRACE, uuid4(), data)


def _attempt(seconds: float, duration: float, verdict: str = "succeeded", status: int | None = 200) -> AttemptRecord:
    return AttemptRecord(verdict, status, None, None, "hello", _at(seconds), duration, TRACE)


def _event(status: str, *steps: tuple[float, str, str], **more: Any) -> EventRecord:
    history = [Transition(_at(seconds), step, cause) for seconds, step, cause in steps]
    values: dict[str, Any] = {"published_at": None, "finished_at": None, "reason": None, "attempt": 1, **more}
    return EventRecord(
        id=uuid4(), event_type="BIRTHDAY", status=status, priority=0, user_id=uuid4(), occurrence="2026",
        target=TARGET, timezone="UTC", expires_at=_at(3600), history=history, **values,
    )  # fmt: skip


FACTS = [
    _entry(Kind.SCHEDULED, -86_400),
    _entry(Kind.PUBLISHED, 0.125, claimedAt=_at(0.1).isoformat(), latenessSeconds=0.125),
    _entry(
        Kind.DELIVERY_SUCCEEDED, 6.5, "delivery-service",
        receivedAt=_at(0.2).isoformat(), endpoints=[{"endpointId": "e1", "status": "SUCCEEDED", "attempts": 2}],
    ),
    _entry(Kind.COMPLETED, 6.75, finishedAt=_at(6.5).isoformat(), latenessSeconds=6.5),
]  # fmt: skip
DELIVERY = DeliveryRecord(
    uuid4(), uuid4(), "SUCCEEDED", None, _at(0.2), _at(6.5), None,
    [_attempt(0.25, 1.0, "retry", 503), _attempt(6.25, 0.25)],
)  # fmt: skip


def _seconds(spans: Sequence[Span]) -> list[tuple[str, float, float | None]]:
    def of(at: datetime | None) -> float | None:
        return None if at is None else (at - TARGET).total_seconds()

    return [(span.kind.value, of(span.start) or 0.0, of(span.end)) for span in spans]


def test_timeline_of_a_delivered_event_runs_from_schedule_to_receipt() -> None:
    spans = waterfall(FACTS, None, [DELIVERY])
    assert _seconds(spans) == [
        ("wait", -86_400.0, 0.0),
        ("due", 0.0, 0.1),
        ("claim", 0.1, 0.125),
        ("queue", 0.125, 0.2),
        ("delivery", 0.2, 6.5),
        ("attempt", 0.25, 1.25),
        ("backoff", 1.25, 6.25),
        ("attempt", 6.25, 6.5),
        ("completion", 6.5, 6.75),
    ]
    assert len({span.id for span in spans}) == len(spans)
    delivery = next(span for span in spans if span.kind is SpanKind.DELIVERY)
    held = [span for span in spans if span.parent == delivery.id]
    assert [span.kind for span in held] == [SpanKind.ATTEMPT, SpanKind.BACKOFF, SpanKind.ATTEMPT]
    first = held[0]
    assert (first.status, first.trace_id) == (SpanStatus.ERROR, TRACE)
    assert (first.attributes["httpStatus"], first.attributes["excerpt"]) == (503, "hello")
    assert {span.status for span in spans if span is not first} == {SpanStatus.OK}


def test_without_delivery_service_its_outcomes_stand_for_the_attempts() -> None:
    spans = waterfall(FACTS, None, None)
    (delivery,) = (span for span in spans if span.kind is SpanKind.DELIVERY)
    assert _seconds([delivery]) == [("delivery", 0.2, 6.5)]
    assert delivery.attributes["attempts"] == 2
    assert not [span for span in spans if span.kind is SpanKind.ATTEMPT]


def test_a_claim_ahead_of_its_target_ends_the_wait_and_is_not_late() -> None:
    facts = [FACTS[0], _entry(Kind.PUBLISHED, 0.002, claimedAt=_at(-0.05).isoformat())]
    assert _seconds(waterfall(facts, None, [])) == [
        ("wait", -86_400.0, -0.05),
        ("claim", -0.05, 0.002),
        ("queue", 0.002, 0.002),
    ]


@pytest.mark.parametrize(
    ("event", "spans"),
    [
        (_event("PENDING", (-60, "PENDING", "scheduled")), [("wait", -60.0, 0.0, SpanStatus.OPEN)]),
        (
            _event("PROCESSING", (-60, "PENDING", "scheduled"), (1, "PROCESSING", "claimed"), published_at=_at(2)),
            [
                ("wait", -60.0, 0.0, SpanStatus.OK),
                ("due", 0.0, 1.0, SpanStatus.OK),
                ("claim", 1.0, 2.0, SpanStatus.OK),
                ("queue", 2.0, None, SpanStatus.OPEN),
            ],
        ),
    ],
)
def test_timeline_with_only_event_service_is_partial(
    event: EventRecord, spans: list[tuple[str, float, float | None, SpanStatus]]
) -> None:
    found = waterfall([], event, [])
    assert [(*bounds, span.status) for bounds, span in zip(_seconds(found), found, strict=True)] == spans


def test_steps_without_a_message_come_from_the_events_history() -> None:
    event = _event(
        "PROCESSING", (-60, "PENDING", "scheduled"), (0.1, "PROCESSING", "claimed"), (31, "PENDING", "lease expired"),
        (31.5, "PROCESSING", "claimed"),
    )  # fmt: skip
    steps = [span for span in waterfall(FACTS[:2], event, []) if span.kind is SpanKind.STEP]
    assert [(span.name, span.start) for span in steps] == [("lease expired", _at(31))]


def test_failing_delivery_shows_its_next_attempt() -> None:
    waiting = replace(
        DELIVERY, status="PENDING", finished_at=None, attempts=DELIVERY.attempts[:1], next_attempt_at=_at(30)
    )
    spans = [span for span in waterfall(FACTS[:2], None, [waiting]) if span.service == "delivery-service"]
    assert [(span.kind, span.end, span.status) for span in spans] == [
        (SpanKind.QUEUE, _at(0.2), SpanStatus.OK),
        (SpanKind.DELIVERY, None, SpanStatus.OPEN),
        (SpanKind.ATTEMPT, _at(1.25), SpanStatus.ERROR),
        (SpanKind.BACKOFF, None, SpanStatus.OPEN),
    ]
    assert spans[-1].attributes == {"nextAttemptAt": _at(30).isoformat()}


def test_a_cancelled_event_waited_until_then_and_a_missed_one_is_an_error() -> None:
    cancelled = waterfall([FACTS[0], _entry(Kind.CANCELLED, -60, reason="user_deleted")], None, [])
    assert _seconds(cancelled) == [("wait", -86_400.0, -60.0), ("step", -60.0, -60.0)]
    (step,) = (span for span in waterfall([_entry(Kind.MISSED, 60)], None, []) if span.kind is SpanKind.STEP)
    assert (step.name, step.status) == ("missed", SpanStatus.ERROR)


def test_each_attempt_of_the_event_has_its_own_way() -> None:
    again = [
        _entry(Kind.FAILED, 7, finishedAt=_at(6.5).isoformat(), reason="exhausted"),
        _entry(Kind.PUBLISHED, 100, attempt=2, claimedAt=_at(99.5).isoformat()),
        _entry(Kind.DELIVERY_SUCCEEDED, 102, "delivery-service", attempt=2, receivedAt=_at(101).isoformat()),
    ]
    spans = {span.id: span for span in waterfall([*FACTS[:2], *again], None, [])}
    assert _seconds([spans["queue-2"]]) == [("queue", 100.0, 101.0)]
    assert spans["completion-1"].status is SpanStatus.ERROR
