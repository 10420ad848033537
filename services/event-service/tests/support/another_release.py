"""event-service as a process that has another release of the tzdata package: `PYTHONPATH=… python another_release.py`.

Reads one JSON object: `users` (zone, born, time) get their schedules, `alone` (zone, wall) events that no schedule
names, and then the watch for changed zones takes one step. Answers with the release and the ids. DATABASE_URL says
where.
"""

import asyncio
import json
import sys
from datetime import date, datetime, time, timedelta
from uuid import UUID

from event_scenario import Scenario, open_without_bus
from uuid_utils.compat import uuid7

from chassis.core.zones import TZDATA_VERSION, zone
from contracts.vocabulary import EventType, Priority
from event_service.adapters import events
from event_service.application.zone_changes import ZoneWatch
from event_service.domain.events import Event
from event_service.domain.local_time import resolve
from event_service.settings import Settings


async def main() -> None:
    asked = json.loads(sys.stdin.read())
    async with open_without_bus(Settings()) as runtime:
        scenario = Scenario(runtime)
        users = [
            scenario.user(
                timezone=each["zone"],
                date_of_birth=date.fromisoformat(each["born"]),
                delivery_time=time.fromisoformat(each["time"]),
            )
            for each in asked["users"]
        ]
        await scenario.receive(*users)
        alone = [
            _event(users[0].user_id, each["zone"], datetime.fromisoformat(each["wall"])) for each in asked["alone"]
        ]
        async with runtime.database.transaction() as tx:
            await events.insert(tx, alone)
        await ZoneWatch(runtime.database, runtime.outbox, scenario.rules).step()
    answer = {
        "tzdata": TZDATA_VERSION,
        "users": [str(user.user_id) for user in users],
        "alone": [str(event.id) for event in alone],
    }
    print(json.dumps(answer))


def _event(user_id: UUID, timezone: str, wall: datetime) -> Event:
    resolved = resolve(wall, zone(timezone))
    assert resolved is not None
    return Event(
        id=uuid7(),
        target=resolved.instant,
        schedule_id=None,
        user_id=user_id,
        event_type=EventType.NOTIFICATION,
        occurrence=wall.isoformat(),
        priority=Priority.LOW,
        timezone=timezone,
        grace_until=resolved.instant + timedelta(hours=24),
        expires_at=resolved.instant + timedelta(hours=24),
        payload={"message": "News"},
        tags=(),
        email=None,
        phone=None,
        traceparent=None,
        wall=wall,
    )


if __name__ == "__main__":
    asyncio.run(main())
