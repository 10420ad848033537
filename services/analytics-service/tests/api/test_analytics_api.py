"""The metrics and timeline API over HTTP."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from uuid_utils.compat import uuid7

from analytics_service.application.facts import record
from analytics_service.domain.facts import Fact, Kind, Measure
from analytics_service.domain.histogram import RELATIVE_ERROR
from analytics_service.settings import Settings
from chassis.runtime import Runtime

EVENT = UUID("3f0c7c1e-9d0f-4b0e-8f43-0a6f2c1d5e77")


def _fact(kind: Kind, ago: timedelta = timedelta(), *, priority: int | None = 0, **more: Any) -> Fact:
    values: Mapping[str, Any] = {"event_id": EVENT, "event_type": "BIRTHDAY", "priority": priority, **more}
    return Fact(uuid7(), kind, datetime.now(UTC) - ago, "event-service", **values)


async def test_the_overview_counts_the_window_by_type_priority_and_outcome(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    await record(
        runtime.database,
        [
            *(_fact(Kind.COMPLETED, latencies=((Measure.END_TO_END, 0.2),)) for _ in range(3)),
            _fact(Kind.COMPLETED, timedelta(minutes=5), priority=3, latencies=((Measure.END_TO_END, 5.0),)),
            _fact(Kind.FAILED, event_type="REMINDER", priority=2),
            _fact(Kind.COMPLETED, timedelta(minutes=11)),
            _fact(Kind.USER_CREATED, event_id=None, event_type=None, priority=None),
        ],
    )
    answer = await client.get("/v1/metrics/overview", params={"minutes": 10})
    assert answer.status_code == 200
    body = answer.json()
    assert body["counts"] == [
        {"eventType": "BIRTHDAY", "priority": "CRITICAL", "outcome": "completed", "count": 3},
        {"eventType": "BIRTHDAY", "priority": "LOW", "outcome": "completed", "count": 1},
        {"eventType": "REMINDER", "priority": "NORMAL", "outcome": "failed", "count": 1},
    ]
    assert (body["totals"]["completed"], body["totals"]["failed"], body["totals"]["user_created"]) == (4, 1, 1)
    assert body["successRate"] == pytest.approx(0.8)
    end_to_end = {each["priority"]: each for each in body["latencies"] if each["measure"] == "end_to_end"}
    assert end_to_end[None]["count"] == 4
    assert end_to_end[None]["p50"] == pytest.approx(0.2, rel=RELATIVE_ERROR)
    assert end_to_end[None]["p99"] == pytest.approx(5.0, rel=RELATIVE_ERROR)
    assert end_to_end["CRITICAL"]["p99"] == pytest.approx(0.2, rel=RELATIVE_ERROR)
    assert end_to_end["LOW"]["count"] == 1


async def test_the_overview_of_an_idle_system_is_empty_and_whole(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/metrics/overview")).json()
    assert body["counts"] == []
    assert set(body["totals"].values()) == {0}
    assert body["successRate"] is None
    assert {(each["measure"], each["count"], each["p95"]) for each in body["latencies"]} == {
        (measure.value, 0, None) for measure in Measure
    }


async def test_a_timeline_is_ordered_by_when_things_happened(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await record(
        runtime.database,
        [
            _fact(Kind.COMPLETED, trace_id=trace_id, data='{"attempt":1}'),
            _fact(Kind.SCHEDULED, timedelta(days=200)),
            _fact(Kind.PUBLISHED, timedelta(seconds=1)),
            _fact(Kind.SCHEDULED, event_id=uuid4()),
        ],
    )
    body = (await client.get(f"/v1/events/{EVENT}/timeline")).json()
    assert body["eventId"] == str(EVENT)
    assert [each["kind"] for each in body["entries"]] == ["scheduled", "published", "completed"]
    last = body["entries"][-1]
    assert (last["source"], last["traceId"], last["data"]) == ("event-service", trace_id, {"attempt": 1})


async def test_an_unknown_event_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/events/3f0c7c1e-9d0f-4b0e-8f43-0a6f2c1d5e77/timeline")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:almanac:problem:event-not-found"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/metrics/overview?minutes=0", "minutes"),
        ("/v1/metrics/overview?minutes=10081", "minutes"),
        ("/v1/metrics/overview?minutes=ten", "minutes"),
        ("/v1/events/not-a-uuid/timeline", "event_id"),
    ],
)
async def test_a_parameter_out_of_range_is_named(client: httpx.AsyncClient, path: str, field: str) -> None:
    answer = await client.get(path)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("path", ["/v1/metrics/overview", f"/v1/events/{EVENT}/timeline"])
async def test_the_api_asks_for_a_key_with_the_read_scope(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await client.get(path, headers={"Authorization": "Bearer writer"})).status_code == 403
