"""The CLIENT span of an attempt follows the HTTP conventions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.database.clock import ManualClock
from chassis.telemetry import tracing
from contracts.messages.user import Contact
from contracts.vocabulary import Channel
from delivery_service.application.sending import attempt
from delivery_service.domain.attempts import Reply
from delivery_service.domain.deliveries import Dispatch, Lease, Target
from delivery_service.domain.retries import RetryPolicy

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Accepting:
    """A channel that takes everything."""

    async def send(self, dispatch: Dispatch, target: Target, traceparent: str) -> Reply:
        return Reply(200, None, 0.01)

    async def test(self, target: Target, contact: Contact, traceparent: str) -> Reply:
        return Reply(200, None, 0.01)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(tracing, "_recording", True)
    return exporter


async def _attributes(
    spans: InMemorySpanExporter, policy: RetryPolicy, *, kind: Channel, url: str | None, tries: int
) -> Mapping[str, Any]:
    target = Target(uuid4(), 1, kind, url, "", 30)
    dispatch = Dispatch(uuid4(), uuid4(), Lease.begin(90), tries, "", datetime.now(UTC), TRACEPARENT, target)
    await attempt(Accepting(), dispatch, target, policy, ManualClock(datetime.now(UTC)))
    [span] = spans.get_finished_spans()
    spans.clear()
    return span.attributes or {}


@pytest.fixture
def policy() -> RetryPolicy:
    return RetryPolicy(max_tries=5, base=1.0, factor=2.0, cap=60.0, retry_after_cap=60.0)


async def test_a_post_names_its_server_and_not_the_path(spans: InMemorySpanExporter, policy: RetryPolicy) -> None:
    url = "https://hooks.example.org/services/SECRET?token=SECRET"
    found = await _attributes(spans, policy, kind=Channel.WEBHOOK, url=url, tries=0)
    assert found["http.request.method"] == "POST"
    assert (found["server.address"], found["server.port"]) == ("hooks.example.org", 443)
    assert found["http.response.status_code"] == 200
    assert "SECRET" not in str(dict(found))
    found = await _attributes(spans, policy, kind=Channel.SLACK, url="http://10.0.0.1:8080/x", tries=0)
    assert (found["server.address"], found["server.port"]) == ("10.0.0.1", 8080)


async def test_only_a_retry_has_a_resend_count(spans: InMemorySpanExporter, policy: RetryPolicy) -> None:
    first = await _attributes(spans, policy, kind=Channel.WEBHOOK, url="https://example.org/", tries=0)
    again = await _attributes(spans, policy, kind=Channel.WEBHOOK, url="https://example.org/", tries=2)
    assert "http.request.resend_count" not in first
    assert again["http.request.resend_count"] == 2


async def test_what_is_no_request_of_ours_has_no_http_attributes(
    spans: InMemorySpanExporter, policy: RetryPolicy
) -> None:
    found = await _attributes(spans, policy, kind=Channel.EMAIL, url=None, tries=0)
    assert not [name for name in found if name.startswith(("http.request", "server.", "url."))]
