"""An OTLP/HTTP collector in the test, so that traces are asserted from what was really exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from local_stack import ports
from testkit.polling import DEADLINE_SECONDS, eventually

AttributeValue = str | bool | int | float | bytes | list["AttributeValue"] | None


@dataclass(frozen=True)
class SpanLink:
    """A link to another span, ids in lower-case hex."""

    trace_id: str
    span_id: str


@dataclass(frozen=True)
class ReceivedSpan:
    """One exported span; ids in lower-case hex, `parent_id` empty for a root, times in ns since the epoch."""

    service: str
    name: str
    kind: str  # "INTERNAL", "SERVER", "CLIENT", "PRODUCER" or "CONSUMER"
    trace_id: str
    span_id: str
    parent_id: str
    start: int
    end: int
    status: str  # "UNSET", "OK" or "ERROR"
    attributes: Mapping[str, AttributeValue]
    links: Sequence[SpanLink]


class OtlpReceiver:
    """Takes POST /v1/traces (protobuf), on a free port by default. An asynchronous context manager.

    Give `endpoint` to a service as OTEL_EXPORTER_OTLP_ENDPOINT.
    """

    def __init__(self, port: int | None = None) -> None:
        self.port = port or ports.free_port()
        self.endpoint = f"http://{ports.LOOPBACK}:{self.port}"
        self.spans: list[ReceivedSpan] = []
        self._runner: web.AppRunner | None = None

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """The spans of one trace so far, by start time."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.start)

    async def wait_for(
        self,
        predicate: Callable[[ReceivedSpan], bool],
        count: int = 1,
        timeout: float = DEADLINE_SECONDS,
    ) -> list[ReceivedSpan]:
        """Wait until `count` spans satisfy the predicate; returns all that do. Raises AssertionError."""

        def matching() -> list[ReceivedSpan]:
            found = [span for span in self.spans if predicate(span)]
            return found if len(found) >= count else []

        return await eventually(matching, timeout)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/traces", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, ports.LOOPBACK, self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest.FromString(await request.read())
        for resource in export.resource_spans:
            service = _attributes(resource.resource.attributes).get("service.name")
            for scope in resource.scope_spans:
                self.spans.extend(_decode(str(service), span) for span in scope.spans)
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


def _decode(service: str, span: Span) -> ReceivedSpan:
    return ReceivedSpan(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        status=("UNSET", "OK", "ERROR")[span.status.code],
        attributes=_attributes(span.attributes),
        links=[SpanLink(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
    )


def _attributes(pairs: Sequence[KeyValue]) -> dict[str, AttributeValue]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    plain: AttributeValue = getattr(value, kind)
    return plain
