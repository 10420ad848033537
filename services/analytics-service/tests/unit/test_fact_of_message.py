"""Every message of the contracts becomes a fact; the golden samples are the messages."""

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_service.adapters.messages import KINDS, fact_of
from analytics_service.domain.facts import Fact, Kind, Measure, Rollup
from analytics_service.domain.grains import Grain
from chassis.messaging.domain import ReceivedItem
from contracts.messages.erasure import PersonalDataErasedItem
from contracts.messages.parsing import parse_message
from contracts.messages.registry import MESSAGES
from contracts.messages.spec import MessageType

# Reports of erasures concern user-service alone: there is nothing to count in them.
COUNTED = [spec.type for spec in MESSAGES if spec.item is not PersonalDataErasedItem]
GOLDEN = Path(__file__).parents[4] / "libs/contracts/tests/golden"


def _facts(type: MessageType, **changes: Any) -> list[Fact]:
    sample = json.loads((GOLDEN / f"{type}.v1.0.json").read_text())
    for item in sample["data"]["items"]:
        item.update(changes)
    message = parse_message(json.dumps(sample))
    return [fact_of(ReceivedItem(type, item, None, message.time)) for item in message.items]


def test_every_message_type_has_a_kind() -> None:
    assert set(KINDS) == set(COUNTED)
    assert set(KINDS.values()) == set(Kind)


@pytest.mark.parametrize("type", COUNTED)
def test_a_fact_names_its_publisher_its_trace_and_its_kind(type: MessageType) -> None:
    for fact in _facts(type, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
        assert fact.source == json.loads((GOLDEN / f"{type}.v1.0.json").read_text())["source"]
        assert fact.kind is KINDS[type]
        assert fact.trace_id == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("type", "at", "latencies"),
    [
        (MessageType.EVENT_SCHEDULED, "2025-12-01T10:00:00+00:00", ()),
        (MessageType.EVENT_PUBLISHED, "2026-11-23T14:00:00.125000+00:00", ((Measure.LATENESS, 0.125),)),
        (MessageType.EVENT_COMPLETED, "2026-11-23T14:00:00.750000+00:00", ((Measure.END_TO_END, 0.5),)),
        (MessageType.EVENT_FAILED, "2026-11-23T14:00:00.750000+00:00", ()),
        (
            MessageType.DELIVERY_SUCCEEDED,
            "2026-11-23T14:00:00.500000+00:00",
            ((Measure.WEBHOOK, 0.04), (Measure.QUEUE, 0.075)),
        ),
    ],
)
def test_instants_and_latencies_come_from_the_item(
    type: MessageType, at: str, latencies: tuple[tuple[Measure, float], ...]
) -> None:
    (fact,) = _facts(type)
    assert (fact.at.isoformat(), fact.latencies) == (at, latencies)
    assert (fact.event_type, fact.priority) == ("BIRTHDAY", 0)
    assert str(fact.event_id) == "fd8615cc-660b-84e9-96a9-0cdf4f423ac7"


@pytest.mark.parametrize("type", [MessageType.EVENT_COMPLETED, MessageType.EVENT_FAILED, MessageType.EVENT_MISSED])
def test_the_tags_of_an_end_are_counted_and_not_kept_with_the_event(type: MessageType) -> None:
    (fact,) = _facts(type, tags=["vip", "berlin"])
    assert fact.tags == ("vip", "berlin")
    assert "vip" not in fact.data
    (untagged,) = _facts(type)
    assert untagged.tags == ()


def test_only_webhook_endpoints_count_as_webhook_latency() -> None:
    failed, without_endpoint = _facts(MessageType.DELIVERY_FAILED, queueSeconds=None)
    assert failed.latencies == ((Measure.WEBHOOK, 0.04), (Measure.WEBHOOK, 30.0))
    assert without_endpoint.latencies == ()
    endpoint = {
        "endpointId": "0192f1c4-0000-7000-8000-0000000000e1",
        "channel": "email",
        "status": "SUCCEEDED",
        "reason": None,
        "attempts": 1,
        "httpStatus": None,
        "latencySeconds": 1.0,
    }
    (by_email,) = _facts(MessageType.DELIVERY_SUCCEEDED, endpoints=[endpoint])
    assert by_email.latencies == ((Measure.QUEUE, 0.075),)


def test_a_timeline_entry_keeps_what_its_columns_do_not_say() -> None:
    (fact,) = _facts(MessageType.EVENT_CANCELLED)
    data = json.loads(fact.data)
    assert data["reason"] == "user_deleted"
    assert data["targetTimestampUTC"] == "2026-11-23T14:00:00Z"
    assert not data.keys() & {"itemId", "eventId", "traceparent", "occurredAt"}


@pytest.mark.parametrize("type", [type for type in COUNTED if KINDS[type].value.startswith("user_")])
def test_users_are_counted_at_their_messages_time_and_nothing_is_kept_of_them(type: MessageType) -> None:
    for fact in _facts(type):
        assert fact.at.isoformat() == "2026-11-23T14:00:00.250000+00:00"
        assert (fact.event_id, fact.data) == (None, "{}")


def test_facts_are_counted_by_the_minute_the_hour_and_the_day_in_which_they_happened() -> None:
    (published,), (scheduled,) = _facts(MessageType.EVENT_PUBLISHED), _facts(MessageType.EVENT_SCHEDULED)
    rollup = Rollup.of([published, published, scheduled])
    assert sorted((key[1].isoformat(), key[0], key[2], count) for key, count in rollup.counts.items()) == [
        ("2025-12-01T00:00:00+00:00", Grain.DAY, Kind.SCHEDULED, 1),
        ("2025-12-01T10:00:00+00:00", Grain.HOUR, Kind.SCHEDULED, 1),
        ("2025-12-01T10:00:00+00:00", Grain.MINUTE, Kind.SCHEDULED, 1),
        ("2026-11-23T00:00:00+00:00", Grain.DAY, Kind.PUBLISHED, 2),
        ("2026-11-23T14:00:00+00:00", Grain.HOUR, Kind.PUBLISHED, 2),
        ("2026-11-23T14:00:00+00:00", Grain.MINUTE, Kind.PUBLISHED, 2),
    ]
    assert {(*key[2:], count) for key, count in rollup.latencies.items()} == {
        (Measure.LATENESS, "BIRTHDAY", 0, -24, 2),  # 2^-3 = 0.125 s is the bound of bucket -24
    }
    assert rollup.latencies.total() == 2 * len(Grain)
