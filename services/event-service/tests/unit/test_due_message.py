"""The message of a due event has its documented shape (docs/architecture.md#contracts)."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.due import parse_due_event
from event_service.adapters.due_events import to_due_event
from event_service.domain.events import LATE_AFTER, Event

TARGET = datetime(2026, 11, 23, 14, tzinfo=UTC)
EVENT = Event(
    id=UUID("fd8615cc-660b-84e9-96a9-0cdf4f423ac7"),
    target=TARGET,
    schedule_id=UUID(int=1),
    user_id=UUID("0192f1c4-5a7e-7c3b-9d2e-8f4a6b1c0d3e"),
    event_type="BIRTHDAY",
    occurrence="2026",
    priority=0,
    timezone="America/New_York",
    grace_until=TARGET + timedelta(hours=24),
    expires_at=TARGET + timedelta(hours=72),
    payload={"message": "Hey, Ada Lovelace it's your birthday"},
    tags=("vip",),
    email=None,
    phone=None,
    traceparent=None,
)


def test_a_due_event_has_the_published_shape() -> None:
    due = to_due_event(EVENT, TARGET)
    assert json.loads(due.model_dump_json()) == {
        "eventId": "fd8615cc-660b-84e9-96a9-0cdf4f423ac7",
        "eventType": "BIRTHDAY",
        "idempotencyKey": "fd8615cc-660b-84e9-96a9-0cdf4f423ac7",
        "metadata": {
            "userId": "0192f1c4-5a7e-7c3b-9d2e-8f4a6b1c0d3e",
            "attempt": 1,
            "occurrence": "2026",
            "priority": "CRITICAL",
            "late": False,
            "expiresAt": "2026-11-26T14:00:00Z",
            "targetTimestampUTC": "2026-11-23T14:00:00Z",
            "targetTimestampLocal": "2026-11-23T09:00:00-05:00",
            "targetTimezone": "America/New_York",
            "tags": ["vip"],
            "contact": {"email": None, "phone": None},
            "deliveryPayload": {"message": "Hey, Ada Lovelace it's your birthday"},
        },
    }
    assert parse_due_event(due.model_dump_json()) == due


def test_external_id_and_own_idempotency_key_are_in_the_message() -> None:
    due = to_due_event(replace(EVENT, external_id="crm-42", idempotency_key="event-2026-ada"), TARGET)
    assert (due.metadata.external_id, due.idempotency_key) == ("crm-42", "event-2026-ada")


def test_its_attributes_route_and_trace_it() -> None:
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert to_due_event(EVENT, TARGET).attributes(traceparent) == {
        "eventId": str(EVENT.id),
        "userId": str(EVENT.user_id),
        "eventType": "BIRTHDAY",
        "priority": "CRITICAL",
        "traceparent": traceparent,
    }


@pytest.mark.parametrize(
    ("timezone", "local"),
    [
        ("Asia/Kathmandu", "2026-11-23T19:45:00+05:45"),
        ("Asia/Kolkata", "2026-11-23T19:30:00+05:30"),
        ("Pacific/Kiritimati", "2026-11-24T04:00:00+14:00"),
        ("Australia/Lord_Howe", "2026-11-24T01:00:00+11:00"),
        ("UTC", "2026-11-23T14:00:00Z"),
    ],
)
def test_the_local_time_has_the_offset_of_its_zone(timezone: str, local: str) -> None:
    due = json.loads(to_due_event(replace(EVENT, timezone=timezone), TARGET).model_dump_json())
    assert due["metadata"]["targetTimestampLocal"] == local
    assert due["metadata"]["targetTimestampUTC"] == "2026-11-23T14:00:00Z"


@pytest.mark.parametrize(
    ("after", "late"),
    [(timedelta(0), False), (LATE_AFTER - timedelta(microseconds=1), False), (LATE_AFTER, True)],
)
def test_it_is_late_from_a_minute_after_its_target(after: timedelta, late: bool) -> None:
    assert to_due_event(EVENT, TARGET + after).metadata.late is late


def test_contacts_and_an_attempt_travel_with_it() -> None:
    metadata = to_due_event(replace(EVENT, email="ada@example.org", phone="+44", attempt=3), TARGET).metadata
    assert (metadata.contact.email, metadata.contact.phone, metadata.attempt) == ("ada@example.org", "+44", 3)
