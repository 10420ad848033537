"""Schedules of one user over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from event_scenario import Scenario
from sqlalchemy import Row


@dataclass
class Reminders:
    """Reminders of the user ``user_id``."""

    scenario: Scenario
    client: httpx.AsyncClient
    user_id: UUID

    async def post(self, *, start: str = "2026-10-05T09:00", rrule: str | None = None, **fields: Any) -> httpx.Response:
        """Once, or by ``rrule``; 5 October 2026 is a Monday."""
        rule: dict[str, Any] = {"kind": "RRULE" if rrule else "ONCE", "startLocal": start}
        if rrule:
            rule["rrule"] = rrule
        body = {"userId": str(self.user_id), "label": "Pills", "rule": rule} | fields
        return await self.client.post("/v1/schedules", json=body)

    async def create(self, **fields: Any) -> dict[str, Any]:
        answer = await self.post(**fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def patch(self, schedule: dict[str, Any], **changes: Any) -> httpx.Response:
        return await self.client.patch(f"/v1/schedules/{schedule['id']}", json=changes, headers={"If-Match": "*"})

    async def change(self, schedule: dict[str, Any], **changes: Any) -> dict[str, Any]:
        answer = await self.patch(schedule, **changes)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, schedule: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.get(f"/v1/schedules/{schedule['id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def do(self, action: str, schedule: dict[str, Any]) -> dict[str, Any]:
        """``pause`` or ``resume``."""
        answer = await self.client.post(f"/v1/schedules/{schedule['id']}/{action}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def upcoming(self, schedule: dict[str, Any], count: int = 10) -> list[dict[str, Any]]:
        answer = await self.client.get(f"/v1/schedules/{schedule['id']}/upcoming", params={"count": count})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def events(self, schedule: dict[str, Any]) -> list[Row[Any]]:
        """The schedule's events, the earliest first."""
        return await self.scenario.rows(
            "SELECT * FROM events WHERE schedule_id = :id ORDER BY target_timestamp_utc", id=UUID(schedule["id"])
        )

    async def statuses(self, schedule: dict[str, Any]) -> list[str]:
        return [row.status for row in await self.events(schedule)]
