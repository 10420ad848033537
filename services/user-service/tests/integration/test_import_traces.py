"""An import is one trace; the many users that it brings have their own, which link to it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.telemetry import tracing

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]
USERS = 60


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(tracing, "_recording", True)
    return exporter


def _trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    trace_id: int = span.context.trace_id
    return trace_id


@pytest.mark.parametrize("known", [False, True], ids=["without-external-id", "with-external-id"])
async def test_trace_of_an_import_is_bounded_and_each_user_has_one_that_links_to_it(
    api: httpx.AsyncClient, stored: Stored, spans: InMemorySpanExporter, known: bool
) -> None:
    lines = [
        {"firstName": "Ada", "lastName": f"No {number}", "dateOfBirth": "1990-12-10", "timezone": "UTC"}
        | ({"externalId": f"crm-{number}"} if known else {})
        for number in range(USERS)
    ]
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "traced"}
    with tracing.span("POST /v1/imports"):
        answer = await api.post("/v1/imports", content="\n".join(map(json.dumps, lines)), headers=headers)
    assert answer.json()["created"] == USERS
    finished = spans.get_finished_spans()
    [request] = [span for span in finished if span.name == "POST /v1/imports"]
    assert sum(_trace_of(span) == _trace_of(request) for span in finished) < 10
    people = {_trace_of(span): span for span in finished if span.name == "import user"}
    assert len(people) == USERS
    assert {link.context.trace_id for span in people.values() for link in span.links} == {_trace_of(request)}
    announced = [json.loads(row.item)["traceparent"] for row in (await stored())["outbox"]]
    assert {int(traceparent.split("-")[1], 16) for traceparent in announced} == people.keys()
