"""Traces (docs/architecture.md#traces-metrics-logs): context is carried in message attributes and items, by ourselves.

The stock botocore instrumentation neither injects into nor extracts from SQS and gives a batch one context. Messaging
semantic conventions of OpenTelemetry name the spans and their attributes. Without an OTLP endpoint spans are not
recorded, but trace ids are created and propagated for the logs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes, AttributeValue

from chassis.telemetry.redaction import MAX_MESSAGE, MAX_TRACEBACK, describe, redact

_tracer = trace.get_tracer("almanac")
_recording = False
# Versions after 00 may append fields; ff is invalid (W3C Trace Context §3.2.2, §4).
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


def start_tracing(resource: Resource, *, endpoint: str | None, ratio: float) -> TracerProvider:
    """Install the process's tracer provider. With no ``endpoint`` nothing is recorded or sent."""
    global _recording
    _recording = endpoint is not None
    sampler = ParentBased(TraceIdRatioBased(ratio)) if endpoint else ALWAYS_OFF
    provider = TracerProvider(resource=resource, sampler=sampler)
    if endpoint:
        exporter = _RedactingExporter(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=500))
    trace.set_tracer_provider(provider)
    return provider


class _RedactingExporter(SpanExporter):
    """Sends spans on without what errors and addresses quote of people."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._exporter.export([_redacted(each) for each in spans])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


_QUOTING = ("exception.message", "exception.stacktrace", "url.path", "url.full", "error.message")


def _redacted(span: ReadableSpan) -> ReadableSpan:
    attributes, status = span.attributes or {}, span.status
    if not span.events and not status.description and attributes.keys().isdisjoint(_QUOTING):
        return span
    if status.description:
        status = Status(status.status_code, redact(status.description)[:MAX_MESSAGE])
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_redacted_attributes(attributes),
        events=[Event(each.name, _redacted_attributes(each.attributes or {}), each.timestamp) for each in span.events],
        links=span.links,
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _redacted_attributes(attributes: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    return {
        name: redact(value)[-MAX_TRACEBACK:] if name in _QUOTING and isinstance(value, str) else value
        for name, value in attributes.items()
    }


def record_error(error: BaseException) -> None:
    """Record an error on the current span, which failed by it."""
    current = trace.get_current_span()
    current.record_exception(error)
    fail(current, describe(error))


def recording() -> bool:
    """False where spans go nowhere: hot paths then do not make the ones that only a reader of traces needs."""
    return _recording


def parse(traceparent: str | None) -> SpanContext | None:
    """The W3C ``traceparent`` as a remote span context, or None where there is none or it is malformed."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    context = SpanContext(trace_id, span_id, True, TraceFlags(flags))
    return context if context.is_valid else None


def format_traceparent(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"


def current_traceparent() -> str | None:
    """The current span's, or None outside of any."""
    context = trace.get_current_span().get_span_context()
    return format_traceparent(context) if context.is_valid else None


def current_trace_id() -> str | None:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    parent: str | None = None,
    links: Sequence[str | None] = (),
    root: bool = False,
    attributes: Mapping[str, str | int | float | bool] | None = None,
) -> Iterator[Span]:
    """A span as the current one. ``parent`` is a traceparent; without it the current span is, unless ``root``.

    An exception is recorded, marks the span as an error, and propagates.
    """
    with _tracer.start_as_current_span(
        name, _context(parent, root), kind, attributes, [Link(c) for c in map(parse, links) if c is not None]
    ) as current:
        yield current


def start_span(
    name: str,
    kind: SpanKind,
    *,
    parent: str | None = None,
    links: Sequence[str | None] = (),
    root: bool = False,
    attributes: Attributes = None,
) -> Span:
    """A span that is not made current, for one of many in a batch. The caller ends it."""
    return _tracer.start_span(
        name, _context(parent, root), kind, attributes, [Link(c) for c in map(parse, links) if c is not None]
    )


def traceparent_of(current: Span) -> str:
    return format_traceparent(current.get_span_context())


def linked_traceparent(name: str, origin: str | None) -> str | None:
    """The context of a trace of its own for one of many that ``origin`` brings about: its first span links there.

    In the trace of what brings them about, thousands would be too many for any reader. Where nothing is recorded, that
    trace's context itself, so that logs still belong together.
    """
    if not _recording:
        return origin
    started = start_span(name, SpanKind.INTERNAL, root=True, links=[origin])
    started.end()
    return traceparent_of(started)


def fail(current: Span, reason: str) -> None:
    """Mark a span as failed without an exception."""
    current.set_status(Status(StatusCode.ERROR, reason))


def _context(parent: str | None, root: bool) -> Context | None:
    remote = parse(parent)
    if remote is not None:
        return trace.set_span_in_context(trace.NonRecordingSpan(remote), Context())
    return Context() if root else None


# -- messaging spans --------------------------------------------------------------------------------------------------


def start_publication(topic: str, *, parent: str | None, links: Sequence[str], count: int) -> tuple[Span, str | None]:
    """PRODUCER span of one message of ``count`` items, and the traceparent for the message.

    The caller ends it once SNS has answered.
    """
    if not _recording:
        return trace.INVALID_SPAN, parent
    started = start_span(
        f"publish {topic}",
        SpanKind.PRODUCER,
        parent=parent,
        links=[] if parent else links,
        root=True,
        attributes={**_destination("aws.sns", topic, "publish"), **_batch(count)},
    )
    return started, traceparent_of(started)


def _batch(count: int) -> dict[str, int]:
    """The conventions forbid the attribute where there is no batch."""
    return {"messaging.batch.message_count": count} if count > 1 else {}


def start_publish(topic: str, *, parent: Span, event_id: str) -> Span:
    """PRODUCER span of one due event, under the event's own span. The caller ends it once SNS has answered."""
    return _tracer.start_span(
        f"publish {topic}",
        trace.set_span_in_context(parent, Context()),
        SpanKind.PRODUCER,
        {**_destination("aws.sns", topic, "publish"), "event.id": event_id},
    )


def record_receive(queue: str, traceparents: Sequence[str | None]) -> None:
    """CLIENT span of one receive, with a link to each message."""
    if not _recording:
        return
    start_span(
        f"receive {queue}",
        SpanKind.CLIENT,
        root=True,
        links=traceparents,
        attributes={**_destination("aws_sqs", queue, "receive"), **_batch(len(traceparents))},
    ).end()


def start_process(queue: str, *, parent: str | None, attributes: Mapping[str, str] | None = None) -> Span:
    """CONSUMER span of one message, or of one item of a message. The caller ends it."""
    return start_span(
        f"process {queue}",
        SpanKind.CONSUMER,
        parent=parent,
        root=True,
        attributes={**_destination("aws_sqs", queue, "process"), **(attributes or {})},
    )


def _destination(system: str, name: str, operation: str) -> dict[str, str | int]:
    return {
        "messaging.system": system,
        "messaging.destination.name": name,
        "messaging.operation.name": operation,
        "messaging.operation.type": {"publish": "send"}.get(operation, operation),
    }
