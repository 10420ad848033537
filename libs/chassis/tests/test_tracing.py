"""One trace from an outbox to a process on the other side of the bus, as a collector receives it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags

from chassis.telemetry import tracing
from testkit import AwsAccount, OtlpReceiver
from testkit.spans import ReceivedSpan

TRACED = Path(__file__).with_name("programs") / "traced.py"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 1))
def test_what_is_formatted_parses_to_the_same(trace_id: int, span_id: int, flags: int) -> None:
    text = tracing.format_traceparent(SpanContext(trace_id, span_id, False, TraceFlags(flags)))
    parsed = tracing.parse(text)
    assert parsed is not None
    assert (parsed.trace_id, parsed.span_id, parsed.trace_flags) == (trace_id, span_id, flags)
    assert parsed.is_remote
    assert tracing.format_traceparent(parsed) == text


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-zzf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1ff",
        "00-0x0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01",
    ],
)
def test_a_malformed_traceparent_is_none_and_no_error(malformed: str | None) -> None:
    assert tracing.parse(malformed) is None


def test_a_later_version_of_the_header_is_understood() -> None:
    parsed = tracing.parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more")
    assert parsed is not None
    assert f"{parsed.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"


def test_without_an_endpoint_nothing_is_recorded_and_context_still_travels() -> None:
    own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert not tracing.recording()
    span, traceparent = tracing.start_publication("topic", parent=own, links=[own], count=1)
    assert traceparent == own
    assert not span.is_recording()
    assert tracing.current_traceparent() is None
    assert tracing.current_trace_id() is None


Requests = list[tuple[str, str, str]]
Calls = list[tuple[int, int]]


async def _run_traced(url: str, aws: AwsAccount, otlp: OtlpReceiver) -> tuple[Requests, Calls]:
    """Event id, trace id and span id of each request that the program made; begin and end of its calls to the bus."""
    environment = {**aws.environment(), "DATABASE_URL": url, "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(TRACED), stdout=PIPE, stderr=STDOUT, env=environment
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    requests: Requests = []
    calls: Calls = []
    for line in output.decode().splitlines():
        if line.count("-") == 7:
            event_id, traceparent = line.split()
            _, trace_id, span_id, _ = traceparent.split("-")
            requests.append((event_id, trace_id, span_id))
        elif line.startswith("call "):
            _, begun, ended = line.split()
            calls.append((int(begun), int(ended)))
    return requests, calls


def _only(spans: list[ReceivedSpan], name: str) -> ReceivedSpan:
    (span,) = [span for span in spans if span.name == name]
    return span


async def test_publication_and_processing_continue_the_trace_in_which_an_item_came_about(
    url: str, aws: AwsAccount, otlp: OtlpReceiver
) -> None:
    [alone, *packed], calls = await _run_traced(url, aws, otlp)
    assert len(packed) == 3
    event_id, trace_id, request_id = alone

    # An item alone in its message: one trace, request → publish → process.
    trace = otlp.trace(trace_id)
    assert [span.name for span in trace] == ["request", "publish bday-domain-events", "process bday-analytics"]
    request, publish, process = trace
    assert (request.span_id, request.parent_id) == (request_id, "")
    assert (publish.kind, publish.parent_id) == ("PRODUCER", request.span_id)
    assert (process.kind, process.parent_id) == ("CONSUMER", publish.span_id)
    assert publish.attributes["messaging.system"] == "aws.sns"
    assert process.attributes["messaging.system"] == "aws_sqs"
    assert process.attributes["messaging.destination.name"] == "bday-analytics"
    assert process.attributes["event.id"] == event_id
    # The conventions forbid it on a message that is no batch.
    assert "messaging.batch.message_count" not in publish.attributes

    # Items packed into one message: its publication is a trace of its own that links to each of theirs.
    (publish_packed,) = [span for span in otlp.spans if span.name == publish.name and span.span_id != publish.span_id]
    assert publish_packed.parent_id == ""
    assert publish_packed.attributes["messaging.batch.message_count"] == 3
    assert sorted((link.trace_id, link.span_id) for link in publish_packed.links) == sorted(
        (trace_id, span_id) for _, trace_id, span_id in packed
    )
    # A publication lasts as long as the call that sends it.
    assert len(calls) == 2
    for span, (begun, ended) in zip((publish, publish_packed), calls, strict=True):
        assert span.start <= begun < ended <= span.end
    for event_id, trace_id, request_id in packed:
        spans = otlp.trace(trace_id)
        assert len(spans) == 2
        processed = _only(spans, "process bday-analytics")
        assert processed.parent_id == request_id
        assert processed.attributes["event.id"] == event_id

    # A receive span has no parent, and links to each message that it received.
    receives = [span for span in otlp.spans if span.name == "receive bday-analytics"]
    assert {(span.kind, span.parent_id) for span in receives} == {("CLIENT", "")}
    assert sorted(link.span_id for span in receives for link in span.links) == sorted(
        [publish.span_id, publish_packed.span_id]
    )
