"""A series continues while deliveries of its earlier occurrences have not ended: row by row in simulated hours."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from chassis.database.clock import ClockMap
from local_stack import ports
from local_stack.api import Almanac
from local_stack.settings import StackSettings
from local_stack.stack import Stack
from testkit import Receiver, eventually

pytestmark = pytest.mark.timeout(300)

START = datetime(2027, 3, 1, 6, 30, tzinfo=UTC)
HOURS = 8
SPEED = 2400.0
"""An hour in a second and a half."""


def _settings() -> StackSettings:
    """A stack with ports of its own."""
    names = [name for name in StackSettings.model_fields if name.endswith("_port")]
    return StackSettings.model_validate({name: ports.free_port() for name in names})


def _received_hours(receiver: Receiver, schedule: str) -> list[str]:
    """The occurrences of the schedule that the receiver got, in order of arrival, each once."""
    data = [json.loads(request.body)["data"] for request in receiver.requests]
    return list(dict.fromkeys(each["occurrence"] for each in data if each.get("series") == schedule))


async def test_an_hourly_reminder_reaches_the_healthy_endpoint_while_another_refuses_connections(
    tmp_path: Path, receiver: Receiver
) -> None:
    stack = Stack(_settings(), tmp_path / "stack", lambda line: None)

    async def freeze(stack: Stack) -> None:
        await stack.set_clocks(ClockMap(datetime.now(UTC), START, speed=0))

    async def work(stack: Stack, almanac: Almanac) -> None:
        refusing = f"http://{ports.LOOPBACK}:{ports.free_port()}/"
        await almanac.send_all_to(receiver.url, refusing)
        user = await almanac.create_user(
            {"firstName": "Ada", "lastName": "Lovelace", "dateOfBirth": "1990-09-01", "timezone": "UTC"}, "ada"
        )
        event = next(service.url for service in stack.services if service.name == "event-service")
        headers = {"Authorization": f"Bearer {stack.settings.api_key}"}
        async with httpx.AsyncClient(base_url=event, headers=headers, trust_env=False) as http:
            rule = {"kind": "RRULE", "startLocal": "2027-03-01T07:00", "rrule": "FREQ=HOURLY"}
            body = {"userId": user, "label": "Water", "rule": rule, "payload": {"series": "water"}, "catchUp": "all"}

            async def made() -> bool:
                return (await http.post("/v1/schedules", json=body)).status_code == 201

            await eventually(made, timeout=60, interval=0.2)
            end = START + timedelta(hours=HOURS)
            await stack.set_clocks(ClockMap(datetime.now(UTC), START, SPEED, stops_at=end))
            wanted = [f"2027-03-01T{hour:02}:00:00" for hour in range(7, 7 + HOURS)]
            await eventually(lambda: _received_hours(receiver, "water") == wanted, timeout=120, interval=0.2)
            answer = await http.get("/v1/events", params={"userId": user, "eventType": "REMINDER"})
            statuses: list[str] = [item["status"] for item in answer.json()["items"]]
            # Newest first: the next one waits. The refusing endpoint has not cost any of the others its time.
            assert statuses[0] == "PENDING"
            assert statuses.count("PENDING") == 1
            assert len(statuses) == HOURS + 1
            assert "COMPLETED" not in statuses, "one of two endpoints refuses connections"

    async with asyncio.timeout(280):
        await stack.run(work, before_services=freeze, fresh=True)
