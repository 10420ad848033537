"""Connections that ask for nothing: they are ended, bounded in number, and block no other client."""

import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from chassis.api import server
from chassis.api.server import IDLE_SECONDS, connection_limit
from local_stack import ports
from testkit import AwsAccount, eventually

PROGRAM = Path(__file__).with_name("programs") / "service.py"
KEYS = [{"name": "k", "sha256": hashlib.sha256(b"key").hexdigest(), "scopes": ["read"]}]
CLIENTS, DESCRIPTORS = 5_000, 256
STRAY = {
    "empty lines after a response": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"),
    "a body that does not end, after a 401": (
        b"POST /v1/usage HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        b"x",
    ),
    "a body that does not end, after a 404": (
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
        b"x",
    ),
    "the rest of a chunked body": (
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nab",
    ),
    "half a request line": (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /he"),
    "nothing": (b"", b""),
}


@asynccontextmanager
async def _service(url: str, aws: AwsAccount, folder: Path, descriptors: int) -> AsyncIterator[int]:
    """The sample service in a process of its own that may have that many descriptors."""
    port = ports.free_port()
    environment = os.environ | {
        **aws.environment(),
        "DATABASE_URL": url,
        "API_PORT": str(port),
        "API_KEYS": json.dumps(KEYS),
        "SAMPLE_MIGRATIONS": str(folder),
    }
    with (folder / "log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *("prlimit", f"--nofile={descriptors}", sys.executable, str(PROGRAM), "run", "api"),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await eventually(lambda: ports.http_status(port, "/healthz") == 200, timeout=60)
        yield port
    finally:
        process.terminate()
        await process.wait()


def test_connections_leave_descriptors_for_the_rest_of_the_process() -> None:
    assert connection_limit(256) == 144
    assert connection_limit(1024) == 720
    assert connection_limit(1_048_576) == server.MAX_CONNECTIONS


async def _stray(port: int, first: bytes, then: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(ports.LOOPBACK, port)
    if first:
        writer.write(first)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(then)
    return reader, writer


async def _rest(reader: asyncio.StreamReader) -> None:
    with suppress(ConnectionError):
        await reader.read()


async def test_connections_that_ask_for_nothing_are_closed_within_ten_seconds(
    url: str, aws: AwsAccount, tmp_path: Path
) -> None:
    async with _service(url, aws, tmp_path, DESCRIPTORS) as port:

        async def seconds_open(name: str) -> float:
            reader, writer = await _stray(port, *STRAY[name])
            begun = time.monotonic()
            ended = asyncio.create_task(_rest(reader))
            while not ended.done() and time.monotonic() - begun < IDLE_SECONDS + 15:
                # A client that sends a little now and then is closed, too.
                if "empty" in name or "404" in name:
                    writer.write(b"\r\n" if "empty" in name else b"x")
                await asyncio.wait([ended], timeout=1)
            writer.close()
            return time.monotonic() - begun

        taken = await asyncio.gather(*map(seconds_open, STRAY))
    assert max(taken) < IDLE_SECONDS + 5, dict(zip(STRAY, taken, strict=True))


@pytest.mark.timeout(180)
async def test_thousands_of_idle_connections_block_no_other_client(url: str, aws: AwsAccount, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(CLIENTS, hard - 500)
    open_ones: list[asyncio.StreamWriter] = []
    try:
        async with _service(url, aws, tmp_path, DESCRIPTORS) as port:

            async def open_one(number: int) -> None:
                first, then = list(STRAY.values())[number % len(STRAY)]
                try:
                    _, writer = await asyncio.wait_for(_stray(port, first, then), 20)
                except (OSError, TimeoutError, asyncio.IncompleteReadError):
                    return  # displaced by one of the others
                open_ones.append(writer)

            served, stopping = 0, asyncio.Event()

            async def ask() -> None:
                nonlocal served
                while not stopping.is_set():
                    async with httpx.AsyncClient(base_url=f"http://{ports.LOOPBACK}:{port}", timeout=10) as client:
                        assert (await client.get("/healthz")).status_code == 200
                        answer = await client.get("/v1/nothing", headers={"Authorization": "Bearer key"})
                        assert answer.status_code == 404
                        served += 1

            asking = asyncio.create_task(ask())
            for start in range(0, count, 100):
                await asyncio.gather(*(open_one(number) for number in range(start, min(count, start + 100))))
                if asking.done():
                    break
            enough = served + 3
            await eventually(lambda: asking.done() or served >= enough, timeout=30)
            stopping.set()
            await asking
            assert served >= 10
    finally:
        for writer in open_ones:
            writer.transport.abort()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
