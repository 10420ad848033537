"""What receivers do to deliveries, to be read in the API: one event, and an endpoint for each fault."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from delivery_scene import CIPHER, Scene, due_event, receive
from faulty_receivers import Authority, Gibibyte, Serve, answering, at, dripping, resetting, served

from chassis.service.runtime import Runtime
from delivery_service.adapters.posting import Poster
from delivery_service.adapters.ssrf_guard import SsrfGuard
from delivery_service.adapters.webhooks import WebhookSender
from delivery_service.domain.addresses import AllowList
from delivery_service.domain.retries import RetryPolicy
from delivery_service.settings import Settings
from testkit import Receiver, eventually

PATIENT = RetryPolicy(max_tries=3, base=0.05, factor=2, cap=0.1, retry_after_cap=900)
CLOSE = "Connection: close\r\nContent-Length: 0\r\n\r\n"
BOMB = gzip.compress(bytes(2**20), compresslevel=9) * 256

# The expected data of each: status, reason, HTTP status and fault of every attempt. The status line decides, so a body
# that drips, never ends or unpacks to a gigabyte is no failure.
SUCCEEDED = ("SUCCEEDED", None, [(200, None)])
READ = {
    "500": ("FAILED", "exhausted", [(500, None)]),
    "429 with seconds": ("PENDING", None, [(429, None)]),
    "429 with a date": ("PENDING", None, [(429, None)]),
    "410": ("FAILED", "gone", [(410, None)]),
    "redirect": ("FAILED", "rejected", [(302, None)]),
    "headers that drip": ("FAILED", "exhausted", [(None, "timeout")]),
    "body that drips": SUCCEEDED,
    "body of a gibibyte": SUCCEEDED,
    "gzip bomb": SUCCEEDED,
    "reset in the head": ("FAILED", "exhausted", [(None, "connection")]),
    "reset in the body": SUCCEEDED,
    "bad certificate": ("FAILED", "exhausted", [(None, "tls")]),
    "name that moves": ("FAILED", "exhausted", [(503, None), (None, "forbidden_address")]),
}


@asynccontextmanager
async def forbidden(port: int, connections: list[str]) -> AsyncIterator[str]:
    """A place to which nothing may be sent; it keeps who connects."""

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(str(writer.get_extra_info("peername")))
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.2", port):
        yield f"http://127.0.0.2:{port}/"


@pytest.fixture
async def deliveries(
    api: httpx.AsyncClient, runtime: Runtime[Settings], receiver: Receiver, tmp_path: Path
) -> AsyncIterator[dict[str, dict[str, Any]]]:
    """How the API shows the result of each fault, with its dead letter, if any, as `deadLetter`."""
    scene = Scene(runtime.database, receiver)
    # The name is asked for at each attempt, and is somewhere else the second time.
    addresses = iter([["127.0.0.1"], ["127.0.0.2"]])

    async def look_up(name: str) -> list[str]:
        return next(addresses) if name == "moving.example.org" else ["127.0.0.1"]

    guard = SsrfGuard(AllowList((ip_network("127.0.0.1/32"),)), lookup=look_up, cache_seconds=0)
    poster = Poster(connections=20, connect_seconds=2, guard=guard)
    connections: list[str] = []
    asked = format_datetime(datetime.now(UTC) + timedelta(seconds=121), usegmt=True)
    async with AsyncExitStack() as stack:
        moving = await stack.enter_async_context(
            served(answering(f"HTTP/1.1 503 Later\r\n{CLOSE}".encode(), hold=False))
        )
        trap = await stack.enter_async_context(forbidden(moving, connections))
        servers: dict[str, Serve] = {
            "500": answering(b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nsorry"),
            "429 with seconds": answering(f"HTTP/1.1 429 Slow\r\nRetry-After: 120\r\n{CLOSE}".encode()),
            "429 with a date": answering(f"HTTP/1.1 429 Slow\r\nRetry-After: {asked}\r\n{CLOSE}".encode()),
            "410": answering(f"HTTP/1.1 410 Gone\r\n{CLOSE}".encode()),
            "redirect": answering(f"HTTP/1.1 302 Found\r\nLocation: {trap}\r\n{CLOSE}".encode()),
            "headers that drip": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
            "body that drips": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
            "body of a gibibyte": Gibibyte(),
            "gzip bomb": answering(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB) + BOMB
            ),
            "reset in the head": resetting(b"HTTP/1.1 200 OK\r\nContent-"),
            "reset in the body": resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
        }
        urls = {name: at(await stack.enter_async_context(served(serve))) for name, serve in servers.items()}
        badly_signed = Authority(tmp_path).server("hooks.example.org")
        port = await stack.enter_async_context(served(answering(b"HTTP/1.1 200 OK\r\n\r\n"), badly_signed))
        urls["bad certificate"] = f"https://hooks.example.org:{port}/"
        urls["name that moves"] = f"http://moving.example.org:{moving}/"
        retries = {"429 with seconds": None, "429 with a date": None, "name that moves": (0.0,)}
        names: dict[str, str] = {}
        for name, url in urls.items():
            endpoint_id, _ = await scene.endpoint(url=url, timeout_seconds=1, retry_schedule=retries.get(name, ()))
            names[str(endpoint_id)] = name
        due = due_event()

        async def all_tried() -> list[dict[str, Any]]:
            page = (await api.get("/v1/deliveries", params={"eventId": due["eventId"], "limit": "100"})).json()
            items: list[dict[str, Any]] = page["items"]
            ended = [each for each in items if each["status"] != "PENDING"]
            waiting = [each for each in items if each["status"] == "PENDING" and each["attempts"] == 1]
            return items if len(ended) == len(READ) - 2 and len(waiting) == 2 else []

        async with scene.pool(sender=WebhookSender(poster, CIPHER), policy=PATIENT) as pool:
            await receive(pool, due)
            found = await eventually(all_tried) or []
        await poster.aclose()
        assert connections == [], "something was sent to where nothing may be"
        letters = (await api.get("/v1/dead-letters", params={"eventId": due["eventId"]})).json()["items"]
        by_delivery = {letter["deliveryId"]: letter for letter in letters}
        yield {
            names[each["endpointId"]]: (await api.get(f"/v1/deliveries/{each['id']}")).json()
            | {"deadLetter": by_delivery.get(each["id"])}
            for each in found
        }


async def test_the_reason_for_every_fault_of_a_receiver_is_read_in_the_api(
    deliveries: dict[str, dict[str, Any]],
) -> None:
    assert {
        name: (
            each["status"],
            each["reason"],
            [(attempt["httpStatus"], attempt["error"]) for attempt in each["history"]],
        )
        for name, each in deliveries.items()
    } == READ
    details = {name: each["deadLetter"] and each["deadLetter"]["detail"] for name, each in deliveries.items()}
    assert {name: detail for name, detail in details.items() if detail} == {
        "500": "HTTP 500",
        "410": "HTTP 410",
        "redirect": "HTTP 302",
        "headers that drip": "timeout",
        "reset in the head": "connection",
        "bad certificate": "tls",
        "name that moves": "forbidden_address",
    }
    [failed] = deliveries["500"]["history"]
    assert failed["excerpt"] == "sorry"
    [redirected] = deliveries["redirect"]["history"]
    assert redirected["headers"]["location"].startswith("http://127.0.0.2:")
    [packed] = deliveries["gzip bomb"]["history"]
    assert (packed["headers"]["content-encoding"], packed["excerpt"]) == ("gzip", None)
    [endless] = deliveries["body of a gibibyte"]["history"]
    assert endless["excerpt"] == "x" * 4096
    now = datetime.now(UTC)
    for name in ("429 with seconds", "429 with a date"):
        [asked] = deliveries[name]["history"]
        assert asked["headers"]["retry-after"]
        again = datetime.fromisoformat(deliveries[name]["nextAttemptAt"])
        # A tenth more spreads clients that got the same value.
        assert timedelta(seconds=80) < again - now < timedelta(seconds=133)
