"""How many processes there are, from what they have recorded and what `/v1/usage`, the same in every service,
returns."""

import time

import httpx
import pytest

from almanac_client import Almanac, Services
from analytics_service.console.processes import Processes, processes_of
from analytics_service.main import SERVICE
from analytics_service.settings import Settings
from chassis.core.usage import Usage
from chassis.service.runtime import Runtime
from chassis.service.usage import UsageRecorder

MINUTE = 60.0


async def test_processes_that_have_recorded_their_time_are_counted_by_their_roles(
    runtime: Runtime[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic() - MINUTE
    with monkeypatch.context() as patch:
        patch.setattr("chassis.service.usage.time.monotonic", lambda: began)
        recorders = [
            UsageRecorder(runtime.database, Usage(), process=roles)
            for roles in ("relay scheduler", "relay scheduler", "consumer")
        ]
    for each in recorders:
        await each.record()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=SERVICE.app(runtime))) as http:
        almanac = Almanac(Services(None, "http://test", None, None), "reader", http=http)
        found = processes_of("event-service", await almanac.events.usage())
    assert [Processes(each.service, each.role, round(each.number)) for each in found] == [
        Processes("event-service", "scheduler", 2),
        Processes("event-service", "consumer", 1),
        Processes("event-service", "relay", 2),
    ]
