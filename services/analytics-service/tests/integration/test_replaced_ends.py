"""An event that ends again counts once, in every place that counts: on a real database."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID, uuid4

import httpx
import pyarrow.parquet as pq
import pytest
from uuid_utils.compat import uuid7

from analytics_service.adapters.messages import fact_of
from analytics_service.application.facts import record
from analytics_service.domain.facts import Fact
from chassis.messaging.domain import ReceivedItem
from chassis.service.runtime import Runtime
from contracts.messages.delivery import DeliveryOutcomeItem, EndpointOutcome
from contracts.messages.event import EventCompletedItem, EventFailedItem
from contracts.messages.spec import Item, MessageType
from contracts.messages.user import UserDeletedItem
from contracts.vocabulary import Channel, EventType, OutcomeStatus, Priority

from analytics_service.settings import Settings  # isort: skip

USER, ENDPOINT = uuid4(), uuid4()


def _common(event: UUID, after: timedelta, attempt: int) -> dict[str, Any]:
    target = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    return {
        "item_id": uuid7(), "event_id": event, "user_id": USER, "event_type": EventType.BIRTHDAY,
        "priority": Priority.HIGH, "attempt": attempt, "target_timestamp_utc": target, "finished_at": target + after,
        "late": False, "lateness_seconds": after.total_seconds(),
    }  # fmt: skip


def _fact(type: MessageType, item: Item) -> Fact:
    return fact_of(ReceivedItem(type, item, None))


def failed(event: UUID, after: timedelta = timedelta(), attempt: int = 1) -> list[Fact]:
    """The outcome of the deliveries and the end of the event."""
    return _both(event, after, attempt, "http_error")


def completed(event: UUID, after: timedelta = timedelta(), attempt: int = 1) -> list[Fact]:
    """The outcome of the deliveries and the end of the event."""
    return _both(event, after, attempt, None)


def _both(event: UUID, after: timedelta, attempt: int, reason: str | None) -> list[Fact]:
    common = _common(event, after, attempt)
    status = OutcomeStatus.FAILED if reason else OutcomeStatus.SUCCEEDED
    outcome = DeliveryOutcomeItem(
        **common, status=status, reason=reason, received_at=common["finished_at"], queue_seconds=0.1,
        endpoints=[
            EndpointOutcome(
                endpoint_id=ENDPOINT, channel=Channel.WEBHOOK, status=status, reason=reason, attempts=attempt,
                http_status=500 if reason else 200, latency_seconds=0.05,
            )
        ],
    )  # fmt: skip
    ended = {
        **common, "item_id": uuid7(), "occurrence": "2026", "target_timezone": "UTC", "tags": ["vip"],
        "occurred_at": common["finished_at"],
    }  # fmt: skip
    if reason is None:
        return [
            _fact(MessageType.DELIVERY_SUCCEEDED, outcome),
            _fact(MessageType.EVENT_COMPLETED, EventCompletedItem(**ended)),
        ]
    return [
        _fact(MessageType.DELIVERY_FAILED, outcome),
        _fact(MessageType.EVENT_FAILED, EventFailedItem(**ended, reason=reason)),
    ]


async def _get(client: httpx.AsyncClient, path: str, **query: str) -> Any:
    response = await client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def _totals(client: httpx.AsyncClient) -> dict[str, int]:
    overview = await _get(client, "/v1/metrics/overview", minutes="60")
    return {kind: count for kind, count in overview["totals"].items() if count}


async def test_redriven_events_count_as_completed_alone(runtime: Runtime[Settings], client: httpx.AsyncClient) -> None:
    events = [uuid4() for _ in range(51)]
    for event in events[:11]:
        await record(runtime.database, completed(event))
    await record(runtime.database, [fact for event in events[11:] for fact in failed(event)])
    # 35 of the 40 failures are redriven: in one batch with another, and alone.
    for event in events[11:20]:
        await record(runtime.database, completed(event, timedelta(seconds=20)))
    await record(
        runtime.database, [fact for event in events[20:46] for fact in completed(event, timedelta(seconds=20))]
    )

    expected = {"completed": 46, "failed": 5, "delivery_succeeded": 46, "delivery_failed": 5}
    assert await _totals(client) == expected
    overview = await _get(client, "/v1/metrics/overview", minutes="60")
    assert overview["successRate"] == pytest.approx(46 / 51)
    [person] = (await _get(client, "/v1/engagement/users"))["items"]
    assert (person["delivered"], person["failed"]) == (46, 5)
    [tag] = (await _get(client, "/v1/engagement/tags"))["items"]
    assert (tag["tag"], tag["delivered"], tag["failed"]) == ("vip", 46, 5)


async def test_refused_retries_are_one_failure(runtime: Runtime[Settings], client: httpx.AsyncClient) -> None:
    event = uuid4()
    for attempt in range(1, 5):
        await record(runtime.database, failed(event, timedelta(seconds=attempt), attempt))
    assert await _totals(client) == {"failed": 1, "delivery_failed": 1}


async def test_ends_that_arrive_at_once_count_once(runtime: Runtime[Settings], client: httpx.AsyncClient) -> None:
    events = [uuid4() for _ in range(20)]
    batches: list[Sequence[Fact]] = []
    for event in events:
        batches += [failed(event), completed(event, timedelta(seconds=5))]
    await asyncio.gather(*(record(runtime.database, batch) for batch in batches))
    assert await _totals(client) == {"completed": 20, "delivery_succeeded": 20}
    [person] = (await _get(client, "/v1/engagement/users"))["items"]
    assert (person["delivered"], person["failed"]) == (20, 0)


async def test_a_late_completion_is_recovery_and_not_lateness(
    runtime: Runtime[Settings], client: httpx.AsyncClient
) -> None:
    event = uuid4()
    await record(runtime.database, failed(event))
    await record(runtime.database, completed(event, timedelta(minutes=6)))
    overview = await _get(client, "/v1/metrics/overview", minutes="60")
    assert {each["measure"]: each["count"] for each in overview["latencies"] if each["priority"] is None} == {
        "lateness": 0, "queue": 1, "webhook": 1, "end_to_end": 0, "recovery": 1,
    }  # fmt: skip
    [recovery] = [each for each in overview["latencies"] if each["measure"] == "recovery" and each["count"]][:1]
    assert recovery["p50"] == pytest.approx(360, rel=0.05)


async def test_a_late_end_does_not_bring_a_deleted_user_back(
    runtime: Runtime[Settings], client: httpx.AsyncClient
) -> None:
    event = uuid4()
    await record(runtime.database, failed(event))
    deleted = _fact(
        MessageType.USER_DELETED, UserDeletedItem.model_validate({"item_id": uuid7(), "user_id": USER, "version": 2})
    )
    await record(runtime.database, [deleted])
    await record(runtime.database, completed(event, timedelta(seconds=5)))
    assert (await _get(client, "/v1/engagement/users"))["items"] == []


async def test_exports_hold_what_counts(runtime: Runtime[Settings], client: httpx.AsyncClient) -> None:
    event = uuid4()
    await record(runtime.database, failed(event))
    await record(runtime.database, completed(event, timedelta(seconds=5)))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    span = {"from": (tomorrow - timedelta(days=2)).isoformat(), "to": tomorrow.isoformat()}

    async def rows(dataset: str, **query: str) -> list[dict[str, Any]]:
        response = await client.get(f"/v1/exports/{dataset}", params={**span, **query})
        assert response.status_code == 200, response.text
        return list(pq.read_table(BytesIO(response.content)).to_pylist())

    assert {(row["kind"], row["replaced"]) for row in await rows("facts")} == {
        ("failed", True), ("delivery_failed", True), ("completed", False), ("delivery_succeeded", False),
    }  # fmt: skip
    assert {row["kind"] for row in await rows("counts", grain="day")} == {"completed", "delivery_succeeded"}
    [result] = await rows("endpoint_results", grain="day")
    assert (result["result"], result["count"]) == ("succeeded", 1)
