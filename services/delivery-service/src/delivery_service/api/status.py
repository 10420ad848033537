"""``/v1/status``."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from chassis.api.auth import READ
from chassis.api.status import PREFIX, CurrentBoard, StatusBody, common_fields
from chassis.api.wire import WireModel
from chassis.core.ttl_cache import TtlCache
from chassis.messaging.status import Status
from contracts.vocabulary import Priority
from delivery_service.domain.circuits import CircuitState
from delivery_service.domain.stats import ServiceStats

router = APIRouter(prefix=PREFIX, tags=["status"], dependencies=[READ])


class DeliveriesOfPriorityBody(WireModel):
    """Pending deliveries of one priority. Each count goes up to 100,000."""

    priority: Priority
    waiting: int = Field(description="For the time of their retry.")
    due: int = Field(description="To be sent and not claimed: no slot is free, or the endpoint cannot accept them.")
    in_flight: int = Field(description="At a worker: being sent, or waiting for a slot there.")
    abandoned: int = Field(description="Their worker has died; the next claim takes them.")
    oldest_due_age_seconds: float | None = Field(
        description="How long the first of those due has been, in real time; null where none is."
    )
    concurrency: int = Field(description="Maximum number of concurrent deliveries of the whole fleet.")


class OpenCircuitBody(WireModel):
    """An endpoint that failed so often that it gets no requests until a probe succeeds."""

    endpoint_id: UUID
    description: str | None
    state: CircuitState
    failing_since: datetime | None = Field(description="Since when each attempt has failed, in real time.")
    failures_in_row: int


class EndpointHealthBody(WireModel):
    """How many endpoints stand how."""

    enabled: int
    disabled: int
    open: int = Field(description="Those of the enabled whose circuit is open.")
    half_open: int = Field(description="Those of the enabled that are being probed.")
    circuits: list[OpenCircuitBody] = Field(description="The first 100 of those two, the longest failing first.")


class RecentAttemptsBody(WireModel):
    """How attempts at endpoints went lately, retries among them."""

    window_seconds: float = Field(description="How far back it goes: this, or the newest 10,000.")
    made: int
    succeeded: int
    timed_out: int = Field(description="While connecting, or waiting for the answer.")


class DeadLettersBody(WireModel):
    """Deliveries that were given up."""

    open: int = Field(description="Dead letters neither redriven nor discarded.")
    open_by_reason: dict[str, int]
    new_in_last_hour: int = Field(description="All that came, open or not, in an hour of Almanac's clock.")


class DeliveryStatusBody(StatusBody):
    """How delivery-service stands."""

    deliveries: list[DeliveriesOfPriorityBody] = Field(description="One for each priority, the most urgent first.")
    endpoints: EndpointHealthBody
    recent_attempts: RecentAttemptsBody
    dead_letters: DeadLettersBody

    @classmethod
    def of(cls, status: Status, standing: ServiceStats) -> Self:
        ceilings = {queue.queue.priority: queue.queue.concurrency for queue in status.queues}
        letters = standing.dead_letters
        return cls(
            **common_fields(status),
            deliveries=[
                DeliveriesOfPriorityBody(
                    priority=Priority(each.priority),
                    waiting=each.waiting,
                    due=each.due,
                    in_flight=each.in_flight,
                    abandoned=each.abandoned,
                    oldest_due_age_seconds=each.oldest_seconds,
                    concurrency=ceilings[Priority(each.priority)],
                )
                for each in standing.deliveries
            ],
            endpoints=EndpointHealthBody.model_validate(standing.endpoints, from_attributes=True),
            recent_attempts=RecentAttemptsBody.model_validate(standing.recent_attempts, from_attributes=True),
            dead_letters=DeadLettersBody(
                open=sum(letters.open.values()), open_by_reason=dict(letters.open), new_in_last_hour=letters.new
            ),
        )


async def _standing(request: Request) -> TtlCache[ServiceStats]:
    standing: TtlCache[ServiceStats] = request.app.state.standing
    return standing


@router.get("")
async def get_status(
    board: CurrentBoard, standing: Annotated[TtlCache[ServiceStats], Depends(_standing)]
) -> DeliveryStatusBody:
    """Deliveries, circuits, dead letters, connections and queues of the whole fleet. At most a second old."""
    return DeliveryStatusBody.of(await board.read(), await standing.read())
