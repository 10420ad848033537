"""A running stack with activity, driven over the public APIs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil

from chassis.core.lifecycle import pause
from local_stack import ports
from testkit import eventually
from testkit.full_stack import RunningStack

_BATCH_SECONDS = 0.5


class LiveStack:
    """Users, events and endpoints of a running stack. A refused request raises AssertionError."""

    def __init__(self, stack: RunningStack, http: httpx.AsyncClient) -> None:
        self.stack = stack
        self._http = http

    async def person(self) -> str:
        """A user whom event-service knows; returns the id."""
        fields = {"firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": "1990-01-01", "timezone": "UTC"}
        user = await self.call("POST", f"{self.stack.user}/v1/users", fields)

        async def known() -> bool:
            answer = await self._http.get(f"{self.stack.event}/v1/schedules", params={"userId": user["id"]})
            return answer.status_code == 200 and bool(answer.json()["items"])

        await eventually(known, interval=0.1)
        return str(user["id"])

    async def notify(self, user_id: str, count: int = 1, event_type: str = "NOTIFICATION", **fields: Any) -> list[str]:
        """This many events that are due now; returns their ids."""
        event = {"userId": user_id, "eventType": event_type, "at": "now", "message": "Hey, {first_name} there is cake"}
        items = [{**event, **fields} for _ in range(count)]
        made = await self.call("POST", f"{self.stack.event}/v1/events/batch", {"items": items})
        return [str(event["id"]) for event in made["items"]]

    @asynccontextmanager
    async def flowing(self, user_id: str, per_batch: int = 5) -> AsyncIterator[None]:
        """Events keep coming due while the block lasts, this many every half second."""

        enough = asyncio.Event()

        async def flow() -> None:
            while not enough.is_set():
                await self.notify(user_id, per_batch)
                await pause(enough, _BATCH_SECONDS)

        task = asyncio.create_task(flow())
        try:
            yield
        finally:
            enough.set()
            await task

    async def create_endpoint(self, url: str, **fields: Any) -> str:
        """Returns its id."""
        made = await self.call("POST", f"{self.stack.delivery}/v1/endpoints", {"url": url, **fields})
        return str(made["id"])

    async def change_endpoint(self, endpoint_id: str, **fields: Any) -> None:
        url = f"{self.stack.delivery}/v1/endpoints/{endpoint_id}"
        await self.call("PATCH", url, fields, headers={"If-Match": "*"})

    async def delete_endpoint(self, endpoint_id: str) -> None:
        await self.call("DELETE", f"{self.stack.delivery}/v1/endpoints/{endpoint_id}")

    async def inbox_endpoint(self) -> str:
        """The id of the endpoint that leads to the stack's own inbox."""
        found = await self.call("GET", f"{self.stack.delivery}/v1/endpoints")
        return next(str(each["id"]) for each in found["items"] if str(each["url"]).startswith(self.stack.inbox))

    async def dead_letters(self, **filters: str) -> list[dict[str, Any]]:
        """The newest that meet the filters."""
        answer = await self._http.get(f"{self.stack.delivery}/v1/dead-letters", params={**filters, "limit": "200"})
        items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
        return items

    async def has_dead_letters(self, count: int, **filters: str) -> list[dict[str, Any]]:
        """Wait until this many exist, and return them."""

        async def enough() -> list[dict[str, Any]]:
            found = await self.dead_letters(**filters)
            return found if len(found) >= count else []

        return await eventually(enough, interval=0.2)

    async def has_ended(self, event_id: str, status: str) -> None:
        """Wait until the event has this status."""

        async def so() -> bool:
            answer = await self._http.get(f"{self.stack.event}/v1/events/{event_id}")
            return bool(answer.json()["status"] == status)

        await eventually(so, interval=0.2)

    async def call(self, method: str, url: str, body: object = None, **more: Any) -> dict[str, Any]:
        """The JSON of a request's answer, which must be a success."""
        answer = await self._http.request(method, url, json=body, **more)
        assert answer.is_success, f"{method} {url}: {answer.status_code} {answer.text}"
        result: dict[str, Any] = answer.json() if answer.content else {}
        return result


@asynccontextmanager
async def killed_inbox(stack: RunningStack) -> AsyncIterator[None]:
    """The stack's inbox is dead while the block lasts, and its port refuses connections.

    The stack starts again what dies: it cannot, because the port is taken, and does as soon as the block ends.
    """
    port = urlsplit(stack.inbox).port or 0
    _holder_of(port).kill()
    async with await _occupy(port):
        yield


async def _occupy(port: int) -> asyncio.Server:
    async def turn_away(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def listening() -> asyncio.Server | None:
        try:
            return await asyncio.start_server(turn_away, ports.LOOPBACK, port)
        except OSError:  # the kernel has not yet taken it from the dead
            return None

    server = await eventually(listening)
    assert server is not None
    return server


def _holder_of(port: int) -> psutil.Process:
    for each in psutil.net_connections("tcp"):
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid is not None:
            return psutil.Process(each.pid)
    raise AssertionError(f"nothing listens on port {port}")
