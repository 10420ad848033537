"""Imports into the service as a process of its own: killed in the middle, and in constant memory."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import text

from chassis.database.database import Database
from contracts.identity import derive_id
from local_stack import ports
from testkit import AwsAccount, eventually
from testkit.plugin import DatabaseFactory

HEADERS = {"Content-Type": "text/csv", "Idempotency-Key": "once"}
_ANNOUNCED = "SELECT CAST(item AS jsonb) ->> 'userId' FROM outbox WHERE type = 'UserCreated'"
HEADER = b"firstName,lastName,dateOfBirth,timezone,email,tags\n"
MEMORY_MIB = 60
"""What an import of any size may add to the process."""


async def _body(count: int) -> AsyncIterator[bytes]:
    """A header and `count` users, generated as they are sent; the first is on line 2."""
    yield HEADER
    for start in range(2, count + 2, 500):
        numbers = range(start, min(start + 500, count + 2))
        yield b"".join(b"Ada,No %d,1990-12-10,Europe/London,ada%d@example.org,vip;new\n" % (n, n) for n in numbers)


async def test_a_process_killed_in_the_middle_loses_nothing_and_the_next_one_takes_nothing_twice(
    database: DatabaseFactory, aws: AwsAccount, tmp_path: Path
) -> None:
    url, count = await database("user-service"), 20_000
    store = Database(url, pool_size=2)

    async def some_committed() -> bool:
        async with store.read() as connection:
            return bool((await connection.execute(text("SELECT 1 FROM imports WHERE created >= 3000"))).scalar())

    async with _process(url, aws, tmp_path / "log") as (process, client):

        async def killed_on_the_way() -> AsyncIterator[bytes]:
            sent = 0
            async for part in _body(count):
                yield part
                sent += part.count(b"\n")
                if sent > 7_000 and process.returncode is None:
                    await eventually(some_committed)
                    process.kill()
                    await process.wait()

        try:
            await client.post("/v1/imports", content=killed_on_the_way(), headers=HEADERS)
            raise AssertionError("the process was killed, and yet it answered")
        except httpx.TransportError:
            assert process.returncode == -9
    async with _process(url, aws, tmp_path / "log") as (_, client):
        job = (await client.post("/v1/imports", content=_body(count), headers=HEADERS)).json()
    assert (job["status"], job["rows"], job["created"], job["refused"]) == ("completed", count, count, 0)

    async with store.read() as connection:
        users = set((await connection.execute(text("SELECT id FROM users"))).scalars())
        announced = list((await connection.execute(text(_ANNOUNCED))).scalars())
    await store.close()
    assert users == {derive_id(UUID(job["id"]), str(line)) for line in range(2, count + 2)}
    assert sorted(announced) == sorted(map(str, users))


async def test_import_is_interrupted_by_a_stop_and_continues_in_the_next_process(
    database: DatabaseFactory, aws: AwsAccount, tmp_path: Path
) -> None:
    url, count = await database("user-service"), 9_000
    store = Database(url, pool_size=2)

    async def state() -> tuple[str, int] | None:
        async with store.read() as connection:
            row = (await connection.execute(text("SELECT status, created FROM imports"))).one_or_none()
        return None if row is None else (row.status, row.created)

    async def committed() -> bool:
        return (await state() or ("", 0))[1] >= 3_000

    async with _process(url, aws, tmp_path / "log") as (process, client):

        async def stopped_on_the_way() -> AsyncIterator[bytes]:
            sent = 0
            async for part in _body(count):
                yield part
                sent += part.count(b"\n")
                if sent > 7_000:
                    break
            await eventually(committed, timeout=30)
            process.terminate()
            # As long as it sends: this client reads no answer before.
            port = client.base_url.port or 0
            while ports.is_open(port):
                yield b"\n"
                await asyncio.sleep(0.05)

        begun = asyncio.get_running_loop().time()
        request = asyncio.create_task(client.post("/v1/imports", content=stopped_on_the_way(), headers=HEADERS))
        status = await asyncio.wait_for(process.wait(), 60)
        answer = await request
        assert asyncio.get_running_loop().time() - begun < 45
    assert status == 0
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.json()["type"] == "urn:almanac:problem:import-interrupted"
    assert answer.headers["retry-after"] == "1"
    interrupted = await state()
    assert interrupted is not None
    assert interrupted[0] == "interrupted"
    assert 3_000 <= interrupted[1] < count
    async with _process(url, aws, tmp_path / "log") as (_, client):
        job = (await client.post("/v1/imports", content=_body(count), headers=HEADERS)).json()
    assert (job["status"], job["rows"], job["created"], job["refused"]) == ("completed", count, count, 0)
    await store.close()


async def test_an_import_of_any_size_takes_the_same_memory(
    database: DatabaseFactory, aws: AwsAccount, tmp_path: Path
) -> None:
    async with _process(await database("user-service"), aws, tmp_path / "log") as (process, client):
        await client.post("/v1/imports", content=_body(100), headers=HEADERS | {"Idempotency-Key": "warm"})
        before = _peak_mib(process.pid)
        answer = await client.post("/v1/imports", content=_body(100_000), headers=HEADERS)
        assert answer.json()["created"] == 100_000
        assert _peak_mib(process.pid) - before < MEMORY_MIB


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@asynccontextmanager
async def _process(
    url: str, aws: AwsAccount, log: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """The role `api` alone, so that nothing is sent meanwhile. It is killed at the end."""
    port = ports.free_port()
    keys = [{"name": "t", "sha256": hashlib.sha256(b"key").hexdigest(), "scopes": ["read", "write"]}]
    environment = os.environ | {
        **aws.environment(),
        "DATABASE_URL": url,
        "API_PORT": str(port),
        "API_KEYS": json.dumps(keys),
        "OUTBOX_BACKLOG_LIMIT": "1000000",
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "user_service", "run", "api", env=environment, stdout=output, stderr=output
        )
    try:
        await eventually(lambda: ports.http_status(port, "/readyz") == 200)
        base, headers = f"http://{ports.LOOPBACK}:{port}", {"Authorization": "Bearer key"}
        async with httpx.AsyncClient(base_url=base, headers=headers, timeout=120) as client:
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
