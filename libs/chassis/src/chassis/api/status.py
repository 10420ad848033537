"""``/v1/status``: how the service stands as a whole, whichever of its processes is asked."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from chassis.api.auth import READ
from chassis.api.wire import WireModel
from chassis.messaging.status import QueueStatus, Status, StatusReader
from contracts.vocabulary import Priority

PREFIX = "/v1/status"


class DatabaseStatusBody(WireModel):
    """The server that the service's database is on."""

    connections_used: int = Field(description="Of all clients, on all of the server's databases.")
    connections_max: int = Field(description="What the server allows.")
    replica_lag_seconds: float | None = Field(
        description="Age of what the read replica shows, 0 where it is current; null without one."
    )


class OutboxStatusBody(WireModel):
    """Messages waiting to be published."""

    unsent: int = Field(description="Items, counted up to 100,000.")
    oldest_age_seconds: float = Field(description="Since the oldest of them was written; 0 where none waits.")


class QueueStatusBody(WireModel):
    """One queue that the service works on. Counts are those of SQS, which are rough; null where it does not answer."""

    name: str
    priority: Priority | None = Field(description="Priority of the due events in it; null for other queues.")
    depth: int | None = Field(description="Messages waiting in the queue.")
    in_flight: int | None = Field(description="Messages received and not yet deleted.")
    dead: int | None = Field(description="Messages in its dead-letter queue.")
    oldest_age_seconds: float | None = Field(
        description="Upper bound of the age of the oldest waiting message; null if no consumer has received from the"
        " queue yet. It is up to 5 s too high while the queue is consumed, and up to 20 s more after a lull."
    )
    concurrency: int = Field(description="Maximum number of messages that the whole fleet handles concurrently.")
    warn_depth: int = Field(description="Depth that raises a warning.")
    page_depth: int = Field(description="Depth that raises a critical alert.")

    @classmethod
    def of(cls, status: QueueStatus) -> Self:
        queue = status.queue
        return cls(
            name=queue.name,
            priority=queue.priority,
            depth=status.depth,
            in_flight=status.in_flight,
            dead=status.dead,
            oldest_age_seconds=status.oldest_age_seconds,
            concurrency=queue.concurrency,
            warn_depth=queue.warn_depth,
            page_depth=queue.page_depth,
        )


class StatusBody(WireModel):
    """The fields that every service reports. At most a second old."""

    taken_at: datetime = Field(description="When the database was asked, by its own (real) clock.")
    database: DatabaseStatusBody
    outbox: OutboxStatusBody
    queues: list[QueueStatusBody] = Field(description="Those that this service works on.")
    dead_letter_messages: int = Field(description="Messages it could not parse or apply, kept to be looked at.")
    bus_error: str | None = Field(description="Why the counts of the queues are not known; null where they are.")


def common_fields(status: Status) -> dict[str, Any]:
    """The fields of :class:`StatusBody`, for a service's own body that has more."""
    return {
        "taken_at": status.taken_at,
        "database": DatabaseStatusBody.model_validate(status.database, from_attributes=True),
        "outbox": OutboxStatusBody.model_validate(status.outbox, from_attributes=True),
        "queues": [QueueStatusBody.of(each) for each in status.queues],
        "dead_letter_messages": status.dead_letter_messages,
        "bus_error": status.bus_error,
    }


async def _board(request: Request) -> StatusReader:
    board: StatusReader = request.app.state.board
    return board


CurrentBoard = Annotated[StatusReader, Depends(_board)]

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


@router.get("")
async def get_status(board: CurrentBoard) -> StatusBody:
    """Connections, unsent messages, and the queues: of the whole fleet, as database and bus tell it."""
    return StatusBody(**common_fields(await board.read()))
