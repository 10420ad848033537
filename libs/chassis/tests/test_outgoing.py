"""Requests to other services carry the trace that they belong to."""

import httpx
from opentelemetry.sdk.trace import TracerProvider

from chassis.telemetry.outgoing import open_http


async def test_request_within_a_span_carries_its_context() -> None:
    sent: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("traceparent"))
        return httpx.Response(204)

    async with open_http(timeout_seconds=1, transport=httpx.MockTransport(answer)) as client:
        await client.get("http://elsewhere/")
        with TracerProvider().get_tracer("test").start_as_current_span("asking") as span:
            await client.get("http://elsewhere/")
    assert sent[0] is None
    assert sent[1] is not None
    assert format(span.get_span_context().trace_id, "032x") in sent[1]
