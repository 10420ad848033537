"""Services that answer from a table, and HTTP to a console that asks them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from console.site import OpenConsole

Reply = Callable[[httpx.Request], httpx.Response]


def problem(status: int, title: str, detail: str, **fields: str) -> httpx.Response:
    """An answer as RFC 9457 has it."""
    errors = [{"field": name, "detail": rule} for name, rule in fields.items()]
    body = {"type": "urn:almanac:problem:test", "title": title, "status": status, "detail": detail, "errors": errors}
    return httpx.Response(status, content=json.dumps(body), headers={"content-type": "application/problem+json"})


@dataclass
class FakeServices:
    """Answers by method, service and path; records the requests."""

    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    asked: list[httpx.Request] = field(default_factory=list)

    def answers(self, method: str, address: str, reply: Any, status: int = 200) -> None:
        """``address`` is ``service/path``; ``reply`` JSON, or what makes a response of a request."""
        made: Reply = reply if callable(reply) else lambda _: httpx.Response(status, json=reply)
        self.replies[method, address] = made

    def keys_of(self, method: str, address: str) -> list[str]:
        """With which keys it was asked."""
        return [
            request.headers["authorization"].removeprefix("Bearer ")
            for request in self.asked
            if request.method == method and request.url.host + request.url.path == address
        ]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        reply = self.replies.get((request.method, request.url.host + request.url.path))
        if reply is None:
            raise httpx.ConnectError("nobody there", request=request)
        return reply(request)


def browser(console: OpenConsole, **headers: str) -> httpx.AsyncClient:
    """An HTTP client of the console that keeps its cookies."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(console.app),
        base_url="http://console",
        headers={"accept": "text/html", **headers},
        follow_redirects=True,
    )
