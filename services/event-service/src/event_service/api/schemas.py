"""Reply models."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field

from chassis.api.wire import WireModel
from chassis.core.zones import zone
from contracts.vocabulary import EventStatus, EventType, Priority
from event_service.api.inputs import ShownLocalDateTime
from event_service.application.queries import EventView
from event_service.domain.forecast import Forecast
from event_service.domain.passages import Passages


class EventBody(WireModel):
    """One event as it stands."""

    id: UUID
    event_type: EventType
    status: EventStatus
    priority: Priority
    user_id: UUID
    external_id: str | None = Field(description="What your own system calls the user.")
    idempotency_key: str = Field(description="What receivers deduplicate by: `webhook-id`.")
    schedule_id: UUID | None
    occurrence: str
    attempt: int
    target_timestamp_utc: datetime
    target_timestamp_local: datetime
    target_timezone: str
    grace_until: datetime
    published_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    broadcast_id: UUID | None
    local_time: ShownLocalDateTime | None = Field(description="What the target was derived from; null of an instant.")
    follows_user: bool
    rescheduled: bool = Field(description="It was given another time than its schedule's rule says.")
    coalesced: int = Field(description="Occurrences of its schedule without an event of their own, which it counts.")
    original_target_timestamp_utc: datetime | None = Field(
        description="When it was to be sent before it waited for its send window; null: it does not."
    )
    ignore_send_window: bool
    reason: str | None
    payload: dict[str, object]

    @classmethod
    def of(cls, event: EventView) -> Self:
        return cls(**_event(event))


class TransitionBody(WireModel):
    """One step of an event's way: when, to which state, why."""

    at: datetime
    status: EventStatus
    cause: str
    steps: int = Field(
        default=1, description="How many steps it stands for. Of more than 50, the oldest but the first are folded."
    )


class EventDetailBody(EventBody):
    """One event with its history, oldest step first."""

    history: list[TransitionBody]

    @classmethod
    def of(cls, event: EventView) -> Self:
        return cls(**_event(event), history=[TransitionBody.model_validate(step) for step in event.history])


class EventsBody(WireModel):
    """The events of a batch, in the order in which they were asked for."""

    items: list[EventBody]


class SummaryBody(WireModel):
    """The number of recipients, of pending events (``pending``) and of events in flight (``processing``)."""

    recipients: int
    pending: int
    processing: int


class HourForecastBody(WireModel):
    """The events due from ``hour`` on until the next."""

    hour: datetime
    total: int
    counts: dict[Priority, int]
    moved_by_send_window: int = Field(description="Those of the total that wait until then for their send window.")


class ForecastBody(WireModel):
    """Pending events at ``since`` for an instant before ``until``, by hour and priority."""

    since: datetime
    until: datetime
    total: int = Field(description="Of all the hours. What is overdue is not in it.")
    overdue: dict[Priority, int] = Field(description="Due before `since` and not fired yet.")
    hours: list[HourForecastBody] = Field(description="The hours in which something is due, in their order.")

    @classmethod
    def of(cls, forecast: Forecast) -> "ForecastBody":
        hours = [
            HourForecastBody(
                hour=each.hour,
                total=sum(each.counts.values()),
                counts=_by_name(each.counts),
                moved_by_send_window=each.moved,
            )
            for each in forecast.hours
        ]
        return cls(
            since=forecast.since,
            until=forecast.until,
            total=sum(each.total for each in hours),
            overdue=_by_name(forecast.overdue),
            hours=hours,
        )


class ZoneCountBody(WireModel):
    """Events of one zone with their target at an instant; ``waiting`` are those that have not ended."""

    timezone: str
    total: int
    waiting: int


class PassageBody(WireModel):
    """An instant at which clocks somewhere show the time, and the events due there."""

    instant: datetime
    total: int
    waiting: int
    zones: list[ZoneCountBody] = Field(description="Those in which something is due, most events first.")


class PassagesBody(WireModel):
    """How a time of day passes over the world, in its order."""

    at: str
    since: datetime
    until: datetime
    passages: list[PassageBody]

    @classmethod
    def of(cls, at: str, passages: Passages) -> Self:
        return cls(
            at=at,
            since=passages.since,
            until=passages.until,
            passages=[
                PassageBody(
                    instant=each.instant,
                    total=sum(zone.total for zone in each.zones),
                    waiting=sum(zone.waiting for zone in each.zones),
                    zones=[ZoneCountBody.model_validate(zone, from_attributes=True) for zone in each.zones],
                )
                for each in passages.passages
            ],
        )


def _event(event: EventView) -> dict[str, Any]:
    return {
        "id": event.id,
        "event_type": event.event_type,
        "status": event.status,
        "priority": Priority(event.priority),
        "user_id": event.user_id,
        "external_id": event.external_id,
        "idempotency_key": event.idempotency_key,
        "schedule_id": event.schedule_id,
        "broadcast_id": event.broadcast_id,
        "occurrence": event.occurrence,
        "attempt": event.attempt,
        "target_timestamp_utc": event.target,
        "target_timestamp_local": event.target.astimezone(zone(event.timezone)),
        "target_timezone": event.timezone,
        "local_time": event.wall,
        "follows_user": event.follows_user,
        "rescheduled": event.rescheduled,
        "coalesced": event.coalesced,
        "original_target_timestamp_utc": event.planned,
        "ignore_send_window": event.ignores_window,
        "grace_until": event.grace_until,
        "expires_at": event.expires_at,
        "published_at": event.published_at,
        "finished_at": event.finished_at,
        "reason": event.reason,
        "payload": event.payload,
    }


def _by_name(counts: Mapping[int, int]) -> dict[Priority, int]:
    return {priority: counts.get(priority, 0) for priority in Priority}
