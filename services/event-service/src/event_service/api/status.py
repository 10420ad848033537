"""``/v1/status``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chassis.api.auth import READ
from chassis.api.status import PREFIX, CurrentBoard
from chassis.core.ttl_cache import TtlCache
from contracts.http.status import EventServiceStatus, EventsOfPriority, ServiceStatus
from contracts.vocabulary import Priority
from event_service.application.standing import Standing

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


def _status(status: ServiceStatus, standing: Standing) -> EventServiceStatus:
    return EventServiceStatus(
        **dict(status),
        events=tuple(
            EventsOfPriority(
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
        ),
        pending=standing.pending.count,
        pending_estimated=standing.pending.estimated,
    )


async def _standing(request: Request) -> TtlCache[Standing]:
    standing: TtlCache[Standing] = request.app.state.standing
    return standing


@router.get("")
async def get_status(
    board: CurrentBoard, standing: Annotated[TtlCache[Standing], Depends(_standing)]
) -> EventServiceStatus:
    """Due, late and claimed events, connections and queues of the whole fleet. At most a second old."""
    return _status(await board.read(), await standing.read())
