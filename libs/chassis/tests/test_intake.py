"""What an API lets in: keys before bodies, and limits of length, time and depth of client input."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query, Request
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from chassis.api import intake, server
from chassis.api.app import create_app
from chassis.api.auth import READ, WRITE
from chassis.api.health import Readiness
from chassis.api.intake import MAX_BODY_BYTES, MAX_DEPTH, MAX_VALUES, UNBOUNDED_BODY, has_many_values
from chassis.api.server import MAX_HEAD_BYTES, HttpServer
from chassis.api.wire import WHOLE_NUMBER, Instant, RequestModel
from chassis.core.settings import ServiceSettings
from chassis.database.clock import DatabaseClock
from chassis.database.database import Database
from chassis.database.read_cache import ReadCache
from chassis.messaging.outbox import Outbox
from chassis.telemetry.redaction import redact_event
from local_stack import ports
from testkit import eventually
from testkit.refusals import long_list, refused_cheaply, unknown_fields

router = APIRouter(prefix="/v1/notes", tags=["notes"])
WRITER = {"Authorization": "Bearer writer"}


class Word(RequestModel):
    """A part of a note."""

    text: str


class NewNote(RequestModel):
    """Free in form."""

    payload: dict[str, Any]
    parts: Annotated[tuple[int, ...], Field(max_length=20)] = ()
    loose: tuple[str, ...] = ()
    many: Annotated[list[Word], Field(min_length=1, max_length=1000)] | None = None
    words: Word | None = None
    texts: dict[str, str] | None = None
    size: Annotated[int, WHOLE_NUMBER] = 1
    at: Instant | None = None


class Seen(BaseModel):
    """What has come."""

    size: int


@router.post("", dependencies=[WRITE])
async def create(new: NewNote) -> Seen:
    return Seen(size=len(json.dumps(new.payload)))


@router.get("", dependencies=[READ])
async def search(word: Annotated[str | None, Query()] = None, at: Annotated[Instant | None, Query()] = None) -> Seen:
    return Seen(size=len(word or ""))


class ByPage(RequestModel):
    """Parameters as one model."""

    word: str | None = None
    first_page: int = 1


@router.get("/by-page", dependencies=[READ])
async def by_page(query: Annotated[ByPage, Query()]) -> Seen:
    return Seen(size=query.first_page)


@router.get("/fails", dependencies=[READ])
async def fail(depth: int = 0) -> Seen:
    """Fail far below, with a long reason."""
    if depth < 60:
        return await fail(depth + 1)
    raise RuntimeError("x" * 10_000)


@router.get("/away", dependencies=[READ])
async def away() -> Seen:
    raise ConnectionRefusedError("the database is away " * 1000)


@router.post("/stream", dependencies=[WRITE, UNBOUNDED_BODY])
async def stream(request: Request) -> Seen:
    return Seen(size=sum([len(part) async for part in request.stream()]))


@pytest.fixture
def app(settings: ServiceSettings, db: Database) -> FastAPI:
    return create_app(
        "sample",
        routers=(router,),
        problems={},
        keys=settings.api_keys,
        readiness=Readiness(),
        database=db,
        clock=DatabaseClock(db, time_lapse=False),
        outbox=Outbox(),
        cache=ReadCache(None, prefix="sample"),
    )


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=WRITER) as opened:
        yield opened


@pytest.fixture
async def port(app: FastAPI) -> AsyncIterator[int]:
    """Where the application listens, as a service's does."""
    chosen, stopping = ports.free_port(), asyncio.Event()
    role = HttpServer(app, host=ports.LOOPBACK, port=chosen, grace_seconds=1)
    running = asyncio.create_task(role.run(stopping))
    await eventually(lambda: ports.is_open(chosen))
    yield chosen
    stopping.set()
    await running


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(
    ("host", "reached"), [("127.0.0.1", ["127.0.0.1"]), ("::1", ["::1"]), ("::", ["127.0.0.1", "::1"])]
)
async def test_a_service_listens_on_addresses_of_both_families(app: FastAPI, host: str, reached: list[str]) -> None:
    chosen, stopping = ports.free_port(), asyncio.Event()
    running = asyncio.create_task(HttpServer(app, host=host, port=chosen, grace_seconds=1).run(stopping))
    for address in reached:
        async with httpx.AsyncClient(
            base_url=f"http://[{address}]:{chosen}".replace("[127.0.0.1]", "127.0.0.1")
        ) as http:

            async def answers(http: httpx.AsyncClient = http) -> bool:
                try:
                    return (await http.get("/healthz")).status_code == 200
                except httpx.ConnectError:
                    return False

            await eventually(answers)
    stopping.set()
    await running


def _problem(answer: httpx.Response, status: int, *fields: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert tuple(error["field"] for error in body["errors"]) == fields
    return body


async def _raw(port: int, *parts: bytes) -> tuple[bytes, dict[str, Any]]:
    """Send bytes and read until the server closes: the status line, and the problem."""
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return head.split(b"\r\n")[0], json.loads(body)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/notes"), ("GET", "/v1/notes"), ("PUT", "/v1/notes"), ("GET", "/v1/nothing")]
)
async def test_request_without_a_key_is_refused_before_its_body_is_read(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer nobody"}):
        answer = await client.request(
            method, path, content=b"{", headers=headers | {"Content-Type": "application/json"}
        )
        _problem(answer, 401, "Authorization")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"payload": {"a": ["b", "x\\u0000y"]}}', "payload.a.1"),
        ('{"payload": {"a": "\\ud800"}}', "payload.a"),
        ('{"payload": {"\\u0000": 1}}', "payload"),
        ('{"payload": {"a": NaN}}', "payload.a"),
        ('{"payload": {"a": -1e999}}', "payload.a"),
        ('{"payload": {"a": 9223372036854775808}}', "payload.a"),
        ('{"payload": {}, "size": 1000000000000000000000000}', "size"),
        (
            '{"payload": ' + '{"a":' * MAX_DEPTH + "1" + "}" * (MAX_DEPTH + 1),
            ".".join(["payload", *"a" * (MAX_DEPTH - 1)]),
        ),
        ('{"payload": {}, "size": true}', "size"),
        ('{"payload": {}, "size": "1"}', "size"),
        ('{"payload": {}, "at": 12345}', "at"),
        ('{"payload": {}, "at": "2027-01-01T00:00:00"}', "at"),
        ('{"payload": {}, "at": "0001-01-01T00:00:00+14:00"}', "at"),
        ('{"payload": {}, "at": "9999-12-31T23:59:59-12:00"}', "at"),
    ],
)
async def test_unstorable_text_is_refused_by_name(client: httpx.AsyncClient, body: str, field: str) -> None:
    answer = await client.post("/v1/notes", content=body, headers={"Content-Type": "application/json"})
    _problem(answer, 422, field)


@pytest.mark.parametrize(
    "content", [b"[" * 10_000, b'{"payload": {"a": ' + b"9" * 5000 + b"}}", b'{"payload": {"a": "\x00"}}']
)
async def test_what_no_parser_should_take_is_malformed(client: httpx.AsyncClient, content: bytes) -> None:
    answer = await client.post("/v1/notes", content=content, headers={"Content-Type": "application/json"})
    _problem(answer, 400, "body")


async def test_storable_text_is_accepted(client: httpx.AsyncClient) -> None:
    payload = {"a": [1, -(2**63), 2.5, True, None, "\U0001f382", ""]}
    answer = await client.post("/v1/notes", json={"payload": payload, "size": 2.0, "at": "2027-01-01t09:00:00.5+01:00"})
    assert answer.status_code == 200


async def test_a_parameter_that_cannot_be_stored_is_named(client: httpx.AsyncClient) -> None:
    client.headers["Authorization"] = "Bearer reader"
    _problem(await client.get("/v1/notes?word=a%00b"), 422, "word")
    _problem(await client.get("/v1/notes?at=0.5"), 422, "at")
    assert (await client.get("/v1/notes?word=a%F0%9F%8E%82&at=2027-01-01T00:00:00Z")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("GET", "/v1/notes?word=a&at=2027-01-01T00:00Z&wrod=b", "at, word"),
        ("GET", "/v1/notes/by-page?firstPage=2&wrod=b", "firstPage, word"),
        ("POST", "/v1/notes?wrod=b", "none"),
    ],
)
async def test_a_parameter_that_a_route_does_not_know_is_refused_with_those_that_it_does(
    client: httpx.AsyncClient, method: str, path: str, taken: str
) -> None:
    body: dict[str, Any] | None = {"payload": {}} if method == "POST" else None
    problem = _problem(await client.request(method, path, json=body), 422, "wrod")
    assert problem["errors"][0]["detail"] == f"no parameter of this resource, which takes {taken}"


async def test_health_requests_accept_unknown_parameters(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz?probe=kubelet")).status_code == 200


async def test_a_body_has_bounds_whether_it_says_its_length_or_not(client: httpx.AsyncClient) -> None:
    body = b'{"payload": {"a": "' + b"x" * MAX_BODY_BYTES + b'"}}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    for content in (body, pieces()):
        answer = await client.post("/v1/notes", content=content, headers={"Content-Type": "application/json"})
        assert _problem(answer, 413, "body")["detail"] == f"a body may have {MAX_BODY_BYTES} bytes"
        assert answer.headers["connection"] == "close"
    answer = await client.post("/v1/notes/stream", content=body)
    assert answer.json() == {"size": len(body)}


async def test_a_body_that_does_not_come_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_BODY_SECONDS", 0.05)
    head = b"POST /v1/notes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer writer\r\nContent-Type: application/json\r\n"
    status, problem = await _raw(port, head + b"Content-Length: 100\r\n\r\n", b"{")
    assert (status, problem["errors"][0]["field"]) == (b"HTTP/1.1 408 Request Timeout", "body")


async def test_a_head_that_does_not_end_is_given_up(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_HEAD_SECONDS", 0.05)
    for parts in ((b"",), (b"GET /v1/notes HT",), (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n")):
        _, problem = await _raw(port, *parts)
        assert problem["status"] == 408


@pytest.mark.parametrize(
    "parts",
    [
        (b"GET / HTTP/1.1\r\nX: ", *[b"x" * 8192] * (MAX_HEAD_BYTES // 8192 + 2)),
        (b"GET /" + b"x" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: a\r\n\r\n",),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 4) + b"\r\n",),
    ],
)
async def test_a_head_has_bounds(port: int, parts: tuple[bytes, ...]) -> None:
    _, problem = await _raw(port, *parts)
    assert (problem["status"], problem["type"]) == (431, "urn:almanac:problem:request-header-fields-too-large")


async def test_invalid_http_is_a_problem_response(port: int) -> None:
    status, problem = await _raw(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    assert (status[:12], problem["title"]) == (b"HTTP/1.1 400", "Not HTTP")


async def test_a_connection_serves_many_requests(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://{ports.LOOPBACK}:{port}", headers=WRITER) as client:
        for size in (10, 100_000, 10):
            answer = await client.post("/v1/notes", json={"payload": {"a": "x" * size}})
            assert answer.json() == {"size": size + 9}


async def test_every_method_of_a_path_is_allowed_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/notes")
    _problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert (await client.get("/v1/notes/")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/notes/fails", "/v1/notes/away"])
async def test_a_failure_is_one_short_log_line_and_the_connection_serves_on(
    port: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    status = 500 if path.endswith("fails") else 503
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer reader\r\n\r\n".encode()
    for _ in range(3):
        with caplog.at_level("WARNING"), capture_logs() as entries:
            writer.write(request)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]  # it is there
            body = json.loads(await reader.readexactly(length))
        assert (head.split(b" ")[1], body["status"]) == (str(status).encode(), status)
        assert b"connection: close" not in head.lower()
        assert [entry["event"] for entry in entries] == ["request failed" if status == 500 else "database away"]
        assert caplog.records == []
        line = json.dumps(redact_event(None, "", dict(entries[0])), default=str)
        assert len(line) < 8_000
    writer.close()


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ('{"payload": {}, "parts": ' + long_list("0") + "}", ["body"]),
        ('{"payload": {}, "parts": ' + long_list("[]") + "}", ["body"]),
        ('{"payload": {}, "parts": ' + long_list('"a,b"', 150_000) + "}", ["body"]),
        ('{"payload": {}, "parts": ' + long_list("0", 15_000) + "}", ["parts"]),
        ('{"payload": {}, "loose": ' + long_list("0", 15_000) + "}", [f"loose.{n}" for n in range(10)]),
        ('{"payload": {}, "loose": ' + long_list('""', 900)[:-1] + ",0,1]}", ["loose.900", "loose.901"]),
        ('{"payload": {}, "words": ' + unknown_fields(15_000) + "}", ["words"]),
        ('{"payload": {}, "texts": ' + unknown_fields(15_000) + "}", [f"texts.k{n}" for n in range(10)]),
        (unknown_fields(15_000), ["body"]),
        (unknown_fields(8), ["payload", *(f"k{n}" for n in range(8))]),
        (unknown_fields(), ["body"]),
        ('{"payload": {}, "' + "x" * 900_000 + '": 1}', ["x" * 160 + "…"]),
        ('{"payload": {}, "many": ' + long_list("{}", 900) + "}", [f"many.{n}.text" for n in range(10)]),
    ],
)
async def test_a_body_with_any_number_of_faults_is_refused_cheaply_with_ten_at_most(
    client: httpx.AsyncClient, content: str, fields: list[str]
) -> None:
    faults = await refused_cheaply(client, "POST", "/v1/notes", content)
    assert [each["field"] for each in faults] == fields


async def test_a_list_that_is_too_long_is_one_fault_that_names_both_lengths(client: httpx.AsyncClient) -> None:
    [fault] = await refused_cheaply(client, "POST", "/v1/notes", '{"payload": {}, "parts": ' + long_list("0", 21) + "}")
    assert fault == {"field": "parts", "detail": "List should have at most 20 items after validation, not 21"}


async def test_a_long_list_is_taken_as_it_is(client: httpx.AsyncClient) -> None:
    note: dict[str, Any] = {"payload": {"text": '\\" , [ { ' * 10_000}, "loose": [f"{n}," for n in range(999)]}
    note["texts"] = {f"k{n}": "" for n in range(999)}
    assert (await client.post("/v1/notes", json=note)).status_code == 200


def test_values_outside_of_strings_are_counted() -> None:
    assert has_many_values(long_list("0", MAX_VALUES + 1).encode())
    assert not has_many_values(long_list("0", MAX_VALUES - 1).encode())
    assert not has_many_values(json.dumps({"text": ',[{\\",' * MAX_VALUES}).encode())
    assert has_many_values(json.dumps([{"a": ","}] * MAX_VALUES).encode())
