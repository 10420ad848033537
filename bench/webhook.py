"""The webhook that every benchmark sends, signed by Standard Webhooks (docs/architecture.md#contracts)."""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import httpx
from httpx_aiohttp import HttpxAiohttpClient
from standardwebhooks import Webhook

SIGNER = Webhook(b64encode(b"a secret of thirty-two bytes, ok").decode())
TIMEOUT = httpx.Timeout(30, connect=5)


def body(index: int) -> dict[str, Any]:
    """The JSON body of webhook number `index` (about 400 bytes)."""
    return {
        "type": "event.birthday",
        "timestamp": "2027-02-28T14:00:00Z",
        "data": {
            "eventId": str(uuid.uuid5(uuid.NAMESPACE_OID, str(index))),
            "eventType": "BIRTHDAY",
            "userId": str(uuid.uuid5(uuid.NAMESPACE_DNS, str(index))),
            "occurrence": "2027",
            "priority": "CRITICAL",
            "targetTimestampUTC": "2027-02-28T14:00:00Z",
            "targetTimestampLocal": "2027-02-28T09:00:00-05:00",
            "targetTimezone": "America/New_York",
            "late": False,
            "message": "Hey, Ada Lovelace it's your birthday",
        },
    }


def id_of(content: dict[str, Any]) -> str:
    """The webhook id of a body: its event's id."""
    return str(content["data"]["eventId"])


def encode(content: dict[str, Any]) -> bytes:
    """A body as it goes over the wire."""
    return json.dumps(content, separators=(",", ":")).encode()


def client(connections: int) -> httpx.AsyncClient:
    """An httpx client over aiohttp's transport, at most `connections` at once, all kept alive."""
    return HttpxAiohttpClient(
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections), timeout=TIMEOUT
    )


async def post(http: httpx.AsyncClient, url: str, webhook_id: str, content: bytes) -> None:
    """Sign and POST one webhook; httpx.HTTPStatusError unless it was accepted."""
    now = datetime.now(UTC)
    response = await http.post(
        url,
        content=content,
        headers={
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": SIGNER.sign(webhook_id, now, content.decode()),
            "idempotency-key": webhook_id,
            "traceparent": f"00-{uuid.uuid4().hex}-{webhook_id.replace('-', '')[:16]}-01",
        },
    )
    response.raise_for_status()
