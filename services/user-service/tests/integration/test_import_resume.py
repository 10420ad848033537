"""Imports that are cut off, taken over or held back: what was committed stays, and nothing is taken twice."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from chassis.api.server import HttpServer
from chassis.imports import lines
from chassis.messaging.outbox import Outbox
from chassis.service.runtime import Runtime
from contracts.identity import derive_id
from local_stack import ports
from testkit import eventually
from user_service.application import imports
from user_service.domain.imports import ImportFormat
from user_service.main import SERVICE
from user_service.settings import Settings

Stored = Callable[[], Awaitable[Mapping[str, list[Any]]]]

HEADERS = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "once"}


class CutOffError(Exception):
    """The client's end of the connection breaks."""


def _line(number: int) -> bytes:
    # Every seventh is refused: a fault is not taken twice either.
    born = "1990-12-10" if number % 7 else "never"
    user = {"firstName": "Ada", "lastName": f"No {number}", "dateOfBirth": born, "timezone": "Europe/London"}
    return json.dumps(user).encode() + b"\n"


async def _lines(count: int, first: int = 1) -> AsyncIterator[bytes]:
    for number in range(first, first + count):
        yield _line(number)


@pytest.fixture
async def server(runtime: Runtime[Settings], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service over a real connection. Chunks have ten rows."""
    monkeypatch.setattr(imports, "CHUNK_ROWS", 10)
    monkeypatch.setattr(lines, "BATCH_LINES", 1)
    port, stopping = ports.free_port(), asyncio.Event()
    serving = asyncio.create_task(
        HttpServer(SERVICE.app(runtime), host=ports.LOOPBACK, port=port, grace_seconds=1).run(stopping)
    )
    base, headers = f"http://{ports.LOOPBACK}:{port}", {"Authorization": "Bearer editor"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=30) as client:
        await eventually(lambda: ports.is_open(port))
        yield client
    stopping.set()
    await serving


async def _is(server: httpx.AsyncClient, field: str, value: object) -> bool:
    """Whether there is one import, and a field of it has a value."""
    found = (await server.get("/v1/imports")).json()["items"]
    return [job[field] for job in found] == [value]


async def _exactly(job: dict[str, Any], count: int, stored: Stored) -> None:
    """Users and announcements for each good line of `count`, once, and an error for each of the others."""
    good = [number for number in range(1, count + 1) if number % 7]
    assert (job["status"], job["rows"], job["created"]) == ("completed", count, len(good))
    tables = await stored()
    assert {row.id for row in tables["users"]} == {derive_id(UUID(job["id"]), str(number)) for number in good}
    announced = Counter(json.loads(row.item)["userId"] for row in tables["outbox"])
    assert announced == Counter(str(row.id) for row in tables["users"])
    assert [row.line for row in tables["import_errors"]] == [n for n in range(1, count + 1) if not n % 7]


async def test_broken_connection_keeps_committed_chunks_and_the_same_request_continues(
    server: httpx.AsyncClient, stored: Stored
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        async for line in _lines(35):
            yield line
        await eventually(lambda: _is(server, "rows", 30))
        yield _line(36)[:20]
        raise CutOffError

    with pytest.raises(CutOffError):
        await server.post("/v1/imports", content=broken(), headers=HEADERS)

    await eventually(lambda: _is(server, "status", "interrupted"))
    assert len((await stored())["users"]) == 30 - 4

    # Another body is known by the bytes that were taken, and changes nothing.
    other = await server.post("/v1/imports", content=_lines(100, first=2), headers=HEADERS)
    assert (other.status_code, other.json()["type"]) == (422, "urn:almanac:problem:import-body-changed")
    assert await _is(server, "status", "interrupted")
    assert len((await stored())["users"]) == 30 - 4

    resumed = await server.post("/v1/imports", content=_lines(100), headers=HEADERS)
    assert resumed.status_code == 200
    await _exactly(resumed.json(), 100, stored)


async def test_a_later_request_takes_over_from_one_that_hangs(server: httpx.AsyncClient, stored: Stored) -> None:
    gate = asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        async for line in _lines(25):
            yield line
        await gate.wait()
        async for line in _lines(50, first=26):
            yield line

    first = asyncio.create_task(server.post("/v1/imports", content=hanging(), headers=HEADERS))
    await eventually(lambda: _is(server, "rows", 20))
    second = await server.post("/v1/imports", content=_lines(75), headers=HEADERS)
    gate.set()
    superseded = await first
    assert (superseded.status_code, superseded.json()["type"]) == (409, "urn:almanac:problem:import-taken-over")
    await _exactly(second.json(), 75, stored)
    assert await _is(server, "status", "completed")


async def test_a_full_outbox_holds_an_import_back_until_the_relay_has_sent_some(
    runtime: Runtime[Settings], stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "CHUNK_ROWS", 10)
    monkeypatch.setattr(imports, "ROOM_SECONDS", 0.01)
    monkeypatch.setattr(lines, "BATCH_LINES", 1)
    tight = replace(runtime, outbox=Outbox(backlog_limit=15))
    transport = httpx.ASGITransport(SERVICE.app(tight))
    headers = {"Authorization": "Bearer editor"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        sending = asyncio.create_task(client.post("/v1/imports", content=_lines(60), headers=HEADERS))
        held: list[Any] = []

        async def held_back() -> bool:
            # Held back it still shows that it lives.
            rows = (await stored())["imports"]
            held.extend(row.updated_at for row in rows if row.rows == 20)
            return len(set(held)) > 2

        await eventually(held_back)
        assert not sending.done()

        async def send_all() -> bool:
            async with runtime.database.transaction() as tx:
                await tx.execute(text("UPDATE outbox SET sent_at = clock_timestamp() WHERE sent_at IS NULL"))
            return sending.done()

        await eventually(send_all)
    await _exactly((await sending).json(), 60, stored)


async def test_an_import_whose_database_goes_away_can_be_taken_to_its_end(
    server: httpx.AsyncClient, runtime: Runtime[Settings], stored: Stored
) -> None:
    async def disturbed() -> AsyncIterator[bytes]:
        async for line in _lines(25):
            yield line
        await eventually(lambda: _is(server, "rows", 20))
        async with runtime.database.transaction() as tx:
            await tx.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        async for line in _lines(75, first=26):
            yield line

    answer = await server.post("/v1/imports", content=disturbed(), headers=HEADERS)
    assert answer.status_code in {200, 503}, answer.text

    async def resumed() -> httpx.Response | None:
        again = await server.post("/v1/imports", content=_lines(100), headers=HEADERS)
        return again if again.status_code == 200 else None

    done = await eventually(resumed)
    assert done is not None
    await _exactly(done.json(), 100, stored)


async def test_silent_import_is_reported_as_interrupted(api: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    job = await imports.begin_import(runtime.database, "editor", "once", ImportFormat.NDJSON)
    assert (await api.get(f"/v1/imports/{job.id}")).json()["status"] == "running"
    async with runtime.database.transaction() as tx:
        await tx.execute(text("UPDATE imports SET updated_at = clock_timestamp() - interval '3 minutes'"))
    assert (await api.get(f"/v1/imports/{job.id}")).json()["status"] == "interrupted"
    assert (await api.get("/v1/imports")).json()["items"][0]["status"] == "interrupted"
