"""Events are cancelled, moved and retried over HTTP, alone and as those of their schedules."""

import asyncio
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from event_scenario import Scenario, event_id
from uuid_utils.compat import uuid7

from contracts.messages.user import UserItem
from contracts.vocabulary import OutcomeStatus, Priority
from event_service.application.firing import publish_again


@pytest.fixture
async def ada(scenario: Scenario) -> UserItem:
    """In New York, at ten in UTC on 1 November 2026, with her birthday on the 23rd at 14:00 in UTC."""
    await scenario.at("2026-11-01T10:00Z")
    user = scenario.user()
    await scenario.receive(user)
    await scenario.announced()
    return user


async def _notify(api: httpx.AsyncClient, user: UserItem, at: str, **more: Any) -> str:
    answer = await api.post("/v1/events", json={"userId": str(user.user_id), "at": at, **more})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def _do(api: httpx.AsyncClient, id: object, action: str, **body: Any) -> dict[str, Any]:
    answer = await api.post(f"/v1/events/{id}/{action}", json=body or None)
    assert answer.status_code == 200, answer.text
    event: dict[str, Any] = answer.json()
    return event


async def _refused(api: httpx.AsyncClient, id: object, action: str, status: int, **body: Any) -> tuple[str, str]:
    answer = await api.post(f"/v1/events/{id}/{action}", json=body or None)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    [error] = answer.json()["errors"] or [{"field": None, "detail": answer.json()["detail"]}]
    return error["field"], error["detail"]


# -- cancel -----------------------------------------------------------------------------------------------------------


async def test_cancelled_event_never_fires_and_its_message_is_erased(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "2026-11-02T09:00")
    await scenario.announced()
    event = await _do(editor, id, "cancel")
    assert (event["status"], event["reason"], event["payload"]) == ("CANCELLED", "cancelled on request", {})
    assert [step["status"] for step in event["history"]] == ["PENDING", "CANCELLED"]
    assert await scenario.announced_types() == ["EventCancelled"]
    await scenario.at("2026-11-02T14:00Z")
    assert await scenario.fire(Priority.LOW) == 0


async def test_schedule_skips_a_cancelled_occurrence_and_continues(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    await _do(editor, event_id(ada.user_id, 2026), "cancel")
    assert [each.status for each in await scenario.events(ada.user_id)] == ["CANCELLED", "PENDING"]
    schedule = await scenario.schedule(ada.user_id)
    assert (schedule.live_event_id, schedule.last_occurrence) == (event_id(ada.user_id, 2027), "2026")
    assert await scenario.announced_types() == ["EventCancelled", "EventScheduled"]
    # Nor does a change of the user bring it back.
    await scenario.receive(scenario.user(ada.user_id, 2, delivery_time=time(10)))
    assert [each.status for each in await scenario.events(ada.user_id)] == ["CANCELLED", "PENDING"]


# -- reschedule -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "target", "local"),
    [
        ({"at": "2026-12-24T09:00:00Z"}, "2026-12-24T09:00:00Z", None),
        ({"at": "2026-12-24T09:00"}, "2026-12-24T14:00:00Z", "2026-12-24T09:00:00"),
        ({"at": "2026-12-24T09:00", "timezone": "Asia/Tokyo"}, "2026-12-24T00:00:00Z", "2026-12-24T09:00:00"),
        ({"at": "now"}, "2026-11-01T10:00:00Z", None),
        ({"at": "2026-10-31T10:00:01Z"}, "2026-10-31T10:00:01Z", None),
    ],
)
async def test_an_event_moves_to_another_month_with_its_grace_and_history(
    editor: httpx.AsyncClient,
    scenario: Scenario,
    ada: UserItem,
    body: dict[str, Any],
    target: str,
    local: str | None,
) -> None:
    id = await _notify(editor, ada, "2026-11-02T09:00", expirySeconds=100_000)
    await scenario.announced()
    event = await _do(editor, id, "reschedule", **body)
    assert (event["id"], event["targetTimestampUTC"], event["localTime"]) == (id, target, local)
    assert (event["rescheduled"], event["followsUser"]) == (True, local is not None and "timezone" not in body)
    assert [step["cause"] for step in event["history"]] == ["scheduled", "rescheduled"]
    [row] = await scenario.rows("SELECT grace_until - target_timestamp_utc AS grace, expires_at - target_timestamp_utc"
                                " AS expiry, occurrence FROM events WHERE schedule_id IS NULL")  # fmt: skip
    assert (row.grace, row.expiry) == (timedelta(days=1), timedelta(seconds=100_000))
    assert row.occurrence == "2026-11-02T09:00:00"
    [(type, item)] = await scenario.announced()
    assert (type, item["previousTargetTimestampUTC"]) == ("EventRescheduled", "2026-11-02T14:00:00Z")


async def test_a_birthday_that_was_moved_stays_so_whatever_changes_but_its_day(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = event_id(ada.user_id, 2026)
    await _do(editor, id, "reschedule", at="2026-11-25T20:00")
    assert (await scenario.schedule(ada.user_id)).next_at.isoformat() == "2026-11-26T01:00:00+00:00"
    changed = scenario.user(ada.user_id, 2, first_name="Augusta", delivery_time=time(7), timezone="America/Chicago")
    await scenario.receive(changed)
    event = await scenario.event(ada.user_id)
    assert (event.id, event.target_timestamp_utc.isoformat()) == (id, "2026-11-26T02:00:00+00:00")
    assert event.payload == {"message": "Hey, Augusta Lovelace!"}
    assert (event.rescheduled, event.timezone) == (True, "America/Chicago")
    await _do(editor, id, "reschedule", at="2026-11-25T20:00:00Z")
    await scenario.receive(scenario.user(ada.user_id, 3, timezone="Asia/Tokyo"))
    assert (await scenario.event(ada.user_id)).target_timestamp_utc.isoformat() == "2026-11-25T20:00:00+00:00"
    await scenario.at("2026-11-25T20:00Z")
    assert await scenario.fire() == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[0]))
    following = (await scenario.events(ada.user_id))[-1]
    assert (following.id, following.rescheduled) == (event_id(ada.user_id, 2027), False)
    assert following.target_timestamp_utc.isoformat() == "2027-11-23T00:00:00+00:00"


async def test_another_day_of_birth_takes_no_heed_of_a_move(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    await _do(editor, event_id(ada.user_id, 2026), "reschedule", at="2026-11-25T20:00:00Z")
    await scenario.receive(scenario.user(ada.user_id, 2, date_of_birth=date(1990, 11, 30)))
    event = await scenario.event(ada.user_id)
    assert (event.target_timestamp_utc.isoformat(), event.rescheduled) == ("2026-11-30T14:00:00+00:00", False)


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "at", "required"),
        ({"at": "2026-10-31T10:00:00Z"}, "at", "has passed"),
        ({"at": "2028-11-01T00:00:00Z"}, "at", "13 months"),
        ({"at": "now", "timezone": "UTC"}, "timezone", "local time only"),
        ({"at": "now", "priority": "HIGH"}, "priority", "not permitted"),
    ],
)
async def test_a_time_that_cannot_be_moves_nothing(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem, body: dict[str, Any], field: str, rule: str
) -> None:
    id = await _notify(editor, ada, "2026-11-02T09:00")
    before = await scenario.rows("SELECT * FROM events ORDER BY id")
    answer = await editor.post(f"/v1/events/{id}/reschedule", json=body)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], rule in error["detail"]) == (field, True)
    assert await scenario.rows("SELECT * FROM events ORDER BY id") == before


async def test_the_history_of_an_event_that_moves_400_times_is_bounded_and_counts_the_oldest_steps(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "2026-11-02T09:00")
    for number in range(400):
        event = await _do(editor, id, "reschedule", at=f"2026-11-0{3 + number % 2}T09:00")
    history = event["history"]
    assert len(history) <= 51
    assert sum(step["steps"] for step in history) == 401
    assert [step["cause"] for step in history[:3]] == [
        "scheduled",
        f"{history[1]['steps']} earlier steps",
        "rescheduled",
    ]
    assert [step["at"] for step in history] == sorted(step["at"] for step in history)
    [row] = await scenario.rows("SELECT length(CAST(history AS text)) AS size FROM events WHERE schedule_id IS NULL")
    assert row.size < 6_000


async def test_eight_clients_who_move_one_event_all_succeed_or_conflict(
    editor: httpx.AsyncClient, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "2026-11-02T09:00")

    async def move(client: int) -> list[int]:
        moves = [f"2026-11-{2 + client:02}T{number:02}:00" for number in range(20)]
        return [(await editor.post(f"/v1/events/{id}/reschedule", json={"at": at})).status_code for at in moves]

    answers = [status for client in await asyncio.gather(*map(move, range(8))) for status in client]
    assert set(answers) <= {200, 409}
    assert answers.count(200) > len(answers) / 2


# -- states -----------------------------------------------------------------------------------------------------------


async def test_claimed_or_ended_event_can_neither_be_cancelled_nor_moved(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "now")
    await scenario.fire(Priority.LOW)
    for status, why in [("PROCESSING", "has been published"), ("FAILED", "has ended"), ("COMPLETED", "has ended")]:
        if status != "PROCESSING":
            await scenario.answer(
                scenario.outcome(scenario.bus.published[0], OutcomeStatus(status.replace("COMPLETED", "SUCCEEDED")))
            )
        for action, body in [("cancel", {}), ("reschedule", {"at": "now"})]:
            field, detail = await _refused(editor, id, action, 409, **body)
            assert field == "status"
            assert f"event {id} is {status}" in detail
            assert why in detail


async def test_unknown_id_is_not_found(editor: httpx.AsyncClient) -> None:
    id = uuid7()
    for action, body in [("cancel", {}), ("reschedule", {"at": "now"}), ("retry", {})]:
        assert str(id) in (await _refused(editor, id, action, 404, **body))[1]


# -- retry ------------------------------------------------------------------------------------------------------------


async def _again(scenario: Scenario, priority: Priority = Priority.LOW) -> int:
    runtime = scenario.runtime
    return await publish_again(runtime.database, runtime.outbox, scenario.bus, scenario.firing, priority)


async def test_a_failed_event_is_published_again_as_its_next_attempt(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "now")
    await scenario.fire(Priority.LOW)
    first = scenario.bus.published[0]
    await scenario.answer(scenario.outcome(first, OutcomeStatus.FAILED))
    # Days after it has expired, it may be delivered for as long again.
    await scenario.at("2026-11-09T10:00Z")
    await scenario.announced()
    event = await _do(editor, id, "retry")
    assert (event["status"], event["attempt"], event["reason"], event["finishedAt"]) == ("PROCESSING", 2, None, None)
    assert event["expiresAt"] == "2026-11-10T10:00:00Z"
    assert event["history"][-1]["cause"] == "retried on request"
    assert await _again(scenario) == 1
    second = scenario.bus.published[1]
    assert (second.id, second.attempt) == (UUID(id), 2)
    [(type, item)] = await scenario.announced()
    assert (type, item["attempt"]) == ("EventPublished", 2)
    # What the first attempt still has to say changes nothing.
    await scenario.answer(scenario.outcome(first, OutcomeStatus.FAILED, reason="late news"))
    assert (await editor.get(f"/v1/events/{id}")).json()["status"] == "PROCESSING"
    await scenario.answer(scenario.outcome(second))
    assert (await editor.get(f"/v1/events/{id}")).json()["status"] == "COMPLETED"
    assert await _again(scenario) == 0


async def test_a_retried_birthday_leaves_the_next_one_alone(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    await scenario.at("2026-11-23T14:00Z")
    await scenario.fire()
    await scenario.answer(scenario.outcome(scenario.bus.published[0], OutcomeStatus.FAILED))
    await _do(editor, event_id(ada.user_id, 2026), "retry")
    assert await _again(scenario, Priority.CRITICAL) == 1
    await scenario.answer(scenario.outcome(scenario.bus.published[1]))
    assert [each.status for each in await scenario.events(ada.user_id)] == ["COMPLETED", "PENDING"]


async def test_only_what_has_failed_is_retried_and_only_for_users_who_are_there(
    editor: httpx.AsyncClient, scenario: Scenario, ada: UserItem
) -> None:
    id = await _notify(editor, ada, "now")
    assert "is PENDING" in (await _refused(editor, id, "retry", 409))[1]
    await scenario.fire(Priority.LOW)
    assert "is PROCESSING" in (await _refused(editor, id, "retry", 409))[1]
    await scenario.answer(scenario.outcome(scenario.bus.published[0], OutcomeStatus.FAILED))
    await scenario.delete(ada.user_id)
    assert "user has been deleted" in (await _refused(editor, id, "retry", 409))[1]
