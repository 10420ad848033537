"""Events, schedules, broadcasts and their imports (event-service)."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from almanac_client.reports import Reports
from almanac_client.transport import Api
from contracts.http.events import (
    Broadcast,
    Event,
    EventDetail,
    Forecast,
    Passages,
    Schedule,
    Summary,
    Upcoming,
)
from contracts.http.model import HttpModel, ListPage
from contracts.http.status import EventServiceStatus
from contracts.http.users import ImportJob, RefusedLine

Body = Mapping[str, Any]
Kind = Literal["schedules", "events", "history"]


class _UpcomingTimes(HttpModel):
    items: list[Upcoming]


@dataclass(frozen=True, slots=True)
class Events(Reports):
    """Calls of event-service about events. Each raises AlmanacError."""

    async def create(self, event: Body, *, key: str | None = None) -> Event:
        """Schedule one event. A repeated call with the same ``key`` schedules nothing more."""
        return await self.api.create(Event, "/v1/events", event, key)

    async def get(self, event_id: UUID) -> EventDetail:
        return await self.api.get(EventDetail, f"/v1/events/{event_id}")

    async def page(
        self,
        *,
        user_id: UUID | str | None = None,
        event_type: str | None = None,
        status: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ListPage[Event]:
        """One page of :meth:`iterate`."""
        query = _filters(user_id, event_type, status, start, end)
        return await self.api.page(Event, "/v1/events", {**query, "limit": limit, "cursor": cursor})

    def iterate(
        self,
        *,
        user_id: UUID | None = None,
        event_type: str | None = None,
        status: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> AsyncIterator[Event]:
        """All events that meet every filter, latest target first; targets are in [start, end)."""
        return self.api.pages(Event, "/v1/events", _filters(user_id, event_type, status, start, end))

    async def cancel(self, event_id: UUID) -> EventDetail:
        return await self._act(event_id, "cancel", None)

    async def reschedule(self, event_id: UUID, at: str, *, timezone: str | None = None) -> EventDetail:
        """Give a waiting event another time: an instant, a local time, or ``now``."""
        body = {"at": at} if timezone is None else {"at": at, "timezone": timezone}
        return await self._act(event_id, "reschedule", body)

    async def retry(self, event_id: UUID) -> EventDetail:
        return await self._act(event_id, "retry", None)

    async def _act(self, event_id: UUID, action: str, body: Body | None) -> EventDetail:
        return await self.api.send(EventDetail, "POST", f"/v1/events/{event_id}/{action}", body)

    async def summary(self) -> Summary:
        return await self.api.get(Summary, "/v1/events/summary")

    async def forecast(self, *, hours: int = 24) -> Forecast:
        """The number of due events by hour and priority, for at most 744 hours."""
        return await self.api.get(Forecast, "/v1/forecast", {"hours": hours})

    async def passages(self, *, at: str = "09:00") -> Passages:
        """When it is ``at`` in which zones, from an hour ago until a day ahead, and the events due there."""
        return await self.api.get(Passages, "/v1/forecast/passages", {"at": at})

    async def status(self) -> EventServiceStatus:
        """What every service reports, and the events in flight by priority."""
        return await self.api.get(EventServiceStatus, "/v1/status")

    async def import_lines(self, kind: Kind, content: AsyncIterable[bytes], *, key: str) -> ImportJob:
        """Import NDJSON of ``kind``. The same content with the same ``key`` continues where an earlier call stopped."""
        path = f"/v1/imports/{kind}"
        return await self.api.upload(ImportJob, path, content, key=key, media_type="application/x-ndjson", query={})

    def import_errors(self, import_id: UUID) -> AsyncIterator[RefusedLine]:
        """The refused lines of an import, in their order."""
        return self.api.pages(RefusedLine, f"/v1/imports/{import_id}/errors")


@dataclass(frozen=True, slots=True)
class Schedules:
    """Calls of event-service about schedules. Each raises AlmanacError."""

    api: Api

    async def create(self, schedule: Body, *, key: str | None = None) -> Schedule:
        """Create a schedule. A repeated call with the same ``key`` creates nothing more."""
        return await self.api.create(Schedule, "/v1/schedules", schedule, key)

    async def get(self, schedule_id: UUID) -> Schedule:
        return await self.api.get(Schedule, f"/v1/schedules/{schedule_id}")

    def iterate(
        self, *, user_id: UUID | None = None, event_type: str | None = None, status: str | None = None
    ) -> AsyncIterator[Schedule]:
        """All schedules that meet every filter, newest first."""
        query = {"userId": user_id, "eventType": event_type, "status": status}
        return self.api.pages(Schedule, "/v1/schedules", query)

    async def update(self, schedule_id: UUID, changes: Body, *, expected: int | None = None) -> Schedule:
        """Change the fields in ``changes`` (RFC 7396), where the schedule is at version ``expected`` (None: any)."""
        headers = {"If-Match": "*" if expected is None else f'"{expected}"'}
        return await self.api.send(Schedule, "PATCH", f"/v1/schedules/{schedule_id}", changes, headers=headers)

    async def pause(self, schedule_id: UUID) -> Schedule:
        return await self.api.send(Schedule, "POST", f"/v1/schedules/{schedule_id}/pause")

    async def resume(self, schedule_id: UUID) -> Schedule:
        return await self.api.send(Schedule, "POST", f"/v1/schedules/{schedule_id}/resume")

    async def delete(self, schedule_id: UUID) -> None:
        await self.api.request("DELETE", f"/v1/schedules/{schedule_id}")

    async def upcoming(self, schedule_id: UUID, *, count: int = 10) -> list[Upcoming]:
        """The next times, at most 100."""
        path = f"/v1/schedules/{schedule_id}/upcoming"
        response = await self.api.request("GET", path, query={"count": count})
        return self.api.read(_UpcomingTimes, response).items


@dataclass(frozen=True, slots=True)
class Broadcasts:
    """Calls of event-service about broadcasts. Each raises AlmanacError."""

    api: Api

    async def create(self, broadcast: Body, *, key: str | None = None) -> Broadcast:
        """Notify all users of an audience. A repeated call with the same ``key`` sends nothing more."""
        return await self.api.create(Broadcast, "/v1/broadcasts", broadcast, key)

    async def get(self, broadcast_id: UUID) -> Broadcast:
        return await self.api.get(Broadcast, f"/v1/broadcasts/{broadcast_id}")


def _filters(
    user_id: UUID | str | None,
    event_type: str | None,
    status: str | None,
    start: datetime | str | None,
    end: datetime | str | None,
) -> Body:
    return {"userId": user_id, "eventType": event_type, "status": status, "from": start, "to": end}
