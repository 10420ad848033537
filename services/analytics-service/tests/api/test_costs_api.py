"""What a day would have cost, over HTTP."""

import csv
import io
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from analytics_service.application.facts import record
from analytics_service.domain.facts import Fact, Kind
from analytics_service.settings import Settings
from chassis.core.usage import Meter, Usage
from chassis.service.runtime import Runtime
from chassis.service.usage import UsageRecorder

Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _usage(**amounts: float) -> dict[str, Any]:
    now = datetime.now(UTC)
    items = [
        {
            "meter": meter, "operation": "PublishBatch" if meter.startswith("aws") else "",
            "resource": "bday-domain-events" if meter.startswith("aws") else "relay", "amount": amount,
            "firstAt": (now - timedelta(hours=2)).isoformat(), "lastAt": now.isoformat(),
        }
        for meter, amount in amounts.items()
    ]  # fmt: skip
    return {"/v1/usage": {"since": now.isoformat(), "until": now.isoformat(), "items": items}}


async def _fire(runtime: Runtime[Settings], count: int) -> None:
    await record(
        runtime.database,
        [
            Fact(uuid7(), Kind.PUBLISHED, datetime.now(UTC), "event-service", event_type="BIRTHDAY", priority=0)
            for _ in range(count)
        ],
    )


async def test_costs_are_of_all_services_by_line_and_by_event(open_beside: Open, runtime: Runtime[Settings]) -> None:
    counted = Usage()
    counted.add(Meter.AWS_UNITS, "ReceiveMessage", "bday-analytics", 500_000)
    await UsageRecorder(runtime.database, counted, process="consumer").record()
    await _fire(runtime, 4)
    told = _usage(aws_units=1_000_000, aws_calls=8, cpu_seconds=3600)
    async with open_beside(users=_usage(), events=told, deliveries={"/v1/usage": 503}) as client:
        body = (await client.get("/v1/costs")).json()
        answer = await client.get("/v1/costs", params={"format": "csv"})
    lines = {(line["category"], line["name"], line["unit"]): line for line in body["lines"]}
    assert lines["sns", "bday-domain-events", "publishes"]["amount"] == pytest.approx(0.5)
    assert lines["sqs", "bday-analytics", "requests"]["amount"] == pytest.approx(0.2)
    assert lines["compute", "event-service (relay)", "vCPU-hours"]["quantity"] == pytest.approx(1.0)
    assert ("compute", "analytics-service (consumer)", "vCPU-hours") in lines
    assert lines["database", "primary", "instance"]["monthly"] == 700
    assert body["missing"] == [
        {"service": "delivery-service", "reason": "delivery-service answers that it is not available"}
    ]
    assert body["observedSeconds"] == pytest.approx(7200, abs=60)
    assert (body["events"], body["callsPerEvent"]) == (4, 2.0)
    assert body["busPerEvent"] == pytest.approx(0.7 / 4)
    assert body["amount"] == pytest.approx(sum(line["amount"] for line in body["lines"]))
    assert (body["source"]["monthly"], body["source"]["monthlyAfterSavings"]) == (1414, 974)
    assert [each["sourceMonthly"] for each in body["categories"]] == [1195, 133, 4, 0, 0, 82]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["category"], row["name"], row["unit"]) for row in rows] == list(lines)


async def test_a_range_of_another_time_has_nothing_but_what_stands(open_beside: Open) -> None:
    async with open_beside(users=_usage(), events=_usage(), deliveries=_usage()) as client:
        ask = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-02T00:00:00Z"}
        body = (await client.get("/v1/costs", params=ask)).json()
        too_long = await client.get("/v1/costs", params={**ask, "from": "2024-01-01T00:00:00Z"})
        empty = await client.get("/v1/costs", params={"from": ask["to"], "to": ask["from"]})
    assert (body["since"], body["observedSeconds"], body["amount"], body["perEvent"]) == (
        "2026-01-01T00:00:00Z", 0, 0, None,
    )  # fmt: skip
    assert (body["projected"], body["monthly"], body["daily"]) == (False, None, None)
    for answer in (too_long, empty):
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "from")


@pytest.mark.parametrize("to", [timedelta(hours=2), timedelta(hours=1, minutes=20), timedelta(hours=1, seconds=1_050)])
async def test_an_hour_costs_the_same_whenever_in_it_the_range_ends(
    open_beside: Open, runtime: Runtime[Settings], to: timedelta
) -> None:
    # Two whole hours, a day ago: $0.40 in each.
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=1)
    async with runtime.database.transaction() as tx:
        for hour in (start, start + timedelta(hours=1)):
            await tx.execute(_HOUR_OF_REQUESTS, {"hour": hour, "last": hour + timedelta(minutes=59, seconds=40)})
    async with open_beside(users=_nothing(), events=_nothing(), deliveries=_nothing()) as client:
        ask = {"from": start.isoformat(), "to": (start + to).isoformat()}
        body = (await client.get("/v1/costs", params=ask)).json()
    [requests] = [line for line in body["lines"] if line["category"] == "sqs"]
    assert requests["amount"] == pytest.approx(0.8)
    assert requests["monthly"] == pytest.approx(0.4 * 730, rel=0.005)
    assert body["monthly"] == pytest.approx(0.4 * 730 + 1_195 + 81, rel=0.005)


_HOUR_OF_REQUESTS = text(
    "INSERT INTO usage (hour, meter, operation, resource, amount, first_at, last_at)"
    " VALUES (:hour, 'aws_units', 'ReceiveMessage', 'bday-analytics', 1e6, :hour, :last)"
)


def _nothing() -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"/v1/usage": {"since": now, "until": now, "items": []}}
