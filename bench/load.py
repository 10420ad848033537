"""An open-loop load on an HTTP API: each request leaves when it is due, whatever became of those before it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from yarl import URL

# Who is not answered by then has failed; until then a slow answer is a long latency and no error.
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request, due this many seconds after the start, and the expected response: a status, and text that it holds."""

    at: float
    kind: str
    method: str
    url: URL
    status: int
    holds: str
    body: bytes | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """A call's latency, in seconds from when it was due to the last byte of its answer; `fault` if that was wrong."""

    call: Call
    seconds: float
    fault: str | None


async def send(calls: Sequence[Call], headers: Mapping[str, str]) -> list[Answered]:
    """Send each call when it is due, `headers` with all, and wait for every answer."""
    # Without a cap: a request that waited for a connection would wait for other requests' answers.
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as session:
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), list[asyncio.Task[Answered]]()
        for call in sorted(calls, key=lambda call: call.at):
            await asyncio.sleep(max(0.0, start + call.at - loop.time()))
            sent.append(loop.create_task(_answer(session, call, start + call.at)))
        return await asyncio.gather(*sent)


async def _answer(session: aiohttp.ClientSession, call: Call, due: float) -> Answered:
    loop = asyncio.get_running_loop()
    try:
        async with session.request(call.method, call.url, data=call.body, headers=call.headers) as response:
            answer = await response.text()
        seconds = loop.time() - due
    except (aiohttp.ClientError, TimeoutError) as error:
        return Answered(call, loop.time() - due, f"{call.method} {call.url}: {error!r}")
    as_wanted = response.status == call.status and call.holds in answer
    return Answered(call, seconds, None if as_wanted else f"{call.method} {call.url}: {response.status} {answer[:300]}")
