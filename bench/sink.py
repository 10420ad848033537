"""A webhook sink: a child process that answers every POST with 204 at once and keeps when each webhook first came.

Routes: `POST /reset` deletes everything; `GET /stats` counts; `GET /receipts` maps id → first receipt;
`GET /wait?count=N&timeout=S` answers with the stats once N different ids are in, or S seconds have passed; any other
POST is a webhook, known by its `webhook-id` (Standard Webhooks) or `x-bench-id` header. Times are Unix seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, cast
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httptools
import uvloop

from local_stack import child, ports
from local_stack.child import Command

NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class SinkStats:
    """What a sink has seen since its last reset.

    `received` counts POSTs, `unique` different ids, `first_at` and `last_at` are when the first and the latest new id
    came (Unix seconds; None before the first).
    """

    received: int
    unique: int
    first_at: float | None
    last_at: float | None

    @property
    def duplicates(self) -> int:
        """POSTs whose id had been seen before."""
        return self.received - self.unique


@dataclass(slots=True)
class Receipts:
    """First receipt time by webhook id, and who waits for how many."""

    first_seen: dict[str, float] = field(default_factory=dict)
    received: int = 0
    last_at: float | None = None
    waiters: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)

    def record(self, webhook_id: str, at: float) -> None:
        """Count one POST of `webhook_id`, received `at` (Unix seconds)."""
        self.received += 1
        if webhook_id in self.first_seen:
            return
        self.first_seen[webhook_id] = self.last_at = at
        for count, done in self.waiters:
            if count <= len(self.first_seen) and not done.done():
                done.set_result(None)

    def stats(self) -> SinkStats:
        """The counts so far."""
        first_at = next(iter(self.first_seen.values()), None)
        return SinkStats(self.received, len(self.first_seen), first_at, self.last_at)

    def reset(self) -> None:
        """Delete every receipt; waiters go on waiting."""
        self.first_seen = {}
        self.received = 0
        self.last_at = None

    async def wait(self, count: int, timeout: float) -> None:
        """Return once `count` different ids are in, or after `timeout` seconds."""
        if len(self.first_seen) >= count:
            return
        waiter = (count, asyncio.get_running_loop().create_future())
        self.waiters.append(waiter)
        try:
            await asyncio.wait([waiter[1]], timeout=timeout)
        finally:
            self.waiters.remove(waiter)


class SinkProtocol(asyncio.Protocol):
    """HTTP/1.1 with keep-alive and little else, so that the sink is never what is measured."""

    def __init__(self, receipts: Receipts) -> None:
        self.receipts = receipts
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self.url = b""
        self.webhook_id = ""
        self.waits: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class does not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        for wait in self.waits:
            wait.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.send(BAD_REQUEST)
            if self.transport is not None:
                self.transport.close()

    def on_message_begin(self) -> None:
        self.url = b""
        self.webhook_id = ""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"webhook-id", b"x-bench-id"):
            self.webhook_id = value.decode("latin-1")

    def on_message_complete(self) -> None:
        url = urlsplit(self.url.decode("latin-1")) if self.url[:1] == b"/" else None
        if self.parser.get_method() == b"POST":
            if self.url == b"/reset":
                self.receipts.reset()
                self.send(NO_CONTENT)
            elif self.webhook_id:
                self.receipts.record(self.webhook_id, time.time())
                self.send(NO_CONTENT)
            else:
                self.send(BAD_REQUEST)
        elif url is not None and url.path == "/wait":
            query = parse_qs(url.query)
            wait = asyncio.ensure_future(self.answer_when(int(query["count"][0]), float(query["timeout"][0])))
            self.waits.add(wait)
            wait.add_done_callback(self.waits.discard)
        elif self.url == b"/stats":
            self.send_stats()
        elif self.url == b"/receipts":
            self.send_json(self.receipts.first_seen)
        else:
            self.send(NOT_FOUND)

    async def answer_when(self, count: int, timeout: float) -> None:
        await self.receipts.wait(count, timeout)
        self.send_stats()

    def send_stats(self) -> None:
        stats = self.receipts.stats()
        self.send_json(
            {"received": stats.received, "unique": stats.unique, "firstAt": stats.first_at, "lastAt": stats.last_at}
        )

    def send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


async def serve(port: int) -> None:
    """Listen on the loopback address until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    receipts, stopping = Receipts(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    server = await loop.create_server(lambda: SinkProtocol(receipts), ports.LOOPBACK, port, backlog=1024)
    await stopping.wait()
    server.close()


class Sink:
    """The parent's handle on a sink process: `async with Sink() as sink: … sink.url … sink.pid …`."""

    def __init__(self, port: int | None = None) -> None:
        self._port = port or ports.free_port()
        self._origin = f"http://{ports.LOOPBACK}:{self._port}"
        self.url = f"{self._origin}/webhook"
        self.pid = 0

    def prepare(self) -> None:
        """Nothing needs to be there."""

    def command(self) -> Command:
        """This module as a program."""
        return Command("sink", [sys.executable, "-m", "bench.sink", "--port", str(self._port)], Path(os.devnull))

    def ready(self) -> bool:
        """Whether it listens."""
        return ports.is_open(self._port)

    async def __aenter__(self) -> Self:
        self._process = await asyncio.to_thread(child.start, self)
        self.pid = self._process.pid
        self._session = aiohttp.ClientSession(self._origin, timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await asyncio.to_thread(self._process.stop, 10)

    async def reset(self) -> None:
        """Delete every receipt."""
        async with self._session.post("/reset") as response:
            response.raise_for_status()

    async def stats(self) -> SinkStats:
        """The counts now."""
        return await self._stats("/stats")

    async def wait_for(self, count: int, timeout: float) -> SinkStats:
        """The stats once `count` different webhooks are in, or TimeoutError after `timeout` seconds."""
        stats = await self._stats(f"/wait?count={count}&timeout={timeout}")
        if stats.unique < count:
            raise TimeoutError(f"the sink has {stats.unique} of {count} webhooks after {timeout:g} s")
        return stats

    async def receipts(self) -> dict[str, float]:
        """When each webhook id first came (Unix seconds)."""
        async with self._session.get("/receipts") as response:
            received: dict[str, float] = await response.json()
        return received

    async def _stats(self, path: str) -> SinkStats:
        async with self._session.get(path) as response:
            seen = await response.json()
        return SinkStats(seen["received"], seen["unique"], seen["firstAt"], seen["lastAt"])


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    uvloop.run(serve(arguments.parse_args().port))
