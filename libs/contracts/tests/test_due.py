import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contracts import MAX_ATTRIBUTES, ContractError, DueEvent, check_attributes, parse_due_event

BODY = (Path(__file__).parent / "golden" / "DueEvent.json").read_bytes()
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def due() -> DueEvent:
    return parse_due_event(BODY)


def with_metadata(**changes: Any) -> str:
    body = json.loads(BODY)
    body["metadata"] |= changes
    return json.dumps(body)


def test_the_golden_due_event_parses_and_serialises_to_itself(due: DueEvent) -> None:
    assert json.loads(due.model_dump_json()) == json.loads(BODY)


def test_the_local_target_keeps_its_offset(due: DueEvent) -> None:
    local = datetime(2026, 11, 23, 9, tzinfo=ZoneInfo("America/New_York"))
    built = due.metadata.model_copy(update={"target_timestamp_local": local})
    assert json.loads(built.model_dump_json())["targetTimestampLocal"] == "2026-11-23T09:00:00-05:00"


def test_attributes_route_and_trace_a_due_event(due: DueEvent) -> None:
    assert due.attributes(TRACEPARENT, "k=v") == {
        "eventId": str(due.event_id),
        "userId": str(due.metadata.user_id),
        "eventType": "BIRTHDAY",
        "priority": "CRITICAL",
        "traceparent": TRACEPARENT,
        "tracestate": "k=v",
    }


@pytest.mark.parametrize("tracestate", [None, ""])
def test_an_empty_tracestate_is_no_attribute(due: DueEvent, tracestate: str | None) -> None:
    assert list(due.attributes(TRACEPARENT, tracestate)) == [
        "eventId",
        "userId",
        "eventType",
        "priority",
        "traceparent",
    ]


def test_more_attributes_than_raw_delivery_carries_are_refused() -> None:
    check_attributes({str(number): "x" for number in range(MAX_ATTRIBUTES)})
    with pytest.raises(ContractError, match=r"^11 message attributes"):
        check_attributes({str(number): "x" for number in range(MAX_ATTRIBUTES + 1)})


def test_an_empty_attribute_is_refused_by_name() -> None:
    with pytest.raises(ContractError, match=r"^empty message attributes: tracestate$"):
        check_attributes({"eventId": "1", "tracestate": ""})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("nonsense", "not JSON: expected ident at line 1 column 2"),
        ("[]", "Input should be an object"),
        (with_metadata(priority="URGENT"), "metadata.priority: Input should be one of CRITICAL, HIGH, NORMAL, LOW"),
        (with_metadata(attempt=0), "metadata.attempt: Input should be greater than or equal to 1"),
        (with_metadata(contact=None), "metadata.contact: Input should be an object"),
    ],
)
def test_a_broken_due_event_is_refused_with_its_reason(body: str, reason: str) -> None:
    with pytest.raises(ContractError) as refusal:
        parse_due_event(body)
    assert str(refusal.value) == reason
