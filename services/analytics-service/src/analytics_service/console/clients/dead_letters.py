"""delivery-service's API: dead letters, and what a person may have done to them."""

from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from analytics_service.console.clients.endpoints import PAGE
from analytics_service.console.clients.http import Answer, Api

_PATH = "/v1/dead-letters"


class DeadLetter(Answer):
    """A dead letter."""

    id: UUID
    status: str
    reason: str
    detail: str | None
    delivery_id: UUID | None
    event_id: UUID | None
    user_id: UUID | None
    event_type: str | None
    priority: str | None
    endpoint_id: UUID | None
    attempts: int
    http_status: int | None
    trace_id: str | None
    queue: str | None
    created_at: datetime
    resolved_at: datetime | None
    note: str | None

    @property
    def is_open(self) -> bool:
        return self.status == "OPEN"


class DeadLetterDetail(DeadLetter):
    """With the message's body."""

    payload: str


class DeadLetterPage(Answer):
    """Dead letters of one page of a list, and where the next begins."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None = None


class Redrive(Answer):
    """A redrive of many, and how far it has come."""

    id: UUID
    total: int
    redriven: int
    skipped: int
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool = False

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return 1.0 if self.finished_at is not None else (self.redriven + self.skipped) / max(self.total, 1)


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant: those that meet every filter that is not None."""

    event_type: str | None = None
    event_id: UUID | None = None
    endpoint_id: UUID | None = None
    reason: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether all are meant: which no change of many accepts."""
        return all(getattr(self, field.name) is None for field in fields(self))

    def wire(self) -> dict[str, str]:
        """As the API names and writes them."""
        named = {
            "eventType": self.event_type,
            "eventId": self.event_id,
            "endpointId": self.endpoint_id,
            "reason": self.reason,
            "from": self.start,
            "to": self.end,
        }
        return {
            name: value.isoformat() if isinstance(value, datetime) else str(value)
            for name, value in named.items()
            if value is not None
        }


@dataclass(frozen=True)
class DeadLettersClient:
    """Asks delivery-service. Everything raises ServiceError."""

    api: Api

    async def search(
        self, selection: Selection, status: str | None, cursor: str | None = None, limit: int = PAGE
    ) -> DeadLetterPage:
        """Newest first; every status where none is named."""
        return await self.api.get(_PATH, DeadLetterPage, **selection.wire(), status=status, cursor=cursor, limit=limit)

    async def get(self, letter_id: UUID) -> DeadLetterDetail:
        return await self.api.get(f"{_PATH}/{letter_id}", DeadLetterDetail)

    async def redrive(self, letter_id: UUID) -> DeadLetter:
        """Send it again."""
        return DeadLetter.model_validate(await self.api.send("POST", f"{_PATH}/{letter_id}/redrive"))

    async def discard(self, letter_id: UUID, note: str) -> DeadLetter:
        """Let it go; ``note`` says why."""
        return DeadLetter.model_validate(await self.api.send("POST", f"{_PATH}/{letter_id}/discard", {"note": note}))

    async def redrive_many(self, selection: Selection) -> Redrive:
        """Begin to send all again that are open now and meet the selection, which must not be empty."""
        return Redrive.model_validate(await self.api.send("POST", f"{_PATH}/redrive", selection.wire()))

    async def progress(self, redrive_id: UUID) -> Redrive:
        return await self.api.get(f"{_PATH}/redrives/{redrive_id}", Redrive)

    async def cancel(self, redrive_id: UUID) -> Redrive:
        """Stop a redrive of many; what it has not come to stays open."""
        return Redrive.model_validate(await self.api.send("POST", f"{_PATH}/redrives/{redrive_id}/cancel"))

    async def discard_many(self, selection: Selection, note: str) -> int:
        """Let all go that are open and meet the selection, which must not be empty; how many were."""
        answer = await self.api.send("POST", f"{_PATH}/discard", {**selection.wire(), "note": note})
        return int(answer["discarded"])
