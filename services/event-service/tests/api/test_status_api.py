"""`GET /v1/status`: how event-service stands as a whole."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from event_scenario import Scenario

from chassis.service.runtime import Runtime
from event_service.adapters import figures
from event_service.main import SERVICE
from event_service.settings import Settings

_FILL = (
    "INSERT INTO events (id, target_timestamp_utc, user_id, event_type, occurrence, status, priority, timezone, tzdata,"
    " grace_until, payload, tags, contact, history, published_at, claimed_until)"
    " SELECT gen_random_uuid(), almanac_now() - make_interval(secs => n), gen_random_uuid(), 'REMINDER', 'once',"
    " :status, :priority, 'UTC', '', almanac_now() + interval '24 h', '{}', '{}', '{}', '[]',"
    " CASE WHEN CAST(:published AS boolean) THEN almanac_now() END,"
    " clock_timestamp() + make_interval(secs => CAST(:lease AS float8))"
    " FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"
)


async def _fill(
    scenario: Scenario, priority: int, first: int, last: int, status: str = "PENDING", **claim: object
) -> None:
    """One event for each number of seconds ago."""
    values = {"published": False, "lease": None, **claim}
    await scenario.execute(_FILL, priority=priority, first=first, last=last, status=status, **values)


async def _status(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/v1/status")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def _of(status: Mapping[str, Any], priority: str) -> dict[str, Any]:
    (found,) = (each for each in status["events"] if each["priority"] == priority)
    return dict(found)


@pytest.fixture
async def with_bus(connected: Runtime[Settings]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(SERVICE.app(connected))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": "Bearer reader"}
    ) as client:
        yield client


async def test_status_has_waiting_and_claimed_events_by_priority(scenario: Scenario, api: httpx.AsyncClient) -> None:
    await scenario.at("2026-11-23T12:00Z")
    await _fill(scenario, 0, 55, 64)
    await _fill(scenario, 3, -10, -1)
    await _fill(scenario, 1, 1, 2, status="PROCESSING", lease=60)
    await _fill(scenario, 1, 3, 3, status="PROCESSING", lease=-1)
    await _fill(scenario, 1, 4, 7, status="PROCESSING", lease=60, published=True)
    await _fill(scenario, 1, 8, 8, status="PROCESSING", lease=-1, published=True)
    await _fill(scenario, 1, 9, 20, status="COMPLETED")
    status = await _status(api)
    nothing = {"due": 0, "overdue": 0, "oldestDueAgeSeconds": None, "claimed": 0, "claimsExpired": 0, "published": 0,
               "unanswered": 0}  # fmt: skip
    assert [each["priority"] for each in status["events"]] == ["CRITICAL", "HIGH", "NORMAL", "LOW"]
    assert _of(status, "CRITICAL") == {
        **nothing, "priority": "CRITICAL", "due": 10, "overdue": 5, "oldestDueAgeSeconds": 64.0,
    }  # fmt: skip
    assert _of(status, "HIGH") == {
        **nothing, "priority": "HIGH", "claimed": 3, "claimsExpired": 1, "published": 5, "unanswered": 1,
    }  # fmt: skip
    assert (status["pending"], status["pendingEstimated"]) == (20, False)
    assert status["database"]["connectionsUsed"] >= 1
    assert status["busError"], "this service has no bus behind it"


async def test_status_has_queues_with_their_thresholds(with_bus: httpx.AsyncClient) -> None:
    status = await _status(with_bus)
    assert status["busError"] is None
    assert {each["name"]: each["depth"] for each in status["queues"]} == {
        "bday-user-events": 0, "bday-delivery-outcomes": 0,
    }  # fmt: skip
    assert {(each["warnDepth"], each["pageDepth"]) for each in status["queues"]} == {(5_000, 10_000)}


async def test_many_pending_events_are_estimated(
    scenario: Scenario, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "EXACTLY", 10)
    await scenario.at("2026-11-23T12:00Z")
    await _fill(scenario, 0, 1, 500)
    await scenario.execute("ANALYZE events_2026_11")
    status = await _status(api)
    assert (status["pending"], status["pendingEstimated"]) == (500, True)
