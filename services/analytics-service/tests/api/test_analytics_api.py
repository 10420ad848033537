"""The metrics and timeline API over HTTP."""

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from uuid_utils.compat import uuid7

from analytics_service.application.facts import record
from analytics_service.domain.facts import EndpointResult, Fact, Kind, Measure
from analytics_service.domain.histogram import RELATIVE_ERROR
from analytics_service.settings import Settings
from chassis.service.runtime import Runtime

EVENT = UUID("3f0c7c1e-9d0f-4b0e-8f43-0a6f2c1d5e77")


def _fact(kind: Kind, ago: timedelta = timedelta(), *, priority: int | None = 0, **more: Any) -> Fact:
    values: Mapping[str, Any] = {"event_id": uuid4(), "event_type": "BIRTHDAY", "priority": priority, **more}
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


async def test_timeseries_counts_by_span_and_by_requested_dimensions(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    at = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    facts = [_fact(kind, priority=priority) for kind in (Kind.COMPLETED, Kind.FAILED) for priority in (0, 2)]
    await record(
        runtime.database,
        [replace(fact, at=at + timedelta(hours=index % 3)) for index, fact in enumerate(facts)],
    )
    window = {"from": "2026-11-23T14:59:00Z", "to": "2026-11-23T18:00:00Z", "grain": "hour"}
    everything = (await client.get("/v1/metrics/timeseries", params=window)).json()
    assert (everything["since"], everything["until"]) == ("2026-11-23T14:00:00Z", "2026-11-23T18:00:00Z")
    assert [(each["start"][11:13], each["outcome"], each["count"]) for each in everything["points"]] == [
        ("14", "completed", 1),
        ("14", "failed", 1),
        ("15", "completed", 1),
        ("16", "failed", 1),
    ]
    assert {each["priority"] for each in everything["points"]} == {None}
    day = {**window, "grain": "day", "outcome": "completed", "groupBy": ["priority", "eventType"]}
    points = (await client.get("/v1/metrics/timeseries", params=day)).json()["points"]
    assert [(each["priority"], each["eventType"], each["count"]) for each in points] == [
        ("CRITICAL", "BIRTHDAY", 1),
        ("NORMAL", "BIRTHDAY", 1),
    ]


async def test_latency_over_time_is_percentiles_and_a_spreadsheet_gets_the_same_rows(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    await record(
        runtime.database,
        [_fact(Kind.COMPLETED, latencies=((Measure.END_TO_END, seconds),)) for seconds in (0.2, 0.2, 0.2, 5.0)],
    )
    ask = {"measure": "end_to_end", "groupBy": "priority", "grain": "day"}
    body = (await client.get("/v1/metrics/latency", params=ask)).json()
    (point,) = body["points"]
    assert (point["count"], point["priority"], point["eventType"]) == (4, "CRITICAL", None)
    assert point["p50"] == pytest.approx(0.2, rel=RELATIVE_ERROR)
    assert point["p99"] == pytest.approx(5.0, rel=RELATIVE_ERROR)
    answer = await client.get("/v1/metrics/latency", params={**ask, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert {name: row[name] for name in ("start", "measure", "priority", "count")} == {
        name: str(point[name]) for name in ("start", "measure", "priority", "count")
    }


async def test_endpoint_results_are_counted_by_outcome(client: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    endpoint = uuid4()
    results = (EndpointResult(endpoint, "webhook", "succeeded", 2, 0.3),)
    failures = (EndpointResult(endpoint, "webhook", "exhausted", 3, 30.0),)
    await record(
        runtime.database,
        [_fact(Kind.DELIVERY_SUCCEEDED, endpoints=results), _fact(Kind.DELIVERY_FAILED, endpoints=failures)],
    )
    (summary,) = (await client.get("/v1/endpoints/results")).json()["endpoints"]
    assert summary["results"] == {"succeeded": 1, "exhausted": 1}
    assert (summary["endpointId"], summary["attempts"], summary["successRate"]) == (str(endpoint), 5, 0.5)
    assert summary["latency"]["count"] == 2
    other = (await client.get("/v1/endpoints/results", params={"endpointId": str(uuid4())})).json()
    assert other["endpoints"] == []


async def test_engagement_is_listed_latest_first_and_found_by_user(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    users = [uuid4() for _ in range(3)]
    await record(
        runtime.database,
        [_fact(Kind.COMPLETED, timedelta(minutes=index), user_id=user) for index, user in enumerate(users)],
    )
    first = (await client.get("/v1/engagement/users", params={"limit": 2})).json()
    rest = (await client.get("/v1/engagement/users", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [each["userId"] for each in first["items"] + rest["items"]] == [str(user) for user in users]
    assert rest["nextCursor"] is None
    one = (await client.get(f"/v1/engagement/users/{users[1]}")).json()
    assert (one["delivered"], one["failed"]) == (1, 0)
    unknown = await client.get(f"/v1/engagement/users/{uuid4()}")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:almanac:problem:user-not-found")


async def test_engagement_by_tag_is_listed_latest_first_and_found_by_name(
    client: httpx.AsyncClient, runtime: Runtime[Settings]
) -> None:
    tags = [("vip", "=cmd"), ("vip",), ("berlin",)]
    await record(
        runtime.database,
        [_fact(Kind.COMPLETED, timedelta(minutes=index), tags=each) for index, each in enumerate(tags)],
    )
    first = (await client.get("/v1/engagement/tags", params={"limit": 2})).json()
    rest = (await client.get("/v1/engagement/tags", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert {each["tag"]: each["delivered"] for each in first["items"]} == {"vip": 2, "=cmd": 1}
    assert [each["tag"] for each in rest["items"]] == ["berlin"]
    assert rest["nextCursor"] is None
    (one,) = (await client.get("/v1/engagement/tags", params={"tag": "berlin"})).json()["items"]
    assert (one["delivered"], one["failed"]) == (1, 0)
    answer = await client.get("/v1/engagement/tags", params={"limit": 2, "format": "csv"})
    assert answer.headers["next-cursor"] == first["nextCursor"]
    # A spreadsheet shows a tag's text and does not evaluate it.
    assert {row["tag"] for row in csv.DictReader(io.StringIO(answer.text))} == {"vip", "'=cmd"}


async def test_every_table_comes_as_csv(client: httpx.AsyncClient, runtime: Runtime[Settings]) -> None:
    results = (EndpointResult(uuid4(), "webhook", "succeeded", 2, 0.3),)
    await record(
        runtime.database,
        [
            _fact(Kind.COMPLETED, user_id=uuid4(), latencies=((Measure.END_TO_END, 0.2),)),
            _fact(Kind.DELIVERY_SUCCEEDED, endpoints=results),
        ],
    )
    columns = {
        "/v1/engagement/users": "userId,delivered,failed,lastAt",
        "/v1/endpoints/results": "endpointId,channel,deliveries,succeeded,successRate,attempts,p50,p95,p99",
        "/v1/metrics/timeseries": "start,outcome,eventType,priority,count",
        "/v1/metrics/latency": "count,p50,p95,p99,start,measure,eventType,priority",
    }
    for path, names in columns.items():
        answer = await client.get(path, params={"format": "csv"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        header, *lines = answer.text.splitlines()
        assert header == names
        assert lines


@pytest.mark.parametrize(
    "query",
    [
        "grain=minute&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ],
)
async def test_a_range_that_is_too_long_or_empty_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/metrics/timeseries?{query}")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:almanac:problem:range-too-long"
    assert [each["field"] for each in answer.json()["errors"]] == ["from"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/metrics/overview",
        "/v1/metrics/timeseries",
        "/v1/metrics/latency",
        "/v1/endpoints/results",
        "/v1/engagement/users",
        "/v1/engagement/tags",
        "/v1/costs",
        f"/v1/events/{EVENT}/timeline",
    ],
)
async def test_the_api_asks_for_a_key_with_the_read_scope(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
    assert (await client.get(path, headers={"Authorization": "Bearer writer"})).status_code == 403
