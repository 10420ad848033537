"""``/v1/status``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from chassis.api.auth import READ
from chassis.api.status import PREFIX, CurrentBoard
from chassis.core.ttl_cache import TtlCache
from contracts.http.status import (
    DeadLetterCounts,
    DeliveriesOfPriority,
    DeliveryServiceStatus,
    EndpointCounts,
    RecentAttempts,
    ServiceStatus,
)
from contracts.vocabulary import Priority
from delivery_service.domain.stats import ServiceStats

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


def _status(status: ServiceStatus, standing: ServiceStats) -> DeliveryServiceStatus:
    ceilings = {queue.priority: queue.concurrency for queue in status.queues}
    letters = standing.dead_letters
    return DeliveryServiceStatus(
        **dict(status),
        deliveries=tuple(
            DeliveriesOfPriority(
                priority=Priority(each.priority),
                waiting=each.waiting,
                due=each.due,
                in_flight=each.in_flight,
                abandoned=each.abandoned,
                oldest_due_age_seconds=each.oldest_seconds,
                concurrency=ceilings[Priority(each.priority)],
            )
            for each in standing.deliveries
        ),
        endpoints=EndpointCounts.model_validate(standing.endpoints, from_attributes=True),
        recent_attempts=RecentAttempts.model_validate(standing.recent_attempts, from_attributes=True),
        dead_letters=DeadLetterCounts(
            open=sum(letters.open.values()), open_by_reason=dict(letters.open), new_in_last_hour=letters.new
        ),
    )


async def _standing(request: Request) -> TtlCache[ServiceStats]:
    standing: TtlCache[ServiceStats] = request.app.state.standing
    return standing


@router.get("")
async def get_status(
    board: CurrentBoard, standing: Annotated[TtlCache[ServiceStats], Depends(_standing)]
) -> DeliveryServiceStatus:
    """Deliveries, circuits, dead letters, connections and queues of the whole fleet. At most a second old."""
    return _status(await board.read(), await standing.read())
