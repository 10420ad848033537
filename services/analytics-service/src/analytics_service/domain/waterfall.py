"""A timeline as a waterfall: what took how long, one under another, from schedule to receipt.

Facts say most of it. What the other services add when asked (attempts, and where the event stands now) makes it finer,
and what they do not say leaves it coarser: never wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from analytics_service.domain.facts import Kind
from analytics_service.domain.records import DeliveryRecord, EventRecord
from analytics_service.domain.timeline import TimelineEntry

EVENTS = "event-service"
DELIVERIES = "delivery-service"


class SpanKind(StrEnum):
    """What the time went by with."""

    WAIT = "wait"
    """From when it was scheduled to its target."""
    DUE = "due"
    """From its target until a scheduler claimed it."""
    CLAIM = "claim"
    """From the claim to its publication."""
    QUEUE = "queue"
    """From its publication to its receipt by a worker."""
    DELIVERY = "delivery"
    """At one endpoint, from receipt to the end, all attempts included."""
    ATTEMPT = "attempt"
    """One request."""
    BACKOFF = "backoff"
    """Between two attempts."""
    COMPLETION = "completion"
    """From the end of the last delivery until event-service recorded it."""
    STEP = "step"
    """An instant: something that happened and took no time."""


class SpanStatus(StrEnum):
    """How it went. An open span has not ended."""

    OK = "ok"
    ERROR = "error"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Span:
    """A bar of the waterfall. ``parent`` is the id of the one that holds it."""

    id: str
    kind: SpanKind
    name: str
    service: str
    start: datetime
    end: datetime | None
    status: SpanStatus = SpanStatus.OK
    parent: str | None = None
    trace_id: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


_STEPS: Mapping[str, tuple[str, SpanStatus]] = {
    Kind.RESCHEDULED: ("rescheduled", SpanStatus.OK),
    Kind.CANCELLED: ("cancelled", SpanStatus.OK),
    Kind.MISSED: ("missed", SpanStatus.ERROR),
    Kind.DEAD_LETTERED: ("dead letter", SpanStatus.ERROR),
}
_OUTCOMES = (Kind.DELIVERY_SUCCEEDED, Kind.DELIVERY_FAILED)
_ENDS = (Kind.COMPLETED, Kind.FAILED)
_PENDING, _PROCESSING = "PENDING", "PROCESSING"


def waterfall(
    entries: Sequence[TimelineEntry], event: EventRecord | None, deliveries: Sequence[DeliveryRecord] | None
) -> list[Span]:
    """The spans of one event by their beginning, holders before what they hold.

    Args:
        entries: the facts, oldest first.
        event: None where event-service does not know it or did not answer.
        deliveries: None where delivery-service did not answer.
    """
    spans = [
        *_waiting(entries, event),
        *_firing(entries, event, deliveries),
        *(_told_deliveries(entries) if deliveries is None else _deliveries(deliveries)),
        *_ending(entries),
        *_steps(entries, event),
    ]
    # Sorted is stable: what begins together stays in the order above, and an attempt behind its delivery.
    return sorted(spans, key=lambda span: span.start)


def _waiting(entries: Sequence[TimelineEntry], event: EventRecord | None) -> Iterator[Span]:
    scheduled = next((entry for entry in entries if entry.kind == Kind.SCHEDULED), None)
    history = event.history if event is not None else ()
    since = scheduled.at if scheduled else history[0].at if history else None
    target = _target(entries, event)
    if since is None or target is None or target < since:
        return
    ended = next((entry.at for entry in entries if entry.kind in (Kind.CANCELLED, Kind.MISSED)), None)
    claimed = _claims(entries, event)
    waits = event is not None and event.status == _PENDING and not claimed
    yield Span(
        "wait",
        SpanKind.WAIT,
        "waits for its target",
        EVENTS,
        since,
        # A claim may come a little ahead of the target, to publish on the instant.
        min(moment for moment in (target, ended, *claimed[:1]) if moment is not None),
        SpanStatus.OPEN if waits else SpanStatus.OK,
        trace_id=scheduled.trace_id if scheduled else None,
        attributes={"targetTimestampUTC": target.isoformat()},
    )


def _target(entries: Sequence[TimelineEntry], event: EventRecord | None) -> datetime | None:
    if event is not None:
        return event.target
    told = [entry.data["targetTimestampUTC"] for entry in entries if "targetTimestampUTC" in entry.data]
    return datetime.fromisoformat(told[-1]) if told else None


def _claims(entries: Sequence[TimelineEntry], event: EventRecord | None) -> list[datetime]:
    """When it was claimed, by facts or else by the event's history; oldest first."""
    told = [_instant(entry, "claimedAt") for entry in entries if entry.kind == Kind.PUBLISHED]
    known = [step.at for step in event.history if step.status == _PROCESSING] if event is not None else []
    return [at for at in told if at is not None] or known


def _firing(
    entries: Sequence[TimelineEntry], event: EventRecord | None, deliveries: Sequence[DeliveryRecord] | None
) -> Iterator[Span]:
    target = _target(entries, event)
    claims = _claims(entries, event)
    if target is not None and claims and claims[0] > target:
        yield Span("due", SpanKind.DUE, "due, not yet claimed", EVENTS, target, claims[0])
    published = [entry for entry in entries if entry.kind == Kind.PUBLISHED]
    for entry in published:
        attempt = entry.data.get("attempt", 1)
        attributes = {"attempt": attempt, "latenessSeconds": entry.data.get("latenessSeconds")}
        claimed = _instant(entry, "claimedAt") or entry.at
        yield Span(
            f"claim-{attempt}", SpanKind.CLAIM, "claimed, published", EVENTS, min(claimed, entry.at), entry.at,
            trace_id=entry.trace_id, attributes=attributes,
        )  # fmt: skip
        received = _received(entries, attempt, deliveries)
        yield _queued(attempt, entry.at, received, event, entry.trace_id)
    if not published and event is not None and event.published_at is not None and claims:
        claimed = min(claims[-1], event.published_at)
        yield Span(f"claim-{event.attempt}", SpanKind.CLAIM, "claimed, published", EVENTS, claimed, event.published_at)
        received = _received(entries, event.attempt, deliveries)
        yield _queued(event.attempt, event.published_at, received, event, None)


def _queued(
    attempt: int, published: datetime, received: datetime | None, event: EventRecord | None, trace_id: str | None
) -> Span:
    waits = received is None and event is not None and event.status == _PROCESSING and event.attempt == attempt
    # Without a time of receipt, the receipt counts as immediate.
    end = None if waits else max(published, received or published)
    return Span(
        f"queue-{attempt}", SpanKind.QUEUE, "on its queue", DELIVERIES, published, end,
        SpanStatus.OPEN if waits else SpanStatus.OK, trace_id=trace_id, attributes={"attempt": attempt},
    )  # fmt: skip


def _received(
    entries: Sequence[TimelineEntry], attempt: int, deliveries: Sequence[DeliveryRecord] | None
) -> datetime | None:
    for entry in entries:
        if entry.kind in _OUTCOMES and entry.data.get("attempt") == attempt:
            return _instant(entry, "receivedAt")
    # Deliveries are made with the first receipt and go on with later ones.
    created = [each.created_at for each in deliveries or ()] if attempt == 1 else []
    return min(created, default=None)


def _deliveries(deliveries: Sequence[DeliveryRecord]) -> Iterator[Span]:
    for delivery in sorted(deliveries, key=lambda each: (each.created_at, each.id)):
        id = f"delivery-{delivery.id}"
        # Real time and the maybe simulated clock meet here; nothing ends before it began.
        start = min((delivery.created_at, *(each.started_at for each in delivery.attempts[:1])))
        ends = [each.ended_at for each in delivery.attempts]
        end = None if delivery.finished_at is None else max((start, delivery.finished_at, *ends))
        status = SpanStatus.OPEN if end is None else _by_result(delivery.status == "SUCCEEDED")
        yield Span(
            id, SpanKind.DELIVERY, "delivery" if delivery.endpoint_id else "no endpoint wanted it", DELIVERIES,
            start, end, status,
            attributes={
                "deliveryId": str(delivery.id),
                "endpointId": delivery.endpoint_id and str(delivery.endpoint_id),
                "reason": delivery.reason,
                "attempts": len(delivery.attempts),
            },
        )  # fmt: skip
        yield from _attempts(id, delivery)


def _attempts(parent: str, delivery: DeliveryRecord) -> Iterator[Span]:
    for number, attempt in enumerate(delivery.attempts, 1):
        if number > 1:
            before = delivery.attempts[number - 2].ended_at
            if attempt.started_at > before:
                yield Span(
                    f"{parent}-backoff-{number - 1}", SpanKind.BACKOFF, "waits for its next attempt", DELIVERIES,
                    before, attempt.started_at, parent=parent,
                )  # fmt: skip
        yield Span(
            f"{parent}-attempt-{number}", SpanKind.ATTEMPT, f"attempt {number}", DELIVERIES,
            attempt.started_at, attempt.ended_at, _by_result(attempt.verdict == "succeeded"), parent, attempt.trace_id,
            {
                "verdict": attempt.verdict,
                "httpStatus": attempt.http_status,
                "error": attempt.error,
                "headers": attempt.headers,
                "excerpt": attempt.excerpt,
            },
        )  # fmt: skip
    if delivery.next_attempt_at is not None and delivery.attempts:
        yield Span(
            f"{parent}-backoff-{len(delivery.attempts)}", SpanKind.BACKOFF, "waits for its next attempt", DELIVERIES,
            delivery.attempts[-1].ended_at, None, SpanStatus.OPEN, parent,
            attributes={"nextAttemptAt": delivery.next_attempt_at.isoformat()},
        )  # fmt: skip


def _told_deliveries(entries: Sequence[TimelineEntry]) -> Iterator[Span]:
    """Coarser, where delivery-service does not say: from its report of how each ended."""
    for number, entry in enumerate((entry for entry in entries if entry.kind in _OUTCOMES), 1):
        received = _instant(entry, "receivedAt") or entry.at
        for endpoint in entry.data.get("endpoints", ()):
            yield Span(
                f"outcome-{number}-{endpoint['endpointId']}", SpanKind.DELIVERY, "delivery", DELIVERIES,
                min(received, entry.at), entry.at, _by_result(endpoint["status"] == "SUCCEEDED"),
                trace_id=entry.trace_id, attributes=endpoint,
            )  # fmt: skip


def _ending(entries: Sequence[TimelineEntry]) -> Iterator[Span]:
    for number, entry in enumerate((entry for entry in entries if entry.kind in _ENDS), 1):
        finished = _instant(entry, "finishedAt") or entry.at
        completed = entry.kind == Kind.COMPLETED
        yield Span(
            f"completion-{number}", SpanKind.COMPLETION, "completed" if completed else "failed", EVENTS,
            min(finished, entry.at), entry.at, _by_result(completed), trace_id=entry.trace_id,
            attributes={key: entry.data.get(key) for key in ("attempt", "latenessSeconds", "reason")},
        )  # fmt: skip


def _steps(entries: Sequence[TimelineEntry], event: EventRecord | None) -> Iterator[Span]:
    for number, entry in enumerate(entries, 1):
        if entry.kind in _STEPS:
            name, status = _STEPS[entry.kind]
            yield Span(
                f"step-{number}", SpanKind.STEP, name, entry.source, entry.at, entry.at, status,
                trace_id=entry.trace_id, attributes=entry.data,
            )  # fmt: skip
    # Steps that no message reports: that a claim came back, that a person asked for another attempt.
    for number, step in enumerate(event.history if event is not None else (), 1):
        if step.cause not in _TOLD_CAUSES and (step.status == _PENDING or step.status == _PROCESSING):
            yield Span(f"history-{number}", SpanKind.STEP, step.cause, EVENTS, step.at, step.at)


_TOLD_CAUSES = frozenset({"scheduled", "scheduled again", "rescheduled", "claimed"})


def _instant(entry: TimelineEntry, key: str) -> datetime | None:
    value = entry.data.get(key)
    return None if value is None else datetime.fromisoformat(value)


def _by_result(succeeded: bool) -> SpanStatus:
    return SpanStatus.OK if succeeded else SpanStatus.ERROR
