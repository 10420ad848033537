"""Due events from the queue of one priority."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from opentelemetry.trace import Span

from chassis.messaging.consumer import Handler, ReceivedMessage, Rejection
from chassis.telemetry import tracing
from contracts.due import DueEvent
from contracts.errors import ContractError
from contracts.trace import trace_id
from contracts.vocabulary import FailureReason
from delivery_service.application.due_messages import check_due_event, received_event
from delivery_service.domain.deliveries import ReceivedEvent


def due_event_handler(queue: str, ingest: Callable[[Sequence[ReceivedEvent]], Awaitable[None]]) -> Handler:
    """A handler that hands ``ingest`` a whole batch at once; unparsable messages are rejected."""

    async def handle(messages: Sequence[ReceivedMessage]) -> Sequence[Rejection]:
        parsed: list[tuple[ReceivedMessage, DueEvent]] = []
        rejections: list[Rejection] = []
        for message in messages:
            try:
                parsed.append((message, check_due_event(message.body)))
            except ContractError as error:
                rejections.append(Rejection(message, FailureReason.POISON, str(error)))
        if parsed:
            with _process_spans(queue, parsed) as traceparents:
                await ingest(
                    [
                        received_event(due, message.body, traceparent, _seconds_since(message.sent_at))
                        for (message, due), traceparent in zip(parsed, traceparents, strict=True)
                    ]
                )
        return rejections

    return handle


def _seconds_since(sent_at: float) -> float | None:
    return max(0.0, time.time() - sent_at) if sent_at else None


@contextmanager
def _process_spans(queue: str, parsed: Sequence[tuple[ReceivedMessage, DueEvent]]) -> Iterator[list[str]]:
    """A CONSUMER span for each message. Yields the traceparents that deliveries and outcomes go on with."""
    spans: list[Span] = []
    traceparents: list[str] = []
    for message, due in parsed:
        # Where nothing is recorded, what came is passed on as it is.
        if not tracing.recording() and message.traceparent and trace_id(message.traceparent):
            traceparents.append(message.traceparent)
            continue
        span = tracing.start_process(queue, parent=message.traceparent, attributes={"event.id": str(due.event_id)})
        spans.append(span)
        traceparents.append(tracing.traceparent_of(span))
    try:
        yield traceparents
    except Exception as error:
        for span in spans:
            span.record_exception(error)
            tracing.fail(span, repr(error))
        raise
    finally:
        for span in spans:
            span.end()
