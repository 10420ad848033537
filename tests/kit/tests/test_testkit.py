"""The test kit does what the other tests rely on."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind

from testkit import Answer, AwsAccount, OtlpReceiver, Receiver, eventually
from testkit.plugin import DatabaseFactory


async def test_every_database_is_fresh(database: DatabaseFactory) -> None:
    first, second = await database(""), await database("")
    connection = await asyncpg.connect(first)
    await connection.execute("CREATE TABLE mine (n int)")
    await connection.close()
    connection = await asyncpg.connect(second)
    assert await connection.fetchval("SELECT to_regclass('mine')") is None
    await connection.close()


async def test_two_accounts_do_not_see_each_others_queues(aws: AwsAccount) -> None:
    other = AwsAccount(aws.endpoint_url)
    async with aws.client("sqs") as mine, other.client("sqs") as theirs:
        await mine.create_queue(QueueName="q")
        assert len((await mine.list_queues())["QueueUrls"]) == 1
        assert not (await theirs.list_queues()).get("QueueUrls")
    assert aws.environment()["AWS_ACCESS_KEY_ID"] == aws.access_key_id


async def test_the_receiver_answers_in_the_planned_order_and_records_what_came(receiver: Receiver) -> None:
    receiver.answer(503, Answer(status=429, headers={"Retry-After": "7"}))
    async with aiohttp.ClientSession() as client:
        statuses = []
        for number in range(3):
            async with client.post(receiver.url, data=str(number), headers={"Webhook-Id": "w"}) as answer:
                statuses.append((answer.status, answer.headers.get("Retry-After")))
    assert statuses == [(503, None), (429, "7"), (200, None)]
    requests = await receiver.wait_for(3)
    assert [request.body for request in requests] == [b"0", b"1", b"2"]
    assert requests[0].headers["webhook-id"] == "w"


async def test_the_receiver_holds_an_answer_until_its_gate_opens(receiver: Receiver) -> None:
    gate = asyncio.Event()
    receiver.answer(Answer(status=204, gate=gate))
    async with aiohttp.ClientSession() as client:
        posting = asyncio.create_task(client.post(receiver.url))
        await receiver.wait_for(1)
        assert not posting.done()
        gate.set()
        assert (await posting).status == 204


async def test_the_receiver_can_close_a_connection_without_an_answer(receiver: Receiver) -> None:
    receiver.always(Answer(abort=True))
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            await client.post(receiver.url)
    assert len(receiver.requests) == 1


async def test_restarted_receiver_has_the_same_url(receiver: Receiver) -> None:
    await receiver.stop()
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.post(receiver.url)
        await receiver.start()
        assert (await client.post(receiver.url)).status == 200


async def test_exported_spans_arrive_with_kind_parent_links_and_attributes(otlp: OtlpReceiver) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "example"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{otlp.endpoint}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("other") as other:
        pass
    with (
        tracer.start_as_current_span("outer", kind=SpanKind.PRODUCER, links=[Link(other.get_span_context())]),
        tracer.start_as_current_span("inner", attributes={"event.id": "e", "sizes": [1, 2]}),
    ):
        pass
    await asyncio.to_thread(provider.shutdown)

    [outer] = await otlp.wait_for(lambda span: span.name == "outer")
    [inner] = await otlp.wait_for(lambda span: span.name == "inner")
    assert (outer.service, outer.kind, outer.parent_id, outer.status) == ("example", "PRODUCER", "", "UNSET")
    assert [link.span_id for link in outer.links] == [format(other.get_span_context().span_id, "016x")]
    assert inner.parent_id == outer.span_id
    assert inner.attributes == {"event.id": "e", "sizes": [1, 2]}
    assert [span.name for span in otlp.trace(outer.trace_id)] == ["outer", "inner"]


async def test_eventually_returns_the_first_truthy_value(tmp_path: Path) -> None:
    values = iter([None, 0, "yes"])
    assert await eventually(lambda: next(values)) == "yes"


async def test_eventually_gives_up_at_its_deadline_and_shows_the_last_value() -> None:
    async def never() -> list[int]:
        return []

    with pytest.raises(AssertionError, match=r"within 0\.05 s.*\[\]"):
        await eventually(never, timeout=0.05)


_ROUTER = APIRouter(prefix="/v1")


@_ROUTER.get("/name")
async def _name(request: Request) -> str:
    name: str = request.app.state.name
    return name


async def test_applications_share_prepared_routes_and_answer_by_their_own_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared: list[str] = []
    prepare = APIRoute.get_route_handler

    def counted(route: APIRoute) -> Any:
        prepared.append(route.path)
        return prepare(route)

    monkeypatch.setattr(APIRoute, "get_route_handler", counted)

    async def answers(name: str, prefix: str = "") -> tuple[int, object]:
        app = FastAPI(openapi_url=None)
        app.state.name = name
        app.include_router(_ROUTER, prefix=prefix)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            answer = await client.get(f"{prefix}/v1/name")
            return answer.status_code, answer.json()

    assert await answers("first") == (200, "first")
    assert await answers("second") == (200, "second")
    assert len(prepared) == 1
    assert await answers("third", prefix="/elsewhere") == (200, "third")
    assert len(prepared) == 2
