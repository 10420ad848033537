"""What is refused of schedules: with the field and the rule, and nothing is changed."""

from typing import Any

import httpx
import pytest
from reminders import Reminders
from uuid_utils.compat import uuid7

ONCE = {"kind": "ONCE", "startLocal": "2026-10-05T09:00"}


def _rrule(rrule: str, start: str = "2026-10-05T09:00", **more: Any) -> dict[str, Any]:
    return {"rule": {"kind": "RRULE", "startLocal": start, "rrule": rrule, **more}}


def _fault(answer: httpx.Response, status: int = 422) -> tuple[str, str]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    fault = answer.json()["errors"][0]
    return fault["field"], fault["detail"]


REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    # rules that never fire
    ({"rule": {"kind": "ONCE", "startLocal": "2026-09-30T19:59"}}, "rule.startLocal", "has passed"),
    (_rrule("FREQ=DAILY;UNTIL=20260930T000000", start="2026-09-01T09:00"), "rule.rrule", "never fires"),
    (_rrule("FREQ=DAILY;COUNT=3", start="2020-01-01T09:00"), "rule.rrule", "never fires"),
    (_rrule("FREQ=DAILY;UNTIL=20200101T000000"), "rule.rrule", "before the rule's start"),
    (_rrule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "rule.rrule", "no month of the rule has such a day"),
    ({"rule": {"kind": "ONCE", "startLocal": "2027-02-30T09:00"}}, "rule.startLocal", "no such time"),
    (
        {"rule": {"kind": "ONCE", "startLocal": "2027-03-14T02:30"}, "gap": "skip"},
        "rule.startLocal",
        "a policy leaves it out",
    ),
    # rules that are too dense, or no rules
    (_rrule("FREQ=MINUTELY"), "rule.rrule", "at most once an hour"),
    (_rrule("FREQ=HOURLY;BYMINUTE=0,30"), "rule.rrule", "at most once an hour"),
    (_rrule("FREQ=DAILY;BYEASTER=0"), "rule.rrule", "BYEASTER is not supported"),
    (_rrule("weekly"), "rule.rrule", "is not a part like FREQ=WEEKLY"),
    ({"rule": {"kind": "RRULE", "startLocal": "2026-10-05T09:00"}}, "rule.rrule", "needs one"),
    ({"rule": {**ONCE, "rrule": "FREQ=DAILY"}}, "rule.rrule", "goes with the kind RRULE only"),
    ({"rule": {**ONCE, "exdates": ["2026-10-05T09:00"]}}, "rule.exdates", "goes with the kind RRULE only"),
    ({"rule": {**ONCE, "kind": "SOMETIMES"}}, "rule.kind", "'ONCE', 'RRULE' or 'YEARLY'"),
    ({"rule": {**ONCE, "startLocal": "2026-10-05T09:00Z"}}, "rule.startLocal", "without an offset"),
    ({"rule": {**ONCE, "startLocal": 1791190800}}, "rule.startLocal", "must be a local time"),
    ({"rule": {**ONCE, "every": "day"}}, "rule.every", "Extra inputs are not permitted"),
    # the rest
    ({"timezone": "Mars/Olympus"}, "timezone", "not a zone of the IANA database"),
    ({"timezone": "europe/berlin"}, "timezone", "case matters"),
    ({"priority": "LOW"}, "priority", "may raise the priority, not lower it to LOW"),
    ({"priority": "URGENT"}, "priority", "CRITICAL, HIGH, NORMAL, LOW"),
    ({"urgent": "yes"}, "urgent", "boolean"),
    ({"message": "Hey {nickname}"}, "message", "unknown placeholder {nickname}"),
    ({"message": "Hey {ordinal}"}, "message", "unknown placeholder {ordinal}"),
    ({"message": "Hey {"}, "message", "not a template"),
    ({"message": "a" * 1_601}, "message", "at most 1600"),
    ({"message": ""}, "message", "at least 1 character"),
    ({"label": "  "}, "label", "must not be blank"),
    ({"label": "a\nb"}, "label", "control characters"),
    ({"gap": "backward"}, "gap", "'shift_forward' or 'skip'"),
    ({"overlap": "both"}, "overlap", "'first' or 'second'"),
    ({"leapDay": "FORWARD"}, "leapDay", "goes with the kind YEARLY only"),
    ({"graceSeconds": 0}, "graceSeconds", "greater than or equal to 1"),
    ({"graceSeconds": 1_209_601}, "graceSeconds", "less than or equal to 1209600"),
    ({"expirySeconds": 3600}, "expirySeconds", "must be at least graceSeconds (86400)"),
    ({"payload": {"eventId": "mine"}}, "payload", "the key 'eventId' is set by Almanac"),
    ({"payload": {"message": "mine"}}, "payload", "the key 'message' is set by Almanac"),
    ({"payload": {"x": "y" * 20_000}}, "payload", "must not be longer than 16384 bytes"),
    ({"eventType": "BIRTHDAY"}, "eventType", "must be REMINDER"),
    ({"eventType": "PARTY"}, "eventType", "'BIRTHDAY', 'ANNIVERSARY', 'REMINDER' or 'NOTIFICATION'"),
    ({"color": "red"}, "color", "Extra inputs are not permitted"),
    ({"userId": "ada"}, "userId", "valid UUID"),
]


async def test_a_new_schedule_is_refused_with_field_and_rule(reminders: Reminders) -> None:
    for fields, field, rule in REFUSALS:
        found, detail = _fault(await reminders.post(**fields))
        assert (found, rule in detail) == (field, True), (fields, detail)
    left = await reminders.scenario.rows("SELECT 1 FROM schedules WHERE event_type = 'REMINDER'")
    assert left == await reminders.scenario.rows("SELECT 1 FROM outbox") == []


async def test_an_unknown_user_is_a_404_that_says_that_news_takes_a_moment(reminders: Reminders) -> None:
    field, detail = _fault(await reminders.post(userId=str(uuid7())), 404)
    assert field == "userId"
    assert "its message from user-service has not arrived yet" in detail
    await reminders.scenario.delete(reminders.user_id)
    assert _fault(await reminders.post(), 404)[0] == "userId"


CHANGES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "body", "nothing to change"),
    ({"rule": {}}, "rule", "nothing to change"),
    ({"rule": None}, "rule", "valid dictionary"),
    ({"rule": {"rrule": "FREQ=MINUTELY"}}, "rule.rrule", "at most once an hour"),
    ({"rule": {"rrule": None}}, "rule.rrule", "needs one"),
    ({"rule": {"kind": "ONCE", "startLocal": "2020-01-01T09:00"}}, "rule.startLocal", "has passed"),
    ({"rule": {"rrule": "FREQ=DAILY;COUNT=1", "startLocal": "2020-01-01T09:00"}}, "rule.rrule", "never fires"),
    ({"label": None}, "label", "valid string"),
    ({"priority": "LOW"}, "priority", "may raise the priority"),
    ({"message": "{x}"}, "message", "unknown placeholder {x}"),
    ({"expirySeconds": 1}, "expirySeconds", "must be at least graceSeconds"),
    ({"leapDay": "OMIT"}, "leapDay", "goes with the kind YEARLY only"),
    ({"timezone": "Nowhere"}, "timezone", "not a zone"),
    ({"userId": str(uuid7())}, "userId", "Extra inputs are not permitted"),
    ({"status": "PAUSED"}, "status", "Extra inputs are not permitted"),
]


@pytest.mark.parametrize("paused", [False, True])
async def test_a_change_is_refused_with_field_and_rule_and_changes_nothing(reminders: Reminders, paused: bool) -> None:
    schedule = await reminders.create(rrule="FREQ=DAILY")
    if paused:
        schedule = await reminders.do("pause", schedule)
    for changes, field, rule in CHANGES:
        found, detail = _fault(await reminders.patch(schedule, **changes))
        assert (found, rule in detail) == (field, True), (changes, detail)
    assert await reminders.get(schedule) == schedule


async def test_a_bad_parameter_is_refused_by_its_name(editor: httpx.AsyncClient) -> None:
    for query, field in (
        ("status=WAITING", "status"),
        ("eventType=PARTY", "eventType"),
        ("userId=ada", "userId"),
        ("limit=0", "limit"),
        ("cursor=zzz", "cursor"),
    ):
        assert _fault(await editor.get(f"/v1/schedules?{query}"))[0] == field
    for count in ("0", "101", "many"):
        assert _fault(await editor.get(f"/v1/schedules/{uuid7()}/upcoming?count={count}"))[0] == "count"
