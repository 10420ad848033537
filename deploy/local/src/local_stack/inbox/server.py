"""The inbox's web server: POST /hooks receives; GET / shows; GET /received and /counts are for programs."""

import json
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from local_stack.inbox.store import ReceiptStore

_PAGE_LIMIT = 1_000
_BODY_LIMIT = 1 << 20


class Verifier:
    """Checks Standard Webhooks signatures with the secret in a file, which the stack writes when it has it."""

    def __init__(self, secret_file: Path) -> None:
        self._secret_file = secret_file
        self._secret = ""
        self._webhook: Webhook | None = None

    def verify(self, body: bytes, headers: dict[str, str]) -> bool:
        """Whether the signature fits. Reads the secret again before it says no: it may have been replaced."""
        return self._fits(body, headers) or (self._reload() and self._fits(body, headers))

    def _fits(self, body: bytes, headers: dict[str, str]) -> bool:
        if self._webhook is None:
            return False
        try:
            self._webhook.verify(body, headers, json_parse=False)
        except (
            WebhookVerificationError,
            ValueError,
        ):  # ValueError: a signature header of another form, a body not UTF-8
            return False
        return True

    def _reload(self) -> bool:
        try:
            secret = self._secret_file.read_text().strip()
        except FileNotFoundError:
            return False
        if not secret or secret == self._secret:
            return False
        self._secret, self._webhook = secret, Webhook(secret)
        return True


class Inbox:
    """The ASGI application. Webhooks are handled before any routing: they come a thousand a second."""

    def __init__(self, store: ReceiptStore, verifier: Verifier) -> None:
        self._store = store
        self._verifier = verifier
        self._page = resources.files("local_stack.inbox").joinpath("page.html").read_text(encoding="utf-8")
        self._others: ASGIApp = Starlette(
            routes=[
                Route("/", self._show),
                Route("/received", self._received),
                Route("/counts", self._counts),
                Route("/healthz", self._healthy),
            ]
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and scope["path"] == "/hooks" and scope["method"] == "POST":
            await self._take(scope, receive, send)
        else:
            await self._others(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive, send: Send) -> None:
        received_at = datetime.now(UTC)
        chunks: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            more = message.get("more_body", False) and size <= _BODY_LIMIT
        body = b"".join(chunks)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if size > _BODY_LIMIT:
            status = 413
        else:
            verified = self._verifier.verify(body, headers)
            self._store.add(headers.get("webhook-id"), verified, _decode(body), received_at)
            status = 204 if verified else 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _show(self, request: Request) -> Response:
        return HTMLResponse(self._page)

    async def _received(self, request: Request) -> Response:
        """`?after=<sequence>&limit=<n>`: receipts in order of arrival; `?newest=<n>`: the last ones."""
        try:
            limit = min(int(request.query_params.get("limit", 100)), _PAGE_LIMIT)
            after = int(request.query_params.get("after", 0))
            newest = request.query_params.get("newest")
            if newest is not None:
                limit = min(int(newest), _PAGE_LIMIT)
                after = self._store.count - limit
        except ValueError:
            return JSONResponse({"detail": "after, limit and newest are whole numbers"}, status_code=400)
        items = self._store.after(max(0, after), max(0, limit))
        last = items[-1].sequence if items else max(0, after)
        return JSONResponse({"items": [each.as_json() for each in items], "next": last, **self._totals()})

    async def _counts(self, request: Request) -> Response:
        return JSONResponse(self._totals())

    async def _healthy(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    def _totals(self) -> dict[str, int]:
        store = self._store
        return {"received": store.count, "unverified": store.unverified, "repeated": store.repeated}


def _decode(body: bytes) -> Any:
    """The body as JSON; as text where it is none."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", errors="replace")
