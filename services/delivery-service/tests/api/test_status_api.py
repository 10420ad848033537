"""`GET /v1/status`: how delivery-service stands as a whole."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from delivery_scene import Scene

from chassis.messaging import provisioning
from chassis.service.runtime import Runtime
from delivery_service.settings import Settings

DELIVERIES = """
INSERT INTO deliveries (id, event_id, endpoint_id, priority, status, due_at, lease)
SELECT new_id(), gen_random_uuid(), :endpoint_id, :priority, 'PENDING',
       clock_timestamp() + make_interval(secs => CAST(:due_in AS float8)),
       CASE WHEN CAST(:leased AS boolean) THEN gen_random_uuid() END
FROM generate_series(1, CAST(:count AS integer))
"""
LETTERS = """
INSERT INTO delivery_dead_letters (id, status, reason, payload, attempts, created_at, resolved_at)
SELECT new_id(), :status, :reason, '{}', 1, almanac_now() - make_interval(mins => :minutes),
       CASE WHEN :status <> 'OPEN' THEN almanac_now() END
FROM generate_series(1, CAST(:count AS integer))
"""
ATTEMPTS = """
INSERT INTO attempts (delivery_id, number, verdict, error, started_at, duration_seconds)
SELECT new_id(), 1, :verdict, :error, clock_timestamp() - make_interval(mins => :minutes), 0.1
FROM generate_series(1, CAST(:count AS integer))
"""
CIRCUIT = """
INSERT INTO circuits (endpoint_id, state, attempts, failures, counted_at, in_row, failing_since, trips, probe_at)
VALUES (:id, :state, 10, 10, now(), 12, now() - interval '3 minutes', 1,
        CASE WHEN :state <> 'CLOSED' THEN now() END)
"""


@pytest.fixture
def read(api: httpx.AsyncClient) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def status() -> dict[str, Any]:
        answer = await api.get("/v1/status")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    return status


async def test_status_has_deliveries_endpoints_and_dead_letters(
    api_scene: Scene,
    runtime: Runtime[Settings],
    read: Callable[[], Awaitable[dict[str, Any]]],
) -> None:
    await provisioning.apply(runtime.bus)
    well, _ = await api_scene.endpoint()
    sick, _ = await api_scene.endpoint(description="the broken one")
    probed, _ = await api_scene.endpoint()
    off, _ = await api_scene.endpoint(enabled=False)
    for endpoint, state in ((well, "CLOSED"), (sick, "OPEN"), (probed, "HALF_OPEN"), (off, "OPEN")):
        await api_scene.rows(CIRCUIT, id=endpoint, state=state)
    for count, due_in, leased in ((1, 60, False), (2, -30, False), (3, 60, True), (4, -5, True)):
        await api_scene.rows(DELIVERIES, endpoint_id=well, priority=1, count=count, due_in=float(due_in), leased=leased)
    for reason, status, minutes, count in (
        ("exhausted", "OPEN", 1, 3), ("exhausted", "REDRIVEN", 2, 1), ("expired", "OPEN", 90, 2),
    ):  # fmt: skip
        await api_scene.rows(LETTERS, reason=reason, status=status, minutes=minutes, count=count)
    for verdict, error, minutes, count in (
        ("succeeded", None, 1, 5), ("retry", "timeout", 2, 2), ("retry", None, 3, 1), ("retry", "timeout", 9, 4),
    ):  # fmt: skip
        await api_scene.rows(ATTEMPTS, verdict=verdict, error=error, minutes=minutes, count=count)

    told = await read()
    assert told["busError"] is None
    assert {each["name"]: each["priority"] for each in told["queues"]} == {
        **{f"bday-events-{priority.lower()}": priority for priority in ("CRITICAL", "HIGH", "NORMAL", "LOW")},
        "bday-user-deletions": None,
    }
    critical, high, *_ = told["deliveries"]
    assert critical == {
        "priority": "CRITICAL", "waiting": 0, "due": 0, "inFlight": 0, "abandoned": 0, "oldestDueAgeSeconds": None,
        "concurrency": 100,
    }  # fmt: skip
    assert 30 <= high.pop("oldestDueAgeSeconds") < 90
    assert high == {
        "priority": "HIGH", "waiting": 1, "due": 2, "inFlight": 3, "abandoned": 4, "concurrency": 50,
    }  # fmt: skip
    endpoints = told["endpoints"]
    assert {name: endpoints[name] for name in ("enabled", "disabled", "open", "halfOpen")} == {
        "enabled": 3, "disabled": 1, "open": 1, "halfOpen": 1,
    }  # fmt: skip
    circuits = {each["endpointId"]: each for each in endpoints["circuits"]}
    assert circuits.keys() == {str(sick), str(probed)}
    assert circuits[str(sick)]["description"] == "the broken one"
    assert (circuits[str(sick)]["state"], circuits[str(sick)]["failuresInRow"]) == ("OPEN", 12)
    assert told["deadLetters"] == {"open": 5, "openByReason": {"exhausted": 3, "expired": 2}, "newInLastHour": 4}
    assert told["recentAttempts"] == {"windowSeconds": 300.0, "made": 8, "succeeded": 5, "timedOut": 2}
