"""``/v1/status``."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from chassis.api.auth import READ
from chassis.api.status import PREFIX, CurrentBoard, StatusBody, common_fields
from chassis.api.wire import WireModel
from chassis.core.ttl_cache import TtlCache
from chassis.messaging.status import Status
from contracts.vocabulary import Priority
from event_service.application.standing import Standing

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


class EventsOfPriorityBody(WireModel):
    """Events of one priority. Each count goes up to 100,000."""

    priority: Priority
    due: int = Field(description="Their instant has come, and they are not claimed.")
    overdue: int = Field(description="Those of them that have been due for a minute or longer.")
    oldest_due_age_seconds: float | None = Field(
        description="How long the first of them has been due, on the events' clock; null where none is."
    )
    claimed: int = Field(description="Taken by a scheduler and not on the bus yet.")
    claims_expired: int = Field(description="Those of them that should have been long ago: will be claimed again.")
    published: int = Field(description="On the bus or with delivery-service, their outcome awaited.")
    unanswered: int = Field(description="Those of them whose outcome never came: will be published again.")


class EventStatusBody(StatusBody):
    """How event-service stands."""

    events: list[EventsOfPriorityBody] = Field(description="One for each priority, the most urgent first.")
    pending: int = Field(description="Events that are scheduled, due or not.")
    pending_estimated: bool = Field(description="Whether that is an estimate: from 10,000 on it is.")

    @classmethod
    def of(cls, status: Status, standing: Standing) -> Self:
        return cls(
            **common_fields(status),
            events=[
                EventsOfPriorityBody(
                    priority=Priority(waiting.priority),
                    due=waiting.due,
                    overdue=waiting.overdue,
                    oldest_due_age_seconds=waiting.oldest_seconds,
                    claimed=in_hand.claimed,
                    claims_expired=in_hand.expired,
                    published=in_hand.published,
                    unanswered=in_hand.unanswered,
                )
                for waiting, in_hand in zip(standing.waiting, standing.in_hand, strict=True)
            ],
            pending=standing.pending.count,
            pending_estimated=standing.pending.estimated,
        )


async def _standing(request: Request) -> TtlCache[Standing]:
    standing: TtlCache[Standing] = request.app.state.standing
    return standing


@router.get("")
async def get_status(
    board: CurrentBoard, standing: Annotated[TtlCache[Standing], Depends(_standing)]
) -> EventStatusBody:
    """Due, late and claimed events, connections and queues of the whole fleet. At most a second old."""
    return EventStatusBody.of(await board.read(), await standing.read())
