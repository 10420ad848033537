"""Imports of another system's schedules, events and history."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from event_scenario import Scenario

from chassis.imports import runner
from chassis.service.runtime import Runtime
from contracts.vocabulary import Priority
from event_service.main import SERVICE
from event_service.settings import Settings
from testkit import eventually

Send = Callable[..., Awaitable[dict[str, Any]]]
PILLS = {
    "externalKey": "pills",
    "userExternalId": "crm-1",
    "label": "Pills",
    "rule": {"kind": "RRULE", "startLocal": "2026-10-05T09:00", "rrule": "FREQ=WEEKLY;BYDAY=MO"},
}
PARCEL = {
    "externalKey": "parcel",
    "userExternalId": "crm-1",
    "at": "2026-10-02T12:00:00Z",
    "message": "Hey {first_name}, your parcel is here",
    "idempotencyKey": "old-system-4711",
}
GREETED = {
    "externalKey": "greeted",
    "userExternalId": "crm-1",
    "eventType": "BIRTHDAY",
    "status": "COMPLETED",
    "targetTimestampUTC": "2025-11-23T14:00:00Z",
    "finishedAt": "2025-11-23T14:00:02Z",
    "occurrence": "2025",
    "payload": {"message": "Hey, Ada"},
}


@pytest.fixture
def api(editor: httpx.AsyncClient) -> httpx.AsyncClient:
    return editor


@pytest.fixture
async def ada(scenario: Scenario) -> Any:
    await scenario.at("2026-10-01T00:00Z")
    user = scenario.user(external_id="crm-1")
    await scenario.receive(user)
    await scenario.announced()
    return user


@pytest.fixture
def send(api: httpx.AsyncClient) -> Send:
    """`await send("schedules", line, …)`: import lines."""

    async def post(kind: str, *lines: object, key: str | None = None) -> dict[str, Any]:
        body = b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key or str(uuid4())}
        answer = await api.post(f"/v1/imports/{kind}", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    return post


def counts(job: dict[str, Any]) -> tuple[int, ...]:
    """created, updated, unchanged, refused"""
    result = tuple(job[name] for name in ("created", "updated", "unchanged", "refused"))
    assert sum(result) == job["rows"]
    return result


async def test_imported_schedule_is_one_of_the_api(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    job = await send("schedules", PILLS | {"gap": "skip", "urgent": True, "graceSeconds": 60})
    assert (counts(job), job["kind"], job["status"]) == ((1, 0, 0, 0), "schedules", "completed")
    schedule = (await api.get("/v1/imports/schedules/pills")).json()
    assert (schedule["userId"], schedule["source"], schedule["status"]) == (str(ada.user_id), "api", "ACTIVE")
    assert (schedule["nextAt"], schedule["priority"], schedule["gap"]) == ("2026-10-05T13:00:00Z", "HIGH", "skip")
    assert (await api.get(f"/v1/schedules/{schedule['id']}")).json() == schedule
    event = (await api.get(f"/v1/events/{schedule['liveEventId']}")).json()
    assert (event["status"], event["payload"], event["externalId"]) == ("PENDING", {"message": "Ada: Pills"}, "crm-1")
    assert [each["cause"] for each in event["history"]] == ["scheduled"]
    assert (await api.get(f"/v1/imports/{job['id']}")).json() == job


async def test_same_file_again_changes_nothing(scenario: Scenario, ada: Any, send: Send) -> None:
    for kind, line in (("schedules", PILLS), ("events", PARCEL), ("history", GREETED)):
        assert counts(await send(kind, line)) == (1, 0, 0, 0)
    await scenario.announced()
    before = await scenario.rows("SELECT * FROM events ORDER BY id"), await scenario.rows("SELECT * FROM schedules")
    for kind, line in (("schedules", PILLS), ("events", PARCEL), ("history", GREETED)):
        assert counts(await send(kind, line)) == (0, 0, 1, 0)
    after = await scenario.rows("SELECT * FROM events ORDER BY id"), await scenario.rows("SELECT * FROM schedules")
    assert after == before
    assert await scenario.announced() == []


async def test_changed_schedule_moves_its_event(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    await send("schedules", PILLS)
    rule = PILLS["rule"] | {"startLocal": "2026-10-05T10:30"}  # type: ignore[operator]
    assert counts(await send("schedules", PILLS | {"rule": rule, "label": "Tea"})) == (0, 1, 0, 0)
    schedule = (await api.get("/v1/imports/schedules/pills")).json()
    assert (schedule["nextAt"], schedule["version"], schedule["label"]) == ("2026-10-05T14:30:00Z", 2, "Tea")
    event = (await api.get(f"/v1/events/{schedule['liveEventId']}")).json()
    assert (event["targetTimestampUTC"], event["payload"]) == (schedule["nextAt"], {"message": "Ada: Tea"})


async def test_schedule_that_was_paused_here_stays_paused(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    await send("schedules", PILLS)
    schedule = (await api.get("/v1/imports/schedules/pills")).json()
    await api.post(f"/v1/schedules/{schedule['id']}/pause")
    assert counts(await send("schedules", PILLS | {"label": "Tea"})) == (0, 1, 0, 0)
    after = (await api.get("/v1/imports/schedules/pills")).json()
    assert (after["status"], after["label"], after["liveEventId"]) == ("PAUSED", "Tea", None)


async def test_imported_event_keeps_the_old_idempotency_key_and_fires_with_it(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, send: Send
) -> None:
    assert counts(await send("events", PARCEL)) == (1, 0, 0, 0)
    event = (await api.get("/v1/imports/events/parcel")).json()
    assert (event["idempotencyKey"], event["targetTimestampUTC"]) == ("old-system-4711", "2026-10-02T12:00:00Z")
    await scenario.at("2026-10-02T12:00:00Z")
    assert await scenario.fire(Priority.LOW) == 1
    [fired] = scenario.bus.published
    assert (fired.idempotency_key, fired.external_id) == ("old-system-4711", "crm-1")


async def test_changed_event_is_moved_and_renewed(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, send: Send
) -> None:
    await send("events", PARCEL)
    before = (await api.get("/v1/imports/events/parcel")).json()
    await scenario.announced()
    assert counts(await send("events", PARCEL | {"message": "Parcel!"})) == (0, 1, 0, 0)
    assert await scenario.announced() == []
    changed = PARCEL | {"message": "Parcel!", "at": "2026-11-02T12:00"}
    assert counts(await send("events", changed)) == (0, 1, 0, 0)
    after = (await api.get("/v1/imports/events/parcel")).json()
    assert (after["id"], after["targetTimestampUTC"]) == (before["id"], "2026-11-02T17:00:00Z")
    assert after["payload"] == {"message": "Parcel!"}
    assert await scenario.announced_types() == ["EventRescheduled"]
    assert counts(await send("events", changed)) == (0, 0, 1, 0)


async def test_event_that_was_cancelled_here_stays_cancelled(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    await send("events", PARCEL)
    event = (await api.get("/v1/imports/events/parcel")).json()
    await api.post(f"/v1/events/{event['id']}/cancel")
    assert counts(await send("events", PARCEL | {"message": "Parcel!"})) == (0, 0, 1, 0)
    assert (await api.get("/v1/imports/events/parcel")).json()["status"] == "CANCELLED"


async def test_history_is_kept_and_announced_without_firing(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, send: Send
) -> None:
    failed = GREETED | {"externalKey": "failed", "status": "FAILED", "reason": "timeout"}
    ended = [GREETED | {"externalKey": status, "status": status} for status in ("MISSED", "CANCELLED")]
    assert counts(await send("history", GREETED, failed, *ended)) == (4, 0, 0, 0)
    announced = dict(await scenario.announced())
    assert sorted(announced) == ["EventCancelled", "EventCompleted", "EventFailed", "EventMissed"]
    completed = announced["EventCompleted"]
    assert (completed["occurredAt"], completed["finishedAt"]) == ("2025-11-23T14:00:02Z", "2025-11-23T14:00:02Z")
    assert completed["latenessSeconds"] == 2
    event = (await api.get("/v1/imports/history/greeted")).json()
    assert (event["status"], event["occurrence"], event["publishedAt"]) == ("COMPLETED", "2025", "2025-11-23T14:00:00Z")
    assert event["history"] == [{"at": "2025-11-23T14:00:02Z", "status": "COMPLETED", "cause": "imported", "steps": 1}]
    kept = (await api.get("/v1/imports/history/failed")).json()
    assert kept["reason"] == "timeout"
    # In the words of another system, which may name a person.
    assert (announced["EventFailed"]["reason"], announced["EventCancelled"]["reason"]) == ("failed", "cancelled")
    listed = (await api.get("/v1/events", params={"userId": str(ada.user_id), "status": "COMPLETED"})).json()["items"]
    assert [each["id"] for each in listed] == [event["id"]]
    for priority in Priority:
        assert not await scenario.fire(priority)
    retried = await api.post(f"/v1/events/{kept['id']}/retry")
    assert (retried.status_code, "imported" in retried.json()["detail"]) == (409, True)
    assert (await api.get("/v1/imports/history/failed")).json() == kept


async def test_history_past_retention_or_in_the_future_is_refused(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    job = await send(
        "history",
        GREETED | {"externalKey": "old", "targetTimestampUTC": "2025-01-01T00:00:00Z"},
        GREETED | {"externalKey": "new", "finishedAt": "2026-12-01T00:00:00Z"},
    )
    assert counts(job) == (0, 0, 0, 2)
    refused = (await api.get(job["errorsUrl"])).json()["items"]
    assert [[fault["field"] for fault in each["errors"]] for each in refused] == [
        ["targetTimestampUTC"],
        ["finishedAt"],
    ]


async def test_invalid_lines_are_listed_with_their_errors_and_affect_no_others(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, send: Send
) -> None:
    rule = PILLS["rule"]
    job = await send(
        "schedules",
        PILLS,
        b"not json\n",
        b"\n",
        PILLS | {"externalKey": "two", "userExternalId": "nobody"},
        PILLS | {"externalKey": "three", "userId": str(ada.user_id)},
        PILLS | {"externalKey": "four", "rule": rule | {"rrule": "FREQ=DAILY;UNTIL=20260101"}},  # type: ignore[operator]
        PILLS | {"externalKey": "five", "colour": "red", "label": ""},
        PILLS | {"externalKey": "six", "message": "{unknown}"},
        PILLS | {"externalKey": "seven"},
    )
    assert counts(job) == (2, 0, 0, 6)
    refused = (await api.get(job["errorsUrl"])).json()["items"]
    assert [(each["line"], [fault["field"] for fault in each["errors"]]) for each in refused] == [
        (2, ["line"]),
        (4, ["userExternalId"]),
        (5, ["line"]),
        (6, ["rule.rrule"]),
        (7, ["label", "colour"]),
        (8, ["message"]),
    ]
    assert len(await scenario.rows("SELECT 1 FROM schedules WHERE source = 'api'")) == 2
    assert len(await scenario.rows("SELECT 1 FROM events WHERE event_type = 'REMINDER'")) == 2


async def test_unknown_external_id_is_not_kept_with_its_refused_line(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, send: Send
) -> None:
    await send("events", PARCEL | {"userExternalId": "somebody-else"})
    [row] = await scenario.rows("SELECT CAST(faults AS text) AS faults FROM import_errors")
    assert "no user has this externalId" in row.faults
    assert "somebody-else" not in row.faults


async def test_words_of_the_old_system_are_erased_with_their_user(scenario: Scenario, ada: Any, send: Send) -> None:
    await send("events", PARCEL)
    bounced = {"externalKey": "bounced", "status": "FAILED", "reason": "no such mailbox: ada@example.org"}
    await send("history", GREETED | {"idempotencyKey": "old-system-4710"}, GREETED | bounced)
    await scenario.delete(ada.user_id)
    kept = await scenario.rows("SELECT idempotency_key, external_id, payload, reason, status FROM events")
    assert {(row.idempotency_key, row.external_id) for row in kept} == {(None, None)}
    assert all(row.payload == {} for row in kept)
    assert {row.status: row.reason for row in kept} == {"CANCELLED": "user deleted", "COMPLETED": None, "FAILED": None}


async def test_now_is_refused_as_the_time_of_an_imported_event(api: httpx.AsyncClient, ada: Any, send: Send) -> None:
    job = await send("events", PARCEL | {"at": "now"})
    assert counts(job) == (0, 0, 0, 1)


async def test_key_that_comes_twice_in_a_file_counts_as_its_last_line_says(
    api: httpx.AsyncClient, ada: Any, send: Send
) -> None:
    assert counts(await send("schedules", PILLS, PILLS | {"label": "Tea"})) == (1, 0, 1, 0)
    assert (await api.get("/v1/imports/schedules/pills")).json()["label"] == "Tea"


async def test_interrupted_import_continues_after_its_last_chunk(
    api: httpx.AsyncClient, scenario: Scenario, ada: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "CHUNK_ROWS", 25)
    lines = [json.dumps(PARCEL | {"externalKey": f"parcel {number}"}).encode() + b"\n" for number in range(100)]
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "parcels"}
    sent = asyncio.Event()

    async def hanging() -> Any:
        yield b"".join(lines[:60])
        sent.set()
        await asyncio.Event().wait()

    request = asyncio.ensure_future(api.post("/v1/imports/events", content=hanging(), headers=headers))
    await sent.wait()
    await eventually(lambda: scenario.rows("SELECT 1 FROM imports WHERE line >= 50"))
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    answer = (await api.post("/v1/imports/events", content=b"".join(lines), headers=headers)).json()
    assert (answer["status"], counts(answer)) == ("completed", (100, 0, 0, 0))
    assert len(await scenario.rows("SELECT 1 FROM events WHERE event_type = 'NOTIFICATION'")) == 100
    other = await api.post("/v1/imports/events", content=b"".join(reversed(lines)), headers=headers)
    assert (other.status_code, other.json()["type"].rpartition(":")[2]) == (422, "import-body-changed")
    history = await api.post("/v1/imports/history", content=b"".join(lines), headers=headers)
    assert history.status_code == 422


async def test_import_is_interrupted_when_its_process_stops_and_continues_in_another(
    api: httpx.AsyncClient, runtime: Runtime[Settings], ada: Any
) -> None:
    app = SERVICE.app(runtime)
    lines = [json.dumps(PARCEL | {"externalKey": f"parcel {number}"}).encode() + b"\n" for number in range(100)]
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "parcels", "Authorization": "Bearer editor"}
    sent = asyncio.Event()

    async def hanging() -> Any:
        yield b"".join(lines[:60])
        sent.set()
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        request = asyncio.ensure_future(client.post("/v1/imports/events", content=hanging()))
        await sent.wait()
        app.state.stopping.begin()
        answer = await request
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "import-interrupted")
    [job] = (await api.get("/v1/imports")).json()["items"]
    assert job["status"] == "interrupted"
    again = (await api.post("/v1/imports/events", content=b"".join(lines), headers=headers)).json()
    assert (again["id"], again["status"], counts(again)) == (job["id"], "completed", (100, 0, 0, 0))


async def test_only_ndjson_is_taken(api: httpx.AsyncClient, ada: Any) -> None:
    for headers in ({"Content-Type": "text/csv"}, {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}):
        answer = await api.post("/v1/imports/events", content=b"{}", headers=headers | {"Idempotency-Key": "a"})
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (415, "import-format")
