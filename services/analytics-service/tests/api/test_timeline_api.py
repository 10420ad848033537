"""The timeline of one event over HTTP, with the other services as their APIs answer."""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from uuid_utils.compat import uuid7

from analytics_service.application.facts import record
from analytics_service.domain.facts import Fact, Kind
from analytics_service.settings import Settings
from chassis.service.runtime import Runtime

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"
Answers = Mapping[str, Any]
Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


def _fact(event_id: UUID, kind: Kind, seconds: float, **data: Any) -> Fact:
    return Fact(
        uuid7(), kind, NOW + timedelta(seconds=seconds), "event-service", event_id=event_id, event_type="BIRTHDAY",
        priority=0, trace_id=TRACE, data=json.dumps({"targetTimestampUTC": NOW.isoformat(), "attempt": 1, **data}),
    )  # fmt: skip


def _event(event_id: UUID) -> dict[str, Any]:
    history = [{"at": (NOW - timedelta(days=1)).isoformat(), "status": "PENDING", "cause": "scheduled"}]
    return {
        "id": str(event_id), "eventType": "BIRTHDAY", "status": "COMPLETED", "priority": "CRITICAL",
        "userId": str(uuid4()), "occurrence": "2026", "attempt": 1, "targetTimestampUTC": NOW.isoformat(),
        "targetTimestampLocal": NOW.isoformat(), "graceUntil": NOW.isoformat(), "targetTimezone": "UTC",
        "expiresAt": NOW.isoformat(), "publishedAt": NOW.isoformat(), "finishedAt": None,
        "reason": None, "history": history, "payload": {"message": "Hey, Ada Lovelace"},
    }  # fmt: skip


def _deliveries(event_id: UUID) -> Answers:
    delivery = {
        "id": str(uuid4()), "eventId": str(event_id), "endpointId": str(uuid4()), "status": "SUCCEEDED",
        "eventType": "BIRTHDAY", "attempts": 1, "httpStatus": 204, "latencySeconds": 0.25, "reason": None,
        "createdAt": NOW.isoformat(), "finishedAt": NOW.isoformat(), "nextAttemptAt": None,
        "history": [
            {
                "status": "succeeded", "httpStatus": 204, "error": None, "headers": {"server": "inbox"},
                "excerpt": "thanks", "startedAt": NOW.isoformat(), "durationSeconds": 0.25, "traceId": "f" * 32,
            }
        ],
    }  # fmt: skip
    return {
        "/v1/deliveries": {"items": [delivery], "nextCursor": None},
        f"/v1/deliveries/{delivery['id']}": delivery,
    }


async def test_a_timeline_has_facts_attempts_and_traces_and_nothing_personal(
    open_beside: Open, runtime: Runtime[Settings]
) -> None:
    event_id = uuid4()
    await record(
        runtime.database,
        [_fact(event_id, Kind.COMPLETED, 1), _fact(event_id, Kind.PUBLISHED, 0), _fact(uuid4(), Kind.SCHEDULED, 0)],
    )
    events = {f"/v1/events/{event_id}": _event(event_id)}
    async with open_beside(events=events, deliveries=_deliveries(event_id)) as client:
        answer = await client.get(f"/v1/events/{event_id}/timeline")
    body = answer.json()
    assert (body["eventId"], body["missing"]) == (str(event_id), [])
    assert [entry["kind"] for entry in body["entries"]] == ["published", "completed"]
    assert (body["event"]["status"], body["event"]["priority"]) == ("COMPLETED", "CRITICAL")
    assert [span["kind"] for span in body["spans"]] == ["wait", "claim", "queue", "delivery", "attempt", "completion"]
    attempt = body["spans"][4]
    assert (attempt["durationSeconds"], attempt["parentId"]) == (0.25, body["spans"][3]["id"])
    assert (attempt["attributes"]["httpStatus"], attempt["attributes"]["excerpt"]) == (204, "thanks")
    assert body["traces"] == [{"traceId": trace, "url": f"http://jaeger/trace/{trace}"} for trace in (TRACE, "f" * 32)]
    assert "Lovelace" not in answer.text


async def test_service_that_does_not_answer_is_named_and_the_rest_is_shown(
    open_beside: Open, runtime: Runtime[Settings]
) -> None:
    event_id = uuid4()
    await record(runtime.database, [_fact(event_id, Kind.PUBLISHED, 0)])
    async with open_beside(events={f"/v1/events/{event_id}": 503}, deliveries={"/v1/deliveries": 500}) as client:
        body = (await client.get(f"/v1/events/{event_id}/timeline")).json()
    assert [(each["service"], each["reason"]) for each in body["missing"]] == [
        ("delivery-service", "delivery-service answered with status 500"),
        ("event-service", "event-service answers that it is not available"),
    ]
    assert body["event"] is None
    assert [span["kind"] for span in body["spans"]] == ["claim", "queue"]


async def test_an_event_of_which_nothing_was_heard_yet_is_found_where_it_lives(open_beside: Open) -> None:
    event_id = uuid4()
    none: Answers = {"/v1/deliveries": {"items": [], "nextCursor": None}}
    events = {f"/v1/events/{event_id}": {**_event(event_id), "status": "PENDING"}}
    async with open_beside(events=events, deliveries=none) as client:
        body = (await client.get(f"/v1/events/{event_id}/timeline")).json()
    assert (body["entries"], body["event"]["status"]) == ([], "PENDING")


async def test_an_unknown_event_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/events/{uuid4()}/timeline")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:almanac:problem:event-not-found"
    assert "the address of event-service is not configured" in answer.json()["detail"]
