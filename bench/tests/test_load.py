import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from bench.load import Call, send
from yarl import URL

from local_stack import ports

TOGETHER = 5


@pytest.fixture
async def url() -> AsyncIterator[URL]:
    """A server that answers no request before this many have arrived; then with what they sent, a status among it."""
    asked = asyncio.Semaphore(0)
    all_asked = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.release()
        if asked._value == TOGETHER:
            all_asked.set()
        await all_asked.wait()
        return web.Response(status=int(request.query["status"]), text=f"{request.headers['X-Who']} says {request.path}")

    application = web.Application()
    application.router.add_get("/{name}", answer)
    async with TestServer(application) as server:
        yield server.make_url("/")


def call(url: URL, name: str, status: int = 200, answered: int = 200) -> Call:
    return Call(0.0, "get", "GET", (url / name).with_query(status=answered), status, f"Ada says /{name}")


async def test_a_request_waits_for_no_other_ones_answer(url: URL) -> None:
    answers = await send([call(url, str(n)) for n in range(TOGETHER)], {"X-Who": "Ada"})
    assert [answer.fault for answer in answers] == [None] * TOGETHER
    assert {answer.call.url.name for answer in answers} == {str(n) for n in range(TOGETHER)}


async def test_an_answer_of_another_status_or_with_another_text_is_a_fault_that_names_the_request(url: URL) -> None:
    calls = [call(url, str(n)) for n in range(TOGETHER - 1)] + [call(url, "odd", status=201, answered=500)]
    *others, odd = await send(calls, {"X-Who": "Bob"})
    assert all("200 Bob says" in (other.fault or "") for other in others)
    assert odd.fault == f"GET {url}odd?status=500: 500 Bob says /odd"


async def test_a_server_that_is_not_there_is_a_fault() -> None:
    url = URL(f"http://127.0.0.1:{ports.free_port()}/")
    [answer] = await send([call(url, "nobody")], {})
    assert "ClientConnectorError" in (answer.fault or "")
