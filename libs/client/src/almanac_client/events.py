"""Events, schedules and their imports (event-service)."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from almanac_client.models import Event, ImportJob, RefusedLine, Schedule, Summary, Upcoming
from almanac_client.transport import Api, new_key

Body = Mapping[str, Any]
Kind = Literal["schedules", "events", "history"]


@dataclass(frozen=True, slots=True)
class Events:
    """Calls of event-service about events. Each raises ApiError or NotReachableError."""

    api: Api

    async def create(self, event: Body, *, key: str | None = None) -> Event:
        """Schedule one event. A repeated call with the same ``key`` schedules nothing more."""
        headers = {"Idempotency-Key": key or new_key()}
        return Event.model_validate_json(
            (await self.api.request("POST", "/v1/events", body=event, headers=headers)).content
        )

    async def get(self, event_id: UUID) -> Event:
        return await self.api.get(Event, f"/v1/events/{event_id}")

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
        query = {
            "userId": None if user_id is None else str(user_id),
            "eventType": event_type,
            "status": status,
            "from": None if start is None else start.isoformat(),
            "to": None if end is None else end.isoformat(),
        }
        return self.api.pages(Event, "/v1/events", query)

    async def cancel(self, event_id: UUID) -> Event:
        return await self._act(event_id, "cancel", None)

    async def reschedule(self, event_id: UUID, at: str, *, timezone: str | None = None) -> Event:
        """Give a waiting event another time: an instant, a local time, or ``now``."""
        body = {"at": at} if timezone is None else {"at": at, "timezone": timezone}
        return await self._act(event_id, "reschedule", body)

    async def retry(self, event_id: UUID) -> Event:
        return await self._act(event_id, "retry", None)

    async def _act(self, event_id: UUID, action: str, body: Body | None) -> Event:
        response = await self.api.request("POST", f"/v1/events/{event_id}/{action}", body=body)
        return Event.model_validate_json(response.content)

    async def summary(self) -> Summary:
        return await self.api.get(Summary, "/v1/events/summary")

    async def import_lines(self, kind: Kind, content: AsyncIterable[bytes], *, key: str) -> ImportJob:
        """Import NDJSON of ``kind``. The same content with the same ``key`` continues where an earlier call stopped."""
        path = f"/v1/imports/{kind}"
        return await self.api.upload(ImportJob, path, content, key=key, media_type="application/x-ndjson", query={})

    def import_errors(self, import_id: UUID) -> AsyncIterator[RefusedLine]:
        """The refused lines of an import, in their order."""
        return self.api.pages(RefusedLine, f"/v1/imports/{import_id}/errors")


@dataclass(frozen=True, slots=True)
class Schedules:
    """Calls of event-service about schedules. Each raises ApiError or NotReachableError."""

    api: Api

    async def create(self, schedule: Body, *, key: str | None = None) -> Schedule:
        headers = {"Idempotency-Key": key or new_key()}
        return Schedule.model_validate_json(
            (await self.api.request("POST", "/v1/schedules", body=schedule, headers=headers)).content
        )

    async def get(self, schedule_id: UUID) -> Schedule:
        return await self.api.get(Schedule, f"/v1/schedules/{schedule_id}")

    def iterate(
        self, *, user_id: UUID | None = None, event_type: str | None = None, status: str | None = None
    ) -> AsyncIterator[Schedule]:
        """All schedules that meet every filter, newest first."""
        query = {"userId": None if user_id is None else str(user_id), "eventType": event_type, "status": status}
        return self.api.pages(Schedule, "/v1/schedules", query)

    async def update(self, schedule_id: UUID, changes: Body, *, expected: int | None = None) -> Schedule:
        """Change the fields in ``changes`` (RFC 7396), where the schedule is at version ``expected`` (None: any)."""
        headers = {"If-Match": "*" if expected is None else f'"{expected}"'}
        response = await self.api.request("PATCH", f"/v1/schedules/{schedule_id}", body=changes, headers=headers)
        return Schedule.model_validate_json(response.content)

    async def pause(self, schedule_id: UUID) -> Schedule:
        return await self._act(schedule_id, "pause")

    async def resume(self, schedule_id: UUID) -> Schedule:
        return await self._act(schedule_id, "resume")

    async def _act(self, schedule_id: UUID, action: str) -> Schedule:
        response = await self.api.request("POST", f"/v1/schedules/{schedule_id}/{action}")
        return Schedule.model_validate_json(response.content)

    async def delete(self, schedule_id: UUID) -> None:
        await self.api.request("DELETE", f"/v1/schedules/{schedule_id}")

    async def upcoming(self, schedule_id: UUID, *, count: int = 10) -> list[Upcoming]:
        """The next times, at most 100."""
        response = await self.api.request("GET", f"/v1/schedules/{schedule_id}/upcoming", query={"count": count})
        return [Upcoming.model_validate(each) for each in response.json()["items"]]
