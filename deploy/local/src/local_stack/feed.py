"""Receipts as they land in the inbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Receipt:
    """One webhook in the words of a table's row."""

    received_at: datetime
    verified: bool
    kind: str
    message: str
    timezone: str
    target_local: str
    late_seconds: float | None

    @classmethod
    def of(cls, item: dict[str, Any]) -> "Receipt":
        """Read an item of the inbox's `/received`. A body of any other form has no lateness."""
        received_at = datetime.fromisoformat(item["receivedAt"]).astimezone(UTC)
        body = _object(item["body"])
        data = _object(body.get("data"))
        target = data.get("targetTimestampUTC")
        return cls(
            received_at=received_at,
            verified=item["verified"],
            kind=str(body.get("type", "?")).removeprefix("event."),
            message=str(data.get("message", "")),
            timezone=str(data.get("targetTimezone", "")),
            target_local=str(data.get("targetTimestampLocal", ""))[:19].replace("T", " "),
            late_seconds=(received_at - datetime.fromisoformat(target)).total_seconds() if target else None,
        )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


async def receipts(client: httpx.AsyncClient, inbox_url: str) -> AsyncIterator[list[Receipt]]:
    """Batches of what has landed since this was called, about twice a second; empty ones too, for redrawing."""
    after: int | None = None
    while True:
        try:
            query = {"newest": 0} if after is None else {"after": after, "limit": 1000}
            answer = (await client.get(f"{inbox_url}/received", params=query)).json()
            after = answer["next"]
            yield [Receipt.of(item) for item in answer["items"]]
        except httpx.TransportError:
            yield []  # the inbox is being restarted, which the supervisor says
        await asyncio.sleep(_POLL_SECONDS)
